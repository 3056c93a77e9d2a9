"""Screenshots of live captions: ``python -m tests.ui.screens FOLDER`` writes captions-40.svg, -80 and -200."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from pyte.screens import Char
from rich.console import Console
from rich.text import Text

from tests.ui.terminal import Terminal, playing

# Enough of the text to have scrolled, the tail in the middle of a row.
ROWS = {40: 10, 80: 7, 200: 5}


def main(folder: Path) -> None:
    """Play a session in terminals of three widths and draw each as it stands in the middle."""
    for columns, rows in ROWS.items():
        with playing("held", columns, rows) as terminal:
            terminal.wait_until(lambda terminal=terminal: "00:10" in terminal.rows[-1])  # type: ignore[misc]
            (folder / f"captions-{columns}.svg").write_text(drawn(terminal), "utf-8")


def drawn(terminal: Terminal) -> str:
    """Return the screen as SVG, its dim text and its colours kept."""
    screen = terminal.screen
    console = Console(record=True, width=screen.columns, file=io.StringIO(), force_terminal=True)
    for y in range(screen.lines):
        line = Text()
        for x in range(screen.columns):
            line.append(screen.buffer[y][x].data, style=_style(screen.buffer[y][x]))
        console.print(line, no_wrap=True, crop=True)
    svg = console.export_svg(title="voxctl transcribe", unique_id=f"captions-{screen.columns}")
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)  # fonts of a foreign host: the reader's own do


def _style(cell: Char) -> str:
    colour = {"default": "", "brown": "yellow"}.get(cell.fg, cell.fg)
    return f"{colour} dim".strip() if cell.italics else colour  # see DIM in terminal.py


if __name__ == "__main__":
    main(Path(sys.argv[1]))
