"""Finds cards, telephones, social security numbers and IP addresses among spoken and written digits."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from itertools import takewhile

from voxctl.redact.finding import MAYBE, Match, Passage
from voxctl.redact.judges import Judges
from voxctl.redact.kinds import Kind
from voxctl.redact.numerals import BETWEEN, Atom, Group, Manner, Numerals, Sort
from voxctl.redact.spoken import Spoken
from voxctl.redact.surroundings import ENDS_SENTENCE, Span, Surroundings
from voxctl.redact.token import Token

_BEGINS = frozenset({Sort.WRITTEN, Sort.UNIT, Sort.TEEN, Sort.TENS, Sort.TIMES, Sort.PLUS})
#: So many words a number may have, and so many that are none may stand together in it.
_MOST_WORDS = 48
_MOST_BETWEEN = 3
_MOST_DIGITS = 19
_MOST_OCTETS = "255.255.255.255"
#: Digits from which ``DIGITS`` masks, and from which a number in the making is not shown unfinished.
_LEAST_DIGITS = 4
_ANNOUNCED_DIGITS = 3
_UNFINISHED_DIGITS = 5
_PAUSING_DIGITS = 7
_SECURITY_CODE = (3, 4)
_SOCIAL_SECURITY = [3, 2, 4]
_UNCHECKED_CARD = range(13, 20)
#: Telephones begin with one or eight hundred, octets with one or two.
_HUNDREDS_OF_COUNTS = "345679"
#: What an address of version 6, which nobody spells, may begin with.
_VERSION_6 = re.compile(r"[0-9A-Fa-f:.]+")
_OCTETS = re.compile(r"(?:\d{1,3}\.){0,3}\d{0,3}")
_COUNTING = "".join(map(str, range(100)))


class Numbers:
    """A finder. See ``Finder``."""

    def __init__(self, kinds: Collection[Kind], spoken: Spoken, judges: Judges) -> None:
        self._kinds = frozenset(kinds)
        self._spoken = spoken
        self._numerals = Numerals(spoken)
        self._judges = judges
        self._around = Surroundings(spoken, self._numerals)

    def find(self, passage: Passage, start: int) -> Match | None:
        """Return what number begins with the word ``start``."""
        first = passage.tokens[start]
        if not first.whole and passage.open and start == len(passage.tokens) - 1:
            sixth = Kind.IP in self._kinds and bool(_VERSION_6.fullmatch(first.core))
            return MAYBE if sixth or self._numerals.may_become(first) else None
        if Kind.IP in self._kinds and first.core.count(":") > 1 and self._judges.host(first.core):
            return Match(start, Kind.IP.label)
        if not self._begins(first):
            return None
        atoms, over = self._run(passage, start)
        if over:
            return self._judged(passage, start, atoms)
        return MAYBE if self._may_be_one(passage, start, atoms) else None

    def unfinished(self, passage: Passage, start: int, *, patient: bool) -> bool:
        """Whether the words from ``start`` to the last are too many digits to be shown before they are judged.

        Fewer are enough where a number was announced, more where there is time and the speaker only pauses.
        """
        if not self._begins(passage.tokens[start]):
            return False
        atoms, _ = self._run(passage, start)
        if atoms[-1].token < len(passage.tokens) - 1 or not self._may_be_one(passage, start, atoms):
            return False
        n_digits = sum(len(group.digits) for group in self._numerals.groups(atoms, Manner.PAIRED))
        if Kind.DIGITS in self._kinds:
            return n_digits >= _LEAST_DIGITS
        if self._around.is_announced(passage, start):
            return n_digits >= _ANNOUNCED_DIGITS
        return n_digits >= (_PAUSING_DIGITS if patient else _UNFINISHED_DIGITS)

    def _may_be_one(self, passage: Passage, start: int, atoms: Sequence[Atom]) -> bool:
        """Whether anything that follows could make a number of the digits from ``start`` on."""
        kinds, around = self._kinds, self._around
        if Kind.DIGITS in kinds or (Kind.SSN in kinds and around.is_social_security(passage, start)):
            return True
        if self._is_count(passage, start, atoms):
            return False
        edge = around.left_edge(passage, start, international=atoms[0].sort is Sort.PLUS)
        if Kind.PHONE in kinds and edge and (around.is_phone(passage, start) or not around.is_other(passage, start)):
            return True
        if Kind.CARD in kinds and around.called(passage, start, self._spoken.card | self._spoken.security_code):
            return True
        may_be_host = Kind.IP in kinds and not self._is_no_host(passage, start, len(atoms))
        for groups in self._numerals.readings(atoms):
            # The last one may grow, as "eighty" does with "one": then its first digit stays.
            stable = "".join(group.text if group.text == "." else group.digits for group in groups[:-1])
            text = stable + "".join(group.digits[:1] for group in groups[-1:])
            if may_be_host and _OCTETS.fullmatch(text):
                return True
            may_be_card = Kind.CARD in kinds and (edge or not around.is_other(passage, start))
            if may_be_card and self._judges.begins_card(text.replace(".", "")):
                return True
        return False

    def _begins(self, token: Token) -> bool:
        atoms = self._numerals.atoms(token)
        return bool(atoms) and atoms[0].sort in _BEGINS

    def _run(self, passage: Passage, start: int) -> tuple[list[Atom], bool]:
        """Return the atoms of the run of words from ``start`` that can be one number, and whether it is over."""
        atoms: list[Atom] = []
        n_between = 0
        last = len(passage.tokens) - 1
        for index in range(start, min(len(passage.tokens), start + _MOST_WORDS)):
            token = passage.tokens[index]
            if index == last and passage.open and not token.whole:
                if self._numerals.may_become(token):
                    return [*atoms, *self._numerals.atoms(token, index)], False
                return atoms, True
            found = self._numerals.atoms(token, index)
            n_between = n_between + 1 if found and found[0].sort in BETWEEN else 0
            if not found or n_between > _MOST_BETWEEN:
                return atoms, True
            atoms += found
        return atoms, not passage.open or last >= start + _MOST_WORDS - 1

    def _is_count(self, passage: Passage, start: int, atoms: Sequence[Atom]) -> bool:
        """Whether it begins as "seven hundred": neither a host's octet nor, unannounced, a telephone or a card does."""
        if len(atoms) < 2 or atoms[0].sort is not Sort.UNIT or atoms[1].sort is not Sort.ZEROS:
            return False
        return atoms[0].text in _HUNDREDS_OF_COUNTS and not self._around.is_announced(passage, start)

    def _judged(self, passage: Passage, start: int, atoms: Sequence[Atom]) -> Match | None:
        found = None if self._is_count(passage, start, atoms) else self._checked(passage, start, atoms)
        if found and self._spoils_a_card(passage, found, atoms):
            found = None
        if found or Kind.DIGITS not in self._kinds:
            return found
        return self._any_digits(passage, start, atoms)

    def _spoils_a_card(self, passage: Passage, found: Match, atoms: Sequence[Atom]) -> bool:
        """Whether ``found`` would take digits away from a card that begins in it: "the old one, five five …"."""
        if found.label == Kind.CARD.label or found.end == atoms[-1].token:
            return False
        for index in sorted({atom.token for atom in atoms if atoms[0].token < atom.token <= found.end}):
            later = [atom for atom in atoms if atom.token >= index]
            match = self._checked(passage, index, later) if later[0].sort in _BEGINS else None
            if match and match.label == Kind.CARD.label and match.end > found.end:
                return True
        return False

    def _checked(self, passage: Passage, start: int, atoms: Sequence[Atom]) -> Match | None:
        """Return the longest of what is inside a sentence, or else what is not."""
        links = [atom.token for atom in atoms if atom.sort is Sort.LINK]
        links += [n for n in range(start, atoms[-1].token) if set(passage.tokens[n].rear) & ENDS_SENTENCE]
        best: tuple[int, Match] | None = None
        for groups in self._numerals.readings(atoms):
            for span in _spans(start, groups):
                kind = self._kind_of(passage, span, atoms[-1].token)
                n_links = sum(span.start <= link < span.end for link in links)
                if kind is Kind.PHONE and n_links and not self._around.is_phone(passage, span.start):
                    continue
                if kind and (best is None or (-n_links, span.end) > (-best[0], best[1].end)):
                    best = n_links, Match(span.end, kind.label)
        return best[1] if best else None

    def _any_digits(self, passage: Passage, start: int, atoms: Sequence[Atom]) -> Match | None:
        """Return the digits from ``start`` to the next number that has a name, or to the end."""
        groups = self._numerals.groups(atoms, Manner.PAIRED)
        if not groups or groups[0].first != start:
            return None
        kept: list[Group] = []
        for group in groups:
            later = [atom for atom in atoms if atom.token >= group.first]
            if kept and later[0].sort in _BEGINS and self._checked(passage, group.first, later):
                break
            if group.digits:
                kept.append(group)
        if sum(len(group.digits) for group in kept) < _LEAST_DIGITS:
            return None
        return Match(kept[-1].last, Kind.DIGITS.label)

    def _kind_of(self, passage: Passage, span: Span, last: int) -> Kind | None:
        """Return what ``span`` of a run that ends with the word ``last`` is."""
        digits, kinds, judges = span.digits, self._kinds, self._judges
        if span.text.count(".") == 3 and judges.host(span.text):
            no_host = self._is_no_host(passage, span.start, span.end - span.start + 1)
            return None if no_host or Kind.IP not in kinds else Kind.IP
        if Kind.CARD in kinds and self._is_card(passage, span, last):
            return Kind.CARD
        if Kind.SSN in kinds and judges.social_security(digits) and self._is_social(passage, span):
            return Kind.SSN
        if Kind.PHONE in kinds and self._is_phone(passage, span):
            return Kind.PHONE
        return None

    def _is_card(self, passage: Passage, span: Span, last: int) -> bool:
        alone = self._edge(passage, span), self._around.right_edge(passage, span)
        if self._judges.card(span.digits):
            return alone[0] or (alone[1] and not self._around.is_other(passage, span.start))
        if len(span.digits) in _SECURITY_CODE:
            return all(alone) and self._around.called(passage, span.start, self._spoken.security_code)
        # One digit misheard, and no check holds: what was announced as a card and is as long as one is taken for one.
        if len(span.digits) in _UNCHECKED_CARD and span.end >= last and alone[0]:
            return self._around.called(passage, span.start, self._spoken.card)
        return False

    def _edge(self, passage: Passage, span: Span) -> bool:
        return self._around.left_edge(passage, span.start, international=span.international)

    def _is_no_host(self, passage: Passage, start: int, n_words: int) -> bool:
        """Whether numbers with dots between them were called something else; one word with the dots, a version."""
        if self._around.is_called(passage, start, self._spoken.version):
            return True
        return n_words > 1 and self._around.is_other(passage, start)

    def _is_social(self, passage: Passage, span: Span) -> bool:
        if span.start == span.end:
            lengths = [len(part) for part in passage.tokens[span.start].core.split("-")]
            if lengths == _SOCIAL_SECURITY:
                return True
        return self._around.is_social_security(passage, span.start)

    def _is_phone(self, passage: Passage, span: Span) -> bool:
        if span.digits in _COUNTING or not self._edge(passage, span):
            return False
        cued = self._around.is_phone(passage, span.start)
        if not cued and (self._around.is_other(passage, span.start) or not self._around.right_edge(passage, span)):
            return False
        return self._judges.phone(span.digits, span.international)


def _spans(start: int, groups: Sequence[Group]) -> Iterator[Span]:
    """Yield what begins with the first of ``groups``, the word ``start``, and ends with each of them."""
    if not groups or groups[0].first != start:
        return
    digits = text = ""
    ours = list(takewhile(lambda group: group is groups[0] or not group.international, groups))
    for group in ours:
        digits += group.digits
        text += group.text.strip("-+()") if group.text != "." else "."
        if len(digits) > _MOST_DIGITS:
            return
        if group.digits:
            dotted = text if len(text) <= len(_MOST_OCTETS) else ""
            yield Span(start, group.last, digits, dotted, groups[0].international)
