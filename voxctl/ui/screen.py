"""The few rows at the bottom of a terminal that are drawn again and again; what is written above them stays.

Every frame is one write, so nothing flickers, and rows that did not change are not written. Between frames the cursor
waits, hidden, in the first column of the last row: the one place where terminals agree after a change of width.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import takewhile
from typing import TextIO

from voxctl.ui.wrap import rows_taken

#: A piece of a row and its style: the parameters of an SGR sequence, or nothing.
Span = tuple[str, str]
Row = tuple[Span, ...]

DIM, GREEN, YELLOW, CYAN = "2", "32", "33", "36"

_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
# Without automatic wrapping a row is one row, whatever the terminal thinks of the width of an emoji.
_NO_WRAP, _WRAP = "\x1b[?7l", "\x1b[?7h"
_ERASE_ROW = "\x1b[K"
_DOWN = "\x1b[B"

_UNKNOWN_SIZE = (80, 24)


class Region:
    """The rows at the bottom of the terminal ``stream``. ``reflows``: it breaks long rows when it becomes narrower."""

    def __init__(self, stream: TextIO, *, colour: bool, reflows: bool) -> None:
        self._stream = stream
        self._colour = colour
        self._reflows = reflows
        self._rows: list[Row] = []
        self._width = 0

    def size(self) -> tuple[int, int]:
        """Return the columns and rows of the terminal as it is now."""
        try:
            columns, rows = os.get_terminal_size(self._stream.fileno())
        except OSError:
            return _UNKNOWN_SIZE
        return columns or _UNKNOWN_SIZE[0], rows or _UNKNOWN_SIZE[1]

    @property
    def resized(self) -> bool:
        """Whether the rows were drawn for another width."""
        return bool(self._rows) and self.size()[0] != self._width

    def draw(self, above: Sequence[Row], rows: Sequence[Row]) -> None:
        """Write the lines ``above``, which stay for good, and then ``rows`` in place of those before."""
        width = self.size()[0]
        kept = 0
        if not above and width == self._width:
            kept = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(rows, self._rows, strict=False)))
        if not above and kept == len(rows) == len(self._rows):
            return
        kept = max(0, min(kept, len(rows) - 1, len(self._rows) - 1))
        above_cursor, n_old = self._rows_on_screen(width)
        self._width = width
        frame = [_HIDE_CURSOR if rows and not self._rows else "", "\r", _up(above_cursor - kept), _erase(n_old - kept)]
        frame += [self._styled(line) + "\r\n" for line in above]
        if rows:
            frame += [_NO_WRAP, "\r\n".join(map(self._styled, rows[kept:])), _WRAP, "\r"]
        elif self._rows:
            frame.append(_SHOW_CURSOR)
        self._rows = list(rows)
        self._stream.write("".join(frame))
        self._stream.flush()

    def clear(self) -> None:
        """Take the rows away and give the cursor back, in the first column below what stays."""
        if self._rows:
            self.draw((), ())

    def _rows_on_screen(self, width: int) -> tuple[int, int]:
        """Return how many rows of the terminal ours take before the cursor, and in all."""
        if not (self._reflows and width < self._width):
            return max(0, len(self._rows) - 1), len(self._rows)
        taken = [rows_taken("".join(text for text, _ in row), width) for row in self._rows]
        return sum(taken[:-1]), sum(taken)

    def _styled(self, row: Row) -> str:
        return "".join(
            f"\x1b[{style}m{text}\x1b[0m" if style and (self._colour or style == DIM) else text for text, style in row
        )


def _up(rows: int) -> str:
    return f"\x1b[{rows}A" if rows > 0 else ""


def _erase(rows: int) -> str:
    """Return what empties this row and those below it, from the first column back to there.

    Row by row, because tmux and others take "erase all below" at the top of a screen for "clear", and first copy what
    is there into the history.
    """
    return (_ERASE_ROW + (_DOWN + _ERASE_ROW) * (rows - 1) + _up(rows - 1)) if rows > 0 else ""
