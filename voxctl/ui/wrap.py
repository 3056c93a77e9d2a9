"""Where lines end: words of many scripts, measured in the cells a terminal gives them. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rich.cells import cell_len, get_character_cell_size

from voxctl.ui.text import printable

# Scripts written without spaces: a line may end after each character, but must not begin with closing punctuation.
_CLOSING = r"\u3001\u3002\u3009\u300b\u300d\u300f\u3011\u3099\u309a\u30fc\uff01\uff09\uff0c\uff0e\uff1a\uff1b\uff1f"
_UNSPACED = r"\u2e80-\u2fdf\u3003-\u303f\u3041-\u30ff\u3100-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef"
_SPACE = r"[^\S\xa0\u202f\n]"
_PIECE = re.compile(rf"(\n)|({_SPACE}+)|[{_UNSPACED}][{_CLOSING}]*|(?:[^\s{_UNSPACED}]|[\xa0\u202f])+")

# On a screen a tab is a space, and Unicode's own line ends are line ends.
_PLAINER = str.maketrans({"\t": " ", "\u2028": "\n", "\u2029": "\n"})

NARROWEST = 8  # columns; a narrower terminal is treated as if it had these


@dataclass(frozen=True, slots=True)
class Line:
    """The part of a text from ``start`` to before ``end`` that fits one row."""

    start: int
    end: int


def cleaned(text: str) -> str:
    """Return ``text`` as it may stand on a terminal: no controls, no tabs, ``\\n`` the only line end."""
    return printable(text.translate(_PLAINER))


def wrap(text: str, width: int) -> list[Line]:
    """Return the rows of ``text``, which was ``cleaned``, at most ``width`` cells each; the last one is unfinished.

    White space where a row ends belongs to no row. Only the last row can change when text is added, so that the
    others may leave the screen for good.
    """
    width = max(width, NARROWEST)
    lines: list[Line] = []
    start = end = used = gap = 0
    for piece in _PIECE.finditer(text):
        if piece[1]:
            lines.append(Line(start, end))
            start = end = piece.end()
            used = gap = 0
        elif piece[2]:
            if end == start:
                start = end = piece.end()
            else:
                gap = cell_len(piece[2])
        else:
            cells = cell_len(piece[0])
            if end > start and used + gap + cells > width:
                lines.append(Line(start, end))
                start, used, gap = piece.start(), 0, 0
            while used + cells > width:  # a word longer than a row
                cut = _fitting(text, start, width)
                lines.append(Line(start, cut))
                start, cells = cut, cell_len(text[cut : piece.end()])
            used, gap, end = used + gap + cells, 0, piece.end()
    return [*lines, Line(start, end)]


def rows_taken(text: str, width: int) -> int:
    """Return how many rows a terminal of ``width`` gives one line of ``text``, which breaks where it is full."""
    rows, used = 1, 0
    for character in text:
        cells = get_character_cell_size(character)
        if used + cells > width:
            rows, used = rows + 1, 0
        used += cells
    return rows


def cropped(text: str, width: int) -> str:
    """Return ``text`` in at most ``width`` cells, with an ellipsis where some is missing."""
    if cell_len(text) <= width:
        return text
    return text[: _fitting(text, 0, max(width - 1, 1))] + "…"


def _fitting(text: str, start: int, width: int) -> int:
    """Return the end of the longest part from ``start`` that fits ``width`` cells."""
    used, end = 0, start
    while end < len(text) and (used := used + get_character_cell_size(text[end])) <= width:
        end += 1
    return end
