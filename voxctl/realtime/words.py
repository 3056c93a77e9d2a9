"""Deltas to words, and the clock: when a word is ours, and when it was said.

A word is committed when the text after it begins with white space or a CJK character, after five empty deltas, or at
the end. Until then it is the tail. Committed text is verbatim: joined, it is the join of the deltas, whatever the
deltas' borders were.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from voxctl.events import Word, Words
from voxctl.realtime.models import ModelFacts

#: Empty deltas after which the text so far is taken as complete (0.4 s of a model with a clock).
EMPTY_DELTAS_TO_COMMIT = 5

# Scripts written without spaces. Hangul is left out on purpose: Korean puts spaces between its words.
_CJK = "\u2e80-\u2fdf\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{_CJK}][^\s{_CJK}]*|[^\s{_CJK}]+")

# A guess of how long a spoken word takes; English conversation runs near 15 characters a second.
_WORD_BASE_S = 0.08
_CHARACTER_S = 0.06


@dataclass(frozen=True, slots=True)
class _Piece:
    """One non-empty delta: where its text begins in the pending text, and its time."""

    offset: int
    end_s: float
    group: int


class WordBuilder:
    """Folds the deltas of one connection into committed words with times. Feed it every delta, in order.

    Times are seconds of this connection's audio, never past what was sent of it. ``end_s`` is the clock of the delta
    in which the word's group began; further words of a group, and all words of a model without a clock, are marked
    estimated.
    """

    def __init__(self, facts: ModelFacts) -> None:
        self._facts = facts
        self._pending = ""
        self._pieces: list[_Piece] = []
        self._n_empty = EMPTY_DELTAS_TO_COMMIT
        self._group = 0
        self._group_end_s = 0.0
        self._group_of_last_word = -1
        self._last_end_s = 0.0

    @property
    def tail(self) -> str:
        """The text that is not committed yet."""
        return self._pending

    def delta(self, text: str, clock_s: float) -> Words | None:
        """Take the next delta, whose clock is ``clock_s``; return the words it completes."""
        if not text:
            self._n_empty += 1
            return self._commit(len(self._pending)) if self._n_empty == EMPTY_DELTAS_TO_COMMIT else None
        if self._n_empty or not self._facts.marks_groups:
            self._group += 1
            self._group_end_s = clock_s
        self._n_empty = 0
        self._pieces.append(_Piece(len(self._pending), self._group_end_s, self._group))
        self._pending += text
        return self._commit(self._boundary())

    def finish(self) -> Words | None:
        """Commit what is left, white space too: the connection gives no more."""
        return self._commit(len(self._pending), keep_space=False)

    def _boundary(self) -> int:
        """Return how much of the pending text is complete: up to the end of its last but one word, or of its last
        when white space follows."""
        matches = list(_WORD.finditer(self._pending))
        if not matches:
            return 0
        if matches[-1].end() < len(self._pending):
            return matches[-1].end()
        return matches[-2].end() if len(matches) > 1 else 0

    def _commit(self, end: int, keep_space: bool = True) -> Words | None:
        text = self._pending[:end]
        if not text or (keep_space and text.isspace()):
            return None
        words = tuple(self._word(match.group(), match.start()) for match in _WORD.finditer(text))
        self._pending = self._pending[end:]
        kept = [p for p in self._pieces if p.offset <= end]
        later = [p for p in self._pieces if p.offset > end]
        # The piece in which the rest begins now begins with it.
        first = [_Piece(0, kept[-1].end_s, kept[-1].group)] if kept and self._pending else []
        self._pieces = first + [_Piece(p.offset - end, p.end_s, p.group) for p in later]
        return Words(text, words)

    def _word(self, text: str, offset: int) -> Word:
        piece = next(p for p in reversed(self._pieces) if p.offset <= offset)
        end_s = piece.end_s
        start_s = max(self._last_end_s, end_s - (_WORD_BASE_S + _CHARACTER_S * len(text)), 0.0)
        estimated = piece.group == self._group_of_last_word or not self._facts.has_clock
        self._group_of_last_word = piece.group
        self._last_end_s = end_s
        return Word(text, start_s, end_s, estimated)
