"""What a finder is asked and what it may answer.

A finder looks at the words from one place on. It answers "maybe" while the words that follow could change its mind,
and any other answer holds whatever follows: so what is masked depends on the text alone, not on how it came.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from voxctl.redact.token import Token


class Match(NamedTuple):
    """The words up to and with number ``end`` are to be masked as ``label``."""

    end: int
    label: str


#: More words are needed.
MAYBE = Match(-1, "")


@dataclass(frozen=True, slots=True)
class Passage:
    """The words that are not settled, in order, and those ``before`` them. ``open``: more words may follow."""

    tokens: Sequence[Token]
    before: Sequence[Token]
    open: bool

    def at(self, index: int) -> Token | None:
        """Return a word, ``None`` past the last."""
        return self.tokens[index] if index < len(self.tokens) else None

    def back_from(self, index: int) -> Iterator[Token]:
        """Yield the words before number ``index``, the nearest first."""
        yield from reversed(self.tokens[:index])
        yield from reversed(self.before)


class Finder(Protocol):
    """Finds one kind of thing."""

    def find(self, passage: Passage, start: int) -> Match | None:
        """Return what begins with the word ``start``: nothing, ``MAYBE``, or how far it goes and what it is."""
        ...

    def unfinished(self, passage: Passage, start: int, *, patient: bool) -> bool:
        """Whether what begins with ``start`` and is not over must not be shown as it is.

        ``patient``: there is time, and the speaker only pauses.
        """
        ...
