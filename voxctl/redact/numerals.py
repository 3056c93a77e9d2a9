"""Spoken and written digits: from words to digits, in the ways in which they can be meant."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum, auto
from typing import NamedTuple

from voxctl.redact.spoken import Spoken, beginnings
from voxctl.redact.token import Token

# Not with a comma or a colon within, a currency before or a unit after: prices, times and counts are no digits here.
_WRITTEN = re.compile(r"\+?\(?\d[\d().\u2010-\u2015-]*")
_DATE = re.compile(r"(?:19|20)\d\d-[01]\d-[0-3]\d")
_WRITTEN_BEGINS = re.compile(r"\+?\(?(\d[\d().\u2010-\u2015-]*)?")
_DASHES = frozenset("-–—/.")
_NO_DIGIT = re.compile(r"\D+")


class Sort(Enum):
    """What an atom is to a number."""

    WRITTEN = auto()
    UNIT = auto()
    TEEN = auto()
    TENS = auto()
    ZEROS = auto()
    TIMES = auto()
    PLUS = auto()
    DOT = auto()
    JOINER = auto()
    LINK = auto()


class Manner(Enum):
    """How number words go together: "four hundred twenty one" is 421, 400 and 21, or 400, 20 and 1."""

    COMPOSED = auto()
    PAIRED = auto()
    APART = auto()


class Atom(NamedTuple):
    """The smallest part of a number; ``text`` is its digits, or how many are meant."""

    sort: Sort
    text: str
    token: int


class Group(NamedTuple):
    """Digits that belong together, of the words ``first`` to ``last``. A dot is a group of its own.

    ``international`` has a plus before it. ``text`` keeps the dots that were written in a word.
    """

    first: int
    last: int
    text: str
    international: bool

    @property
    def digits(self) -> str:
        """The digits alone."""
        return _NO_DIGIT.sub("", self.text)


#: What stands between the digits of a number, and is no part of one by itself.
BETWEEN = frozenset({Sort.DOT, Sort.JOINER, Sort.LINK})


class Numerals:
    """Reads one language's numbers."""

    def __init__(self, spoken: Spoken) -> None:
        self._table: dict[str, tuple[Sort, str]] = {
            **dict.fromkeys(spoken.joiners, (Sort.JOINER, "")),
            **dict.fromkeys(spoken.links, (Sort.LINK, "")),
            **dict.fromkeys(spoken.dots, (Sort.DOT, ".")),
            **dict.fromkeys(spoken.plus, (Sort.PLUS, "+")),
            **{word: (Sort.TIMES, str(n)) for word, n in spoken.times.items()},
            **{word: (Sort.ZEROS, "0" * n) for word, n in spoken.zeros.items()},
            **{word: (Sort.TENS, digit) for word, digit in spoken.tens.items()},
            **{word: (Sort.TEEN, digits) for word, digits in spoken.teens.items()},
            **{word: (Sort.UNIT, digit) for word, digit in spoken.units.items()},
        }
        self._beginnings = beginnings(self._table)

    def atoms(self, token: Token, index: int = 0) -> list[Atom]:
        """Return what a word is to a number; nothing when it is none."""
        core = token.core
        if not core:
            return [Atom(Sort.JOINER, "", index)] if token.head or token.rear else []
        if core[0].isdigit() or core[0] in "+(":
            number = _WRITTEN.fullmatch(core) and not _DATE.fullmatch(core)
            return [Atom(Sort.WRITTEN, core, index)] if number else []
        found = self._table.get(token.low)
        if found:
            return [Atom(*found, index)]
        if set(core) <= _DASHES:
            return [Atom(Sort.JOINER, "", index)]
        parts = [self._table.get(part) for part in token.low.split("-") if part]
        return [Atom(*part, index) for part in parts if part] if parts and all(parts) else []

    def may_become(self, token: Token) -> bool:
        """Whether a word that is not whole can become a part of a number."""
        if not token.core or _WRITTEN_BEGINS.fullmatch(token.core):
            return True
        *parts, last = token.low.split("-")
        return last in self._beginnings and all(not part or part in self._table for part in parts)

    def readings(self, atoms: Sequence[Atom]) -> list[list[Group]]:
        """Return the groups of digits in every way in which these words can be meant."""
        readings = [self.groups(atoms, manner) for manner in Manner]
        return [reading for n, reading in enumerate(readings) if reading not in readings[:n]]

    def groups(self, atoms: Sequence[Atom], manner: Manner) -> list[Group]:
        """Return the groups of digits as they are in one manner of speaking."""
        reading = _Reading(atoms, manner)
        groups: list[Group] = []
        while reading.left:
            group = reading.group()
            if group and groups and groups[-1].last == group.first and "." not in (group.text, groups[-1].text):
                before = groups.pop()
                group = Group(before.first, group.last, before.text + group.text, before.international)
            if group:
                groups.append(group)
        return groups


class _Reading:
    """Atoms on the way to groups."""

    def __init__(self, atoms: Sequence[Atom], manner: Manner) -> None:
        self._atoms = atoms
        self._manner = manner
        self._at = 0

    @property
    def left(self) -> bool:
        return self._at < len(self._atoms)

    def group(self) -> Group | None:
        """Take the next group, or ``None`` for what stands between two."""
        atom = self._take()
        match atom.sort:
            case Sort.JOINER | Sort.LINK:
                return None
            case Sort.DOT:
                return Group(atom.token, atom.token, ".", False)
            case Sort.PLUS:
                return self._after_plus(atom)
            case Sort.TIMES:
                return self._repeated(atom)
            case Sort.WRITTEN if len(_NO_DIGIT.sub("", atom.text)) > 2 or not self._is(Sort.ZEROS):
                return Group(atom.token, atom.token, atom.text, atom.text.startswith("+"))
            case Sort.ZEROS:
                return Group(atom.token, atom.token, atom.text, False)
            case _:
                self._at -= 1
                return self._number()

    def _take(self) -> Atom:
        self._at += 1
        return self._atoms[self._at - 1]

    def _is(self, *sorts: Sort, ahead: int = 0) -> bool:
        place = self._at + ahead
        return place < len(self._atoms) and self._atoms[place].sort in sorts

    def _after_plus(self, plus: Atom) -> Group | None:
        if not self.left or self._is(*BETWEEN, Sort.PLUS):
            return None
        group = self.group()
        return group and Group(plus.token, group.last, group.text, True)

    def _repeated(self, times: Atom) -> Group | None:
        if self._is(Sort.UNIT) or (self._is(Sort.WRITTEN) and len(self._atoms[self._at].text) == 1):
            digit = self._take()
            return Group(times.token, digit.token, digit.text * int(times.text), False)
        return None

    def _number(self) -> Group:
        first, text = self._atoms[self._at].token, self._below_hundred()
        while self._is(Sort.ZEROS):
            zeros = self._take().text
            text += zeros
            ahead = 1 if self._is(Sort.JOINER, Sort.LINK) else 0
            if self._manner is Manner.COMPOSED and self._is(Sort.UNIT, Sort.TEEN, Sort.TENS, ahead=ahead):
                self._at += ahead
                below = self._below_hundred()
                if self._is(Sort.ZEROS) and len(self._atoms[self._at].text) < len(zeros):
                    below += self._take().text
                    if self._is(Sort.UNIT, Sort.TEEN, Sort.TENS):
                        below = str(int(below) + int(self._below_hundred()))
                text = str(int(text) + int(below))
                break
        return Group(first, self._atoms[self._at - 1].token, text, False)

    def _below_hundred(self) -> str:
        atom = self._take()
        if atom.sort is Sort.TENS:
            if self._manner is not Manner.APART and self._is(Sort.UNIT) and self._atoms[self._at].text != "0":
                return atom.text + self._take().text
            return atom.text + "0"
        return _NO_DIGIT.sub("", atom.text)
