"""Subtitle cues as broadcasters expect them: short lines, two at most, 1 to 7 seconds each, none over another.

A line has at most 42 columns, of which an East Asian wide character takes two. Where to break is the cheapest of all
ways through the words (``_breaks``); when to show is decided after that (``_timed``), in whole milliseconds so that no
limit is lost to rounding.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from voxctl.events import Gap, Word
from voxctl.transcript.text import columns, cut, one_line

LINE_COLUMNS = 42
CUE_LINES = 2
LEAST_MS = 1000
MOST_MS = 7000
#: A cue stays for this long per column where silence follows: 20 columns a second can be read.
READING_MS = 50

_SENTENCE = re.compile(r"[.?!…。？！][\"'”’»)\]」』]*$")
_CLAUSE = re.compile(r"[,;:–—、，；：][\"'”’»)\]」』]*$")
_SHORT_GAP = "[…]"
_PAUSE_MS = 300
_LONG_PAUSE_MS = 800

# The price of ending a cue after a word, the best place first …
_AT_SENTENCE, _AT_CLAUSE, _AT_PAUSE, _AT_WORD, _IN_WORD = 0, 30, 45, 100, 400
# … of having a good place for an end in its middle, of each cue, of a full one (quadratic, so that a sentence is cut
# into even parts), and of one that is too short, which is never worth it.
_OVER_SENTENCE, _OVER_PAUSE, _PER_CUE, _FULL, _TOO_SHORT = 15, 80, 10, 30, 1_000_000


@dataclass(frozen=True, slots=True)
class Cue:
    """What is on the screen from ``start_s`` to ``end_s``: one or two lines, none empty, without control characters."""

    start_s: float
    end_s: float
    lines: tuple[str, ...]


@dataclass(slots=True)
class _Item:
    """A word, a part of a long one, or a gap. ``space`` is what comes between it and the item before."""

    text: str
    space: str
    start_ms: int
    end_ms: int
    alone: bool = False
    after: int = _AT_WORD
    over: int = 0

    columns: int = field(init=False)

    def __post_init__(self) -> None:
        self.columns = columns(self.text)


def cues(text: str, words: Sequence[Word], gaps: Sequence[Gap], audio_s: float, label: str = "") -> list[Cue]:
    """Return the cues of ``words``, each word once and in order, within 0 … ``audio_s``.

    ``text`` is the transcript's, which knows where white space is. A cue that would be too short is joined to a
    neighbour; where that breaks another limit it takes time from its neighbours; only audio with more cues than
    seconds has cues shorter than one second. A gap is a cue of its own, ``[… 4.2 s missing: reason]``, or, below one
    second, a word ``[…]`` among the others. Each cue begins with ``label``, which has half a line's columns at most.
    """
    audio_ms = max(0, int(audio_s * 1000))
    items = _with_gaps(list(_items(text, words)), gaps)
    _bound(items, audio_ms)
    _price(items)
    return _timed(items, _breaks(items, audio_ms, label), audio_ms, label)


def _items(text: str, words: Sequence[Word]) -> Iterator[_Item]:
    at = 0
    for word in words:
        found = text.find(word.text, at)
        space = "" if found == at and at else " "
        at = found + len(word.text) if found >= 0 else at
        parts = one_line(word.text).split()
        pieces = [(piece, "" if k else " ") for part in parts for k, piece in enumerate(cut(part, LINE_COLUMNS))]
        length_ms = (word.end_s - word.start_s) * 1000 / max(1, len(pieces))
        for number, (piece, inner) in enumerate(pieces):
            start_ms = word.start_s * 1000 + number * length_ms
            item = _Item(piece, inner if number else space, round(start_ms), round(start_ms + length_ms))
            item.after = _IN_WORD if number < len(pieces) - 1 else _AT_WORD
            yield item


def _with_gaps(items: list[_Item], gaps: Sequence[Gap]) -> list[_Item]:
    """Put each gap before the first word whose middle is not before its own: words' times are estimates."""
    for gap in sorted(gaps, key=lambda gap: gap.start_s, reverse=True):
        start_ms, end_ms = round(gap.start_s * 1000), round(gap.end_s * 1000)
        middle = start_ms + end_ms
        place = next((k for k, item in enumerate(items) if item.start_ms + item.end_ms >= middle), len(items))
        while 0 < place < len(items) and items[place - 1].after == _IN_WORD:
            place += 1
        alone = end_ms - start_ms >= LEAST_MS
        items.insert(place, _Item(gap_text(gap) if alone else _SHORT_GAP, " ", start_ms, end_ms, alone))
        if place + 1 < len(items):
            items[place + 1].space = " "
    return items


def gap_text(gap: Gap) -> str:
    """Return what stands for ``gap`` in a text for people, on one line."""
    return f"[… {gap.end_s - gap.start_s:.1f} s missing: {one_line(gap.reason)}]"


def _bound(items: list[_Item], audio_ms: int) -> None:
    """Bring times into the audio and into order."""
    start_ms = 0
    for item in items:
        start_ms = item.start_ms = max(start_ms, min(item.start_ms, audio_ms))
        item.end_ms = max(start_ms, min(item.end_ms, audio_ms))


def _price(items: list[_Item]) -> None:
    """Set what it costs to end a cue after each item, and to go on over it."""
    for item, following in pairwise(items):
        pause_ms = following.start_ms - item.end_ms
        if item.after == _IN_WORD:
            continue
        if _SENTENCE.search(item.text) and item.text != _SHORT_GAP:
            item.after, item.over = _AT_SENTENCE, _OVER_SENTENCE
        elif _CLAUSE.search(item.text):
            item.after = _AT_CLAUSE
        elif pause_ms >= _PAUSE_MS:
            item.after = _AT_PAUSE
        if pause_ms >= _LONG_PAUSE_MS:
            item.over = _OVER_PAUSE
    if items:
        items[-1].after = 0


def _breaks(items: list[_Item], audio_ms: int, label: str) -> list[int]:
    """Return where cues end (exclusive), at the least price over all items."""
    price = [0.0] + [float("inf")] * len(items)
    begin = [0] * (len(items) + 1)
    for first, item in enumerate(items):
        before = items[first - 1] if first else None
        # From here on it could be shown, whatever cue the item before is in: that one needs its own second.
        free_ms = max(before.end_ms, before.start_ms + LEAST_MS) if before else 0
        earliest_ms = min(item.start_ms, free_ms)
        for last, full, over in _ends(items, first, label):
            next_ms = items[last + 1].start_ms if last + 1 < len(items) else audio_ms
            end_ms = min(max(items[last].end_ms, item.start_ms + LEAST_MS), next_ms)
            paid = price[first] + _PER_CUE + _FULL * full * full + over + items[last].after
            if end_ms - earliest_ms < LEAST_MS:
                paid += _TOO_SHORT
            if paid < price[last + 1]:
                price[last + 1], begin[last + 1] = paid, first
    ends, end = [], len(items)
    while end:
        ends.append(end)
        end = begin[end]
    return ends[::-1]


def _ends(items: list[_Item], first: int, label: str = "") -> Iterator[tuple[int, float, int]]:
    """Yield every item that a cue from ``first`` can end with, how full it is then, and the price of what it spans."""
    over = width = 0
    lines = [columns(label)]
    for last in range(first, len(items)):
        item = items[last]
        if last > first:
            if item.alone or items[first].alone or item.end_ms - items[first].start_ms > MOST_MS:
                return
            over += items[last - 1].over
        space = item.space if last > first else " " if label else ""
        wider = lines[-1] + len(space) + item.columns
        if wider <= LINE_COLUMNS or item.alone:
            lines[-1] = wider
        elif len(lines) < CUE_LINES:
            lines.append(item.columns)
        else:
            return
        width += item.columns
        yield last, width / (LINE_COLUMNS * CUE_LINES), over


def _timed(items: list[_Item], ends: list[int], audio_ms: int, label: str) -> list[Cue]:
    """Give each cue its time: that of its words, made long enough at the cost of silence first, then of neighbours."""
    shown = [items[begin:end] for begin, end in pairwise([0, *ends])]
    least_ms = min(LEAST_MS, audio_ms // max(1, len(shown)))
    starts = [cue[0].start_ms for cue in shown] + [audio_ms]
    for k in reversed(range(len(shown))):
        starts[k] = min(starts[k], starts[k + 1] - least_ms)
    for k in range(len(shown)):
        starts[k] = max(starts[k], starts[k - 1] + least_ms if k else 0)
    timed = []
    for start_ms, next_ms, cue in zip(starts, starts[1:], shown, strict=False):
        lines = _gap_lines(f"{label} {cue[0].text}".lstrip()) if cue[0].alone else _lines(cue, label)
        readable_ms = max(LEAST_MS, READING_MS * sum(map(columns, lines)))
        end_ms = min(max(cue[-1].end_ms, start_ms + readable_ms), next_ms, start_ms + MOST_MS)
        timed.append(Cue(start_ms / 1000, end_ms / 1000, lines))
    return timed


def _lines(cue: list[_Item], label: str = "") -> tuple[str, ...]:
    """Return one line where it fits, or two as even as they can be, punctuation at the end of the first if near."""
    whole = f"{label} {_joined(cue)}".lstrip()
    if columns(whole) <= LINE_COLUMNS:
        return (whole,)
    best: tuple[int, tuple[str, ...]] | None = None
    for place in range(0 if label else 1, len(cue)):
        upper, lower = f"{label} {_joined(cue[:place])}".strip(), _joined(cue[place:])
        wide, narrow = columns(upper), columns(lower)
        if max(wide, narrow) > LINE_COLUMNS:
            continue
        uneven = abs(wide - narrow) + (cue[place - 1].after if place else _IN_WORD) // 5
        if best is None or uneven < best[0]:
            best = uneven, (upper, lower)
    assert best, "the breaks allow only what fits in two lines"
    return best[1]


def _joined(items: list[_Item]) -> str:
    return "".join(item.space + item.text if k else item.text for k, item in enumerate(items))


def _gap_lines(text: str) -> tuple[str, ...]:
    """Return the text of a gap on at most two lines, its end shortened if need be."""
    for kept in range(min(len(text), LINE_COLUMNS * CUE_LINES), 0, -1):
        shown = text if kept == len(text) else text[:kept].rstrip() + "…]"
        pieces = [(piece, k) for word in shown.split() for k, piece in enumerate(cut(word, LINE_COLUMNS))]
        items = [_Item(piece, "" if k else " ", 0, 0) for piece, k in pieces]
        if sum(1 for _ in _ends(items, 0)) == len(items):
            return _lines(items)
    raise AssertionError("two lines hold a character")
