"""Finds e-mail addresses, written ("ann@example.org") and spoken ("ann dot lee at example dot org")."""

from __future__ import annotations

import re

from voxctl.redact.finding import MAYBE, Match, Passage
from voxctl.redact.judges import Judges
from voxctl.redact.kinds import Kind
from voxctl.redact.numerals import Numerals, Sort
from voxctl.redact.spoken import Spoken, beginnings
from voxctl.redact.token import Token

_BOX = re.compile(r"[\w.%+'’-]+")
_HOST = re.compile(r"[\w-]+(?:\.[\w-]+)*")
_LAST_LABEL = re.compile(r".*\.[^\W\d_]{2,24}", re.DOTALL)
_DIGITS = re.compile(r"\d+")
_MOST_WORDS = 40
#: So many words of digits may follow a name.
_MOST_DIGITS = 4


class _Undecided(Exception):
    """The next word decides."""


class Addresses:
    """A finder. See ``Finder``."""

    def __init__(self, spoken: Spoken, judges: Judges) -> None:
        self._spoken = spoken
        self._numerals = Numerals(spoken)
        self._judges = judges
        self._no_mailbox = spoken.no_mailbox | spoken.other_number | spoken.phone | spoken.card | spoken.social_security
        self._goes_on = beginnings({*spoken.at, *spoken.marks, *spoken.units, *spoken.teens, *spoken.tens})

    def find(self, passage: Passage, start: int) -> Match | None:
        """Return what address begins with the word ``start``."""
        try:
            return self._found(passage, start)
        except _Undecided:
            return MAYBE

    def unfinished(self, passage: Passage, start: int, *, patient: bool) -> bool:
        """Whether what begins with ``start`` has an at sign and a host that lacks its end."""
        said = [token.low for token in passage.tokens[start : start + _MOST_WORDS]]
        ats = [n for n, word in enumerate(said) if word in self._spoken.at]
        if "@" in said[0]:
            return True
        return bool(ats) and any(word in self._spoken.dots for word in said[ats[0] :])

    def _found(self, passage: Passage, start: int) -> Match | None:
        first = self._word(passage, start, anything=True)
        if first is None or not first.core or not _BOX.fullmatch(first.core.split("@")[0] or "."):
            return None
        if len(first.core) > 1 and first.low in self._no_mailbox:
            return None
        if "@" in first.core.strip("@"):
            box, host = first.core.split("@", 1)
            return self._host(passage, start, f"{box}@", host)
        if first.core.endswith("@"):
            return self._host(passage, start + 1, first.core, None)
        if first.core.startswith("@") or self._spelled(first).isdigit():  # nobody waits for an at sign behind a number
            return None
        return self._box(passage, start)

    def _box(self, passage: Passage, start: int) -> Match | None:
        """Read the mailbox: words, or what is spelled, with marks between them."""
        index, text = start, ""
        while index < start + _MOST_WORDS:
            part, index = self._part(passage, index)
            if not part or (not text and part.lower() in self._no_mailbox and index == start + 1):
                return None
            text += part
            token = self._word(passage, index)
            if token is None:
                return None
            if token.core.startswith("@"):
                behind = index + (token.core == "@")
                return self._host(passage, behind, f"{text}@", token.core[1:] or None)
            if token.low in self._spoken.at:
                return self._host(passage, index + 1, f"{text}@", None)
            if token.low not in self._spoken.marks:
                return None
            text += self._spoken.marks[token.low]
            index += 1
        return None

    def _part(self, passage: Passage, index: int) -> tuple[str, int]:
        """Return a word with the digits after it, or everything that is spelled, and the place behind it."""
        token = self._word(passage, index, anything=True)
        if token is None:
            return "", index
        spelled = self._spelled(token)
        text = spelled or token.core
        if not _BOX.fullmatch(text) or (not spelled and token.rear):
            return "", index
        letters = bool(spelled) and len(token.core) == 1
        most = index + (_MOST_WORDS if letters else _MOST_DIGITS)
        while index < most and (index + 1 < len(passage.tokens) or passage.open):
            after = self._word(passage, index + 1, spelled=letters)
            more = self._spelled(after) if after else ""
            if after is None or not more or (not letters and not more.isdigit()):
                break
            text, index = text + more, index + 1
        return text, index + 1

    def _host(self, passage: Passage, index: int, text: str, host: str | None) -> Match | None:
        """Read the host, whose first word may have been in the same word as the at sign."""
        if host is None:
            token = self._word(passage, index, anything=True)
            if token is None or token.low in self._spoken.no_host:
                return None
            host, index = self._part_of_host(passage, index)
        if not _HOST.fullmatch(host):
            return None
        text += host
        while not passage.tokens[index].rear:
            dot = self._word(passage, index + 1)
            if dot is None or dot.low not in self._spoken.dots:
                break
            label = self._word(passage, index + 2, anything=True)
            if label is None or not _HOST.fullmatch(label.core):
                break
            text += f".{label.core}"
            index += 2
        known = _LAST_LABEL.fullmatch(text.partition("@")[2])
        return Match(index, Kind.EMAIL.label) if known and self._judges.address(text) else None

    def _part_of_host(self, passage: Passage, index: int) -> tuple[str, int]:
        token = passage.tokens[index]
        if not self._spelled(token) or len(token.core) > 1:
            return token.core, index
        part, behind = self._part(passage, index)
        return part, behind - 1

    def _spelled(self, token: Token) -> str:
        """Return the letter or the digits that a word is; nothing when it is an ordinary word."""
        if (len(token.core) == 1 and token.core.isalnum()) or _DIGITS.fullmatch(token.core):
            return token.core
        atoms = self._numerals.atoms(token)
        numeral = atoms and atoms[0].sort in (Sort.UNIT, Sort.TEEN)
        return "".join(atom.text for atom in atoms) if numeral else ""

    def _word(self, passage: Passage, index: int, *, anything: bool = False, spelled: bool = False) -> Token | None:
        """Return a word, ``None`` past the end. Raises ``_Undecided`` while it could be another one that matters.

        ``anything``: whatever it becomes matters; else a mark, an at sign, a digit or, ``spelled``, a letter do.
        """
        token = passage.at(index)
        if token is None:
            if passage.open:
                raise _Undecided
            return None
        if token.whole or not passage.open or index < len(passage.tokens) - 1:
            return token
        low = token.low
        if anything or not low or low[0] == "@" or low in self._goes_on or low[0].isdigit():
            raise _Undecided
        if spelled and len(low) <= 1:
            raise _Undecided
        return token
