"""Who says whether digits are a card, a telephone's, an account: the libraries behind one border.

Each function takes what was heard, without separators, and answers yes or no. The libraries are loaded by ``load``.
"""

from __future__ import annotations

import ipaddress
from importlib import import_module
from typing import Any

from voxctl.errors import UsageError

_INSTALL = "type: pip install 'voxctl[redact]'"

#: What a card's number begins with, and how many digits it has: ISO/IEC 7812 leaves that to the networks.
_NETWORKS: tuple[tuple[tuple[tuple[int, int], ...], frozenset[int]], ...] = (
    (((4, 4),), frozenset({13, 16, 19})),  # Visa
    (((51, 55), (2221, 2720)), frozenset({16})),  # Mastercard
    (((34, 34), (37, 37)), frozenset({15})),  # American Express
    (((6011, 6011), (644, 649), (65, 65)), frozenset({16, 19})),  # Discover
    (((300, 305), (36, 36), (38, 39)), frozenset({14, 16, 19})),  # Diners Club
    (((3528, 3589),), frozenset({16, 19})),  # JCB
    (((62, 62), (81, 81)), frozenset({16, 17, 18, 19})),  # UnionPay
    (((50, 50), (56, 58), (6304, 6304), (67, 67)), frozenset({16, 18, 19})),  # Maestro
    (((2200, 2204),), frozenset({16, 19})),  # Mir
)
_CARD_DIGITS = range(12, 20)
#: The shortest national number of the regions we know, and the longest that E.164 allows with room for a prefix.
_PHONE_DIGITS = range(10, 16)
_IBAN_LENGTH = range(15, 35)


def load(module: str) -> Any:
    """Return a module of the extra. Raises ``UsageError`` with the line that installs it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as exc:
        raise UsageError(f"redaction needs {exc.name}, which is not installed", hint=_INSTALL) from exc


class Judges:
    """The libraries, loaded. ``regions`` are those whose telephone numbers may be said without a country's code."""

    def __init__(self, regions: tuple[str, ...]) -> None:
        self._regions = regions
        self._luhn = load("stdnum.luhn")
        self._iban = load("stdnum.iban")
        self._ssn = load("stdnum.us.ssn")
        self._phones = load("phonenumbers")
        self._mail = load("email_validator")

    def begins_card(self, digits: str) -> bool:
        """Whether the number of a card of a network we know can begin so."""
        return len(digits) < _CARD_DIGITS.stop and any(
            str(low)[: len(digits)] <= digits[: len(str(low))] <= str(high)[: len(digits)]
            for ranges, _ in _NETWORKS
            for low, high in ranges
        )

    def card(self, digits: str) -> bool:
        """Whether a card of a network we know can have this number."""
        if len(digits) not in _CARD_DIGITS or len(set(digits)) == 1:
            return False
        issued = any(
            len(digits) in lengths and any(low <= int(digits[: len(str(low))]) <= high for low, high in ranges)
            for ranges, lengths in _NETWORKS
        )
        return issued and bool(self._luhn.is_valid(digits))

    def phone(self, digits: str, international: bool) -> bool:
        """Whether a telephone can have this number; ``international``: it begins with a country's code."""
        if len(digits) not in (range(7, 16) if international else _PHONE_DIGITS):
            return False
        return any(self._dialled(f"+{digits}" if international else digits, region) for region in self._regions)

    def social_security(self, digits: str) -> bool:
        """Whether it is a number of the United States' social security."""
        return len(digits) == 9 and bool(self._ssn.is_valid(digits))

    def iban(self, compact: str) -> bool:
        """Whether it is an account number by its country's rules and its check digits."""
        return len(compact) in _IBAN_LENGTH and bool(self._iban.is_valid(compact))

    def address(self, text: str) -> bool:
        """Whether it is an e-mail address, by its form alone: nobody is asked."""
        try:
            self._mail.validate_email(text, check_deliverability=False, test_environment=True)
        except self._mail.EmailNotValidError:
            return False
        return True

    def host(self, text: str) -> bool:
        """Whether it is an IP address, of either version."""
        try:
            ipaddress.ip_address(text)
        except ValueError:
            return False
        return True

    def _dialled(self, number: str, region: str) -> bool:
        try:
            parsed = self._phones.parse(number, region)
        except self._phones.NumberParseException:
            return False
        return bool(self._phones.is_valid_number(parsed))
