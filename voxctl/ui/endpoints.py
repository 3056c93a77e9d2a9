"""Endpoints on the screen: a table of all, or what is known of one, drawn again and again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TextIO

from voxctl.ui.checks import broken
from voxctl.ui.console import display_for
from voxctl.ui.screen import DIM, Region, Row
from voxctl.ui.table import table
from voxctl.ui.text import one_line
from voxctl.ui.wrap import cropped


class EndpointsView:
    """Writes to stdout. On a terminal what is watched stays in its place; elsewhere only what changed is written."""

    def __init__(self, out: TextIO, err: TextIO, environment: Mapping[str, str]) -> None:
        display = display_for(out, err, environment)
        self._out = out
        self._columns = Region(out, colour=False, reflows=False).size()[0] if out.isatty() else None
        self._region: Region | None = None
        if display.screen is not None and out.isatty():
            self._region = Region(display.screen, colour=display.colour, reflows=display.reflows)
        self._before: Sequence[tuple[str, str]] = ()

    def document(self, text: str) -> None:
        """Write a document."""
        self._out.write(text + "\n")
        self._out.flush()

    def table(self, rows: Sequence[Mapping[str, str]]) -> None:
        """Write rows that have the same columns, with their heads where they fit beside each other."""
        heads, cells = list(rows[0]), [list(row.values()) for row in rows]
        shown = table([heads, *cells], self._columns)
        if len(shown) > len(rows) + 1:  # one thing below the other: each says what it is
            named = [[*row[:2], *(f"{h} {c}" for h, c in zip(heads[2:], row[2:], strict=True))] for row in cells]
            shown = table(named, self._columns)
        self.document("\n".join(shown))

    def lines(self, lines: Sequence[tuple[str, str]]) -> None:
        """Write what is known of one endpoint, each beside its name."""
        width = max(len(name) for name, _ in lines) + 2
        shown = []
        for name, text in lines:
            first, *more = broken(text, self._columns and max(self._columns - width, 1))
            shown += [f"{name:{width}}{first}", *(" " * width + part for part in more)]
        self.document("\n".join(shown))

    def watched(self, lines: Sequence[tuple[str, str]], *, changing: Sequence[str]) -> None:
        """Show the lines in place of those before; ``changing`` are those whose change alone is not worth a line."""
        before, self._before = self._before, lines
        if self._region is not None:
            width = max(len(name) for name, _ in lines)
            self._region.draw((), tuple(self._row(name.ljust(width), text) for name, text in lines))
            return
        new = [line for line in lines if line not in before and (line[0] not in changing or not before)]
        if new:
            self.document("\n".join(f"{name}: {one_line(text)}" for name, text in new))

    def rest(self) -> None:
        """Leave what was watched on the screen for good."""
        if self._region is not None:
            self._region.clear()
            self.lines(self._before)

    def _row(self, name: str, text: str) -> Row:
        room = max((self._region.size()[0] if self._region else 80) - len(name) - 3, 1)
        return ((name, DIM), ("  ", ""), (cropped(one_line(text), room), ""))
