"""What stands around digits: what they were called before they were said, and where a number can begin and end."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import dropwhile, islice

from voxctl.redact.finding import Passage
from voxctl.redact.numerals import BETWEEN, Numerals
from voxctl.redact.spoken import Spoken
from voxctl.redact.token import Token

#: How many words before a number may say what it is called; of some kinds it is said once for long.
_NEAR, _FAR = 4, 12
#: A number written in one word of so many digits has its ends where the word has them.
_STANDS_ALONE = 7
ENDS_SENTENCE = frozenset(".?!")


@dataclass(frozen=True, slots=True)
class Span:
    """Digits of the words from ``start`` to ``end``; ``text`` has their dots too, where it can be an address.

    ``international``: there is a plus before them.
    """

    start: int
    end: int
    digits: str
    text: str
    international: bool


class Surroundings:
    """Looks around in one language."""

    def __init__(self, spoken: Spoken, numerals: Numerals) -> None:
        self._spoken = spoken
        self._numerals = numerals

    def called(self, passage: Passage, start: int, words: Collection[str]) -> bool:
        """Whether one of ``words`` was said just before the run of digits in which ``start`` is."""
        return any(word in words for word in self._before(passage, start, _NEAR))

    def is_called(self, passage: Passage, start: int, words: Collection[str]) -> bool:
        """Whether one of ``words`` was said just before it, in the same sentence."""
        return any(word in words for word in self._before(passage, start, _NEAR, in_sentence=True))

    def is_phone(self, passage: Passage, start: int) -> bool:
        """Whether it was called a telephone's."""
        return self.called(passage, start, self._spoken.phone)

    def is_social_security(self, passage: Passage, start: int) -> bool:
        """Whether it was called a social security number, and nothing else since."""
        names = self._spoken.social_security | self._spoken.other_number
        nearest = next((word for word in self._before(passage, start, _FAR) if word in names), "")
        return nearest in self._spoken.social_security

    def is_other(self, passage: Passage, start: int) -> bool:
        """Whether it was called something that is not ours to mask."""
        if self.called(passage, start, self._spoken.phone | self._spoken.card):
            return False
        return "#" in passage.tokens[start].head or self.is_called(passage, start, self._spoken.other_number)

    def is_announced(self, passage: Passage, start: int) -> bool:
        """Whether it was called something that we mask."""
        names = self._spoken.phone | self._spoken.card | self._spoken.social_security
        return self.called(passage, start, names)

    def left_edge(self, passage: Passage, start: int, *, international: bool) -> bool:
        """Whether a number can begin there: the digits before, if there are any, are set apart."""
        first = passage.tokens[start]
        if international or first.core.startswith("+") or "(" in first.head or _n_digits(first) >= _STANDS_ALONE:
            return True
        before = next(passage.back_from(start), None)
        return before is None or before.masked or bool(before.rear) or not self._is_digits(before)

    def right_edge(self, passage: Passage, span: Span) -> bool:
        """Whether a number can end there."""
        last, after = passage.tokens[span.end], passage.at(span.end + 1)
        if after is None or last.rear or _n_digits(last) >= _STANDS_ALONE:
            return True
        return not self._is_digits(after)

    def _before(self, passage: Passage, start: int, most: int, *, in_sentence: bool = False) -> Iterator[str]:
        back = dropwhile(self._numerals.atoms, passage.back_from(start))
        for token in islice(back, most):
            if in_sentence and set(token.rear) & ENDS_SENTENCE:
                return
            yield token.low

    def _is_digits(self, token: Token) -> bool:
        return any(atom.sort not in BETWEEN for atom in self._numerals.atoms(token))


def _n_digits(token: Token) -> int:
    return sum(character.isdigit() for character in token.core)
