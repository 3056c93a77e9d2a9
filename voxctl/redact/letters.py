"""Finds international bank account numbers (IBAN), written, in blocks or spelled."""

from __future__ import annotations

import re

from voxctl.redact.finding import MAYBE, Match, Passage
from voxctl.redact.judges import Judges
from voxctl.redact.kinds import Kind
from voxctl.redact.numerals import Atom, Manner, Numerals, Sort
from voxctl.redact.spoken import Spoken
from voxctl.redact.token import Token

_BEGINNING = re.compile(r"[A-Z]{1,2}|[A-Z]{2}[0-9]{1,2}|[A-Z]{2}[0-9]{2}[A-Z0-9]{1,30}")
_MOST_WORDS = 48
#: Characters from which an account in the making is not shown unfinished.
_UNFINISHED = 6
_SPOKEN_DIGITS = frozenset({Sort.UNIT, Sort.TEEN, Sort.TENS, Sort.TIMES})


class Accounts:
    """A finder. See ``Finder``."""

    def __init__(self, spoken: Spoken, judges: Judges) -> None:
        self._numerals = Numerals(spoken)
        self._judges = judges

    def find(self, passage: Passage, start: int) -> Match | None:
        """Return what account begins with the word ``start``."""
        blocks, over = self._blocks(passage, start)
        if not over:
            return MAYBE
        best: Match | None = None
        for end, compact in blocks:
            if self._judges.iban(compact):
                best = Match(end, Kind.IBAN.label)
        return best

    def unfinished(self, passage: Passage, start: int, *, patient: bool) -> bool:
        """Whether so much of an account has been said that it must not be shown."""
        blocks, _ = self._blocks(passage, start)
        return bool(blocks) and blocks[-1][0] == len(passage.tokens) - 1 and len(blocks[-1][1]) >= _UNFINISHED

    def _blocks(self, passage: Passage, start: int) -> tuple[list[tuple[int, str]], bool]:
        """Return what was said up to each word, as it would be written, and whether that is all."""
        blocks: list[tuple[int, str]] = []
        compact = ""
        atoms: list[Atom] = []
        for index in range(start, min(len(passage.tokens), start + _MOST_WORDS)):
            token = passage.tokens[index]
            whole = token.whole or not passage.open or index < len(passage.tokens) - 1
            if not whole and self._may_go_on(token, compact + self._said(atoms)):
                return blocks, False
            block = _block(token)
            if block is None:
                found = self._numerals.atoms(token, index) if index > start else []
                if not found or found[0].sort not in _SPOKEN_DIGITS:
                    return blocks, True
                atoms += found
                said = compact + self._said(atoms)
            else:
                said = compact = compact + self._said(atoms) + block
                atoms = []
            if not _BEGINNING.fullmatch(said):
                return blocks, True
            blocks.append((index, said))
        return blocks, not passage.open or not blocks

    def _said(self, atoms: list[Atom]) -> str:
        return "".join(group.digits for group in self._numerals.groups(atoms, Manner.PAIRED)) if atoms else ""

    def _may_go_on(self, token: Token, compact: str) -> bool:
        text = token.core.upper()
        if text and not (text.isascii() and text.isalnum()):
            return bool(compact) and self._numerals.may_become(token)
        if not text or _BEGINNING.fullmatch(compact + text):
            return True
        return bool(compact) and self._numerals.may_become(token)


def _block(token: Token) -> str | None:
    """Return what a word is to an account when it is letters or digits of one, not a word of the language."""
    core = token.core
    if not (core.isascii() and core.isalnum()):
        return None
    if len(core) == 1 or core.isupper() or any(character.isdigit() for character in core):
        return core.upper()
    return None
