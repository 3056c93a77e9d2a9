"""Screenshots: ``python -m tests.ui.screens FOLDER`` writes captions-40.svg, -80 and -200, and states-80.svg."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from pyte.screens import Char
from rich.console import Console
from rich.text import Text

from tests.ui.terminal import Terminal, playing

# Enough of the text to have scrolled, the tail in the middle of a row.
ROWS = {40: 10, 80: 7, 200: 5}
#: What the status line says of a session that survives, one after the other.
STATES = ("reconnecting", "resumed", "rotated", "lag 12.5")


def main(folder: Path) -> None:
    """Play a session in terminals of three widths and draw each as it stands in the middle; and all states of one."""
    for columns, rows in ROWS.items():
        with playing("held", columns, rows) as terminal:
            terminal.wait_until(lambda terminal=terminal: _is_held(terminal))  # type: ignore[misc]
            lines = [_line(terminal, y) for y in range(terminal.screen.lines)]
            (folder / f"captions-{columns}.svg").write_text(drawn(lines, columns, f"captions-{columns}"), "utf-8")
    with playing("survived") as terminal:
        lines = []
        for state in STATES:
            terminal.wait_until(lambda state=state: state in terminal.rows[-1])  # type: ignore[misc]
            lines.append(_line(terminal, len(terminal.rows) - 1))
            terminal.press("\n")
    (folder / "states-80.svg").write_text(drawn(lines, 80, "states-80"), "utf-8")


def drawn(lines: Sequence[Text], columns: int, name: str) -> str:
    """Return rows of a screen as SVG, dim text and colours kept."""
    console = Console(record=True, width=columns, file=io.StringIO(), force_terminal=True)
    for line in lines:
        console.print(line, no_wrap=True, crop=True)
    svg = console.export_svg(title="voxctl transcribe", unique_id=name)
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)  # fonts of a foreign host: the reader's own do


def _is_held(terminal: Terminal) -> bool:
    return "00:10" in terminal.rows[-1] and "the three of" in " ".join(terminal.rows)


def _line(terminal: Terminal, y: int) -> Text:
    cells = [terminal.screen.buffer[y][x] for x in range(terminal.screen.columns)]
    return Text.assemble(*(("".join(cell.data for cell in run), style) for style, run in groupby(cells, _style)))


def _style(cell: Char) -> str:
    colour = {"default": "", "brown": "yellow"}.get(cell.fg, cell.fg)
    return f"{colour} dim".strip() if cell.italics else colour  # see DIM in terminal.py


if __name__ == "__main__":
    main(Path(sys.argv[1]))
