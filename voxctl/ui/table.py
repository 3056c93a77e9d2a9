"""A table of plain text: aligned where there is room, one thing below the other where there is not."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from voxctl.ui.text import one_line

_GAP = 2
_INDENT = "    "


def table(rows: Sequence[Sequence[str]], columns: int | None) -> list[str]:
    """Return the lines of a table, ``columns`` wide at most if that can be; ``None``: as wide as it needs.

    Where it does not fit, each row has its first cell on a line and the others indented below it, the second beside
    the first if it can.
    """
    cells = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    if columns is None or sum(widths) + _GAP * (len(widths) - 1) <= columns:
        return [
            (" " * _GAP).join(c + " " * (w - _width(c)) for c, w in zip(row, widths, strict=True)).rstrip()
            for row in cells
        ]
    return [line for row in cells for line in _stacked(row, columns)]


def _stacked(row: list[str], columns: int) -> list[str]:
    first, second, *others = row
    beside = f"{first}{' ' * _GAP}{second}"
    lines = [beside] if _width(beside) <= columns else [first, _INDENT + second]
    return lines + [_INDENT + cell for cell in others if cell]


def _width(text: str) -> int:
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
