"""A list of checks: what was found beside its name, what mends it below. On a terminal, what is still waited for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TextIO

from voxctl.ui.console import display_for
from voxctl.ui.screen import CYAN, DIM, GREEN, YELLOW, Region, Row
from voxctl.ui.text import one_line
from voxctl.ui.wrap import cleaned, cropped, wrap

RED = "31"
_STYLES = {"ok": GREEN, "note": YELLOW, "failed": RED, "skipped": DIM}
_CURE = "try: "
_GAP = "  "
_STACK_INDENT = "    "
#: Columns that a finding should have beside its name; with fewer it goes below.
_ROOM = 30


class Line(NamedTuple):
    """One check as it is shown."""

    status: str
    name: str
    found: str
    cure: str


class ChecksView:
    """Shows that checks are under way, on a terminal only, and then what they came to, on stdout."""

    def __init__(self, out: TextIO, err: TextIO, environment: Mapping[str, str]) -> None:
        display = display_for(out, err, environment)
        self._out = out
        self._region: Region | None = None
        self._colour = display.colour and out.isatty()
        screen = display.screen
        self._columns: int | None = None
        if screen is not None:
            self._region = Region(screen, colour=display.colour, reflows=display.reflows)
        if out.isatty():
            self._columns = Region(out, colour=False, reflows=False).size()[0]

    def waiting(self, names: Sequence[str]) -> None:
        """Show the names of the checks that are not done yet; none takes the row away."""
        if self._region is not None:
            text = cropped(f"checking: {', '.join(names)}", max(self._region.size()[0] - 1, 1))
            self._region.draw((), (((text, DIM),),) if names else ())

    def table(self, lines: Sequence[Line]) -> None:
        """Write all checks to stdout."""
        for row in rows(lines, self._columns):
            self._out.write("".join(self._styled(text, style) for text, style in row) + "\n")
        self._out.flush()

    def document(self, text: str) -> None:
        """Write a document to stdout."""
        self._out.write(text + "\n")
        self._out.flush()

    def _styled(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if style and self._colour else text


def rows(lines: Sequence[Line], columns: int | None) -> list[Row]:
    """Return the rows of a list of checks, at most ``columns`` wide; ``None``: a row for each text."""
    status_width = max((len(line.status) for line in lines), default=0)
    name_width = max((len(line.name) for line in lines), default=0)
    indent = " " * (status_width + name_width + 2 * len(_GAP))
    beside = columns is None or columns - len(indent) >= _ROOM
    if not beside:
        indent = _STACK_INDENT
    room = None if columns is None else columns - len(indent)
    shown: list[Row] = []
    for line in lines:
        head: Row = ((line.status.ljust(status_width), _STYLES.get(line.status, "")), (_GAP, ""), (line.name, ""))
        first, *more = broken(line.found, room)
        if beside:
            shown.append((*head, (" " * (name_width - len(line.name)) + _GAP + first, "")))
        else:
            shown += [head, ((indent + first, ""),)]
        shown += [((indent + text, ""),) for text in more]
        if line.cure:
            first, *more = broken(line.cure, room and room - len(_CURE))
            shown.append(((indent, ""), (_CURE + first, CYAN)))
            shown += [((indent + " " * len(_CURE), ""), (text, CYAN)) for text in more]
    return shown


def broken(text: str, room: int | None) -> list[str]:
    """Return a text on one line, or on as many of ``room`` columns as it takes."""
    text = cleaned(one_line(text))
    return [text] if room is None else [text[line.start : line.end] for line in wrap(text, room)]
