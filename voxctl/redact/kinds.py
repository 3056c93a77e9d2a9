"""What can be masked, and what a mask says."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """A kind of personal data. ``DIGITS`` is every number of four digits or more, whatever it is."""

    CARD = "card"
    PHONE = "phone"
    EMAIL = "email"
    SSN = "ssn"
    IBAN = "iban"
    IP = "ip"
    DIGITS = "digits"

    @property
    def label(self) -> str:
        """What stands in its place, without brackets."""
        return self.name


#: A number that was not over when it could be kept back no longer.
UNFINISHED = "NUMBER"
#: One of the user's own words.
OWN_WORD = "REDACTED"
