"""What was asked for, and the finders and stages that do it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from voxctl.redact.finding import Finder
from voxctl.redact.kinds import Kind
from voxctl.redact.spoken import ENGLISH, Spoken
from voxctl.redact.stage import Redaction

_NUMBERS = frozenset({Kind.CARD, Kind.PHONE, Kind.SSN, Kind.IP, Kind.DIGITS})


@dataclass(frozen=True, slots=True)
class Choice:
    """What to mask: ``kinds``, the user's own ``words``, and ``patterns`` by name; in what language it is spoken."""

    kinds: frozenset[Kind] = frozenset()
    words: tuple[str, ...] = ()
    patterns: Mapping[str, str] = field(default_factory=dict)
    spoken: Spoken = ENGLISH

    def finders(self) -> list[Finder]:
        """Return new finders. Raises ``UsageError`` where a library is missing or a pattern is none."""
        from voxctl.redact.custom import OwnWords, Pattern

        finders: list[Finder] = [Pattern(name, expression) for name, expression in self.patterns.items()]
        if self.words:
            finders.append(OwnWords(self.words))
        if self.kinds:
            finders += self._of_kinds()
        return finders

    def stage(self) -> Redaction:
        """Return the stage of one session. Raises as ``finders`` does."""
        return Redaction(self.finders())

    def _of_kinds(self) -> Iterable[Finder]:
        from voxctl.redact.judges import Judges
        from voxctl.redact.letters import Accounts
        from voxctl.redact.mail import Addresses
        from voxctl.redact.numbers import Numbers

        judges = Judges(self.spoken.regions)
        if Kind.EMAIL in self.kinds:
            yield Addresses(self.spoken, judges)
        if Kind.IBAN in self.kinds:
            yield Accounts(self.spoken, judges)
        if self.kinds & _NUMBERS:
            yield Numbers(self.kinds, self.spoken, judges)
