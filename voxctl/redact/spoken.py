"""How a language says numbers and addresses: a table for each, English first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spoken:
    """One language's words, all in lower case.

    ``units`` are single digits, ``teens`` two digits in one word, ``tens`` the first digit of two, ``zeros`` how many
    zeros a word such as *hundred* stands for, ``times`` how often the next digit is meant. ``joiners`` may stand
    between the digits of one number; so may ``links``, which more often stand between two numbers. ``marks`` are the
    spoken characters of an e-mail address, ``at`` apart.
    """

    units: Mapping[str, str]
    teens: Mapping[str, str]
    tens: Mapping[str, str]
    zeros: Mapping[str, int]
    times: Mapping[str, int]
    plus: frozenset[str]
    dots: frozenset[str]
    joiners: frozenset[str]
    links: frozenset[str]
    at: frozenset[str]
    marks: Mapping[str, str]
    #: What is no mailbox or no host: "us at", "at the".
    no_mailbox: frozenset[str]
    no_host: frozenset[str]
    #: What is said before a number and tells what it is.
    card: frozenset[str]
    security_code: frozenset[str]
    phone: frozenset[str]
    social_security: frozenset[str]
    #: What a number is called that only looks like a telephone's or an address of the Internet.
    other_number: frozenset[str]
    version: frozenset[str]
    #: ISO codes of the countries whose telephone numbers are said without the country's own.
    regions: tuple[str, ...]

    @property
    def numerals(self) -> frozenset[str]:
        """All words that a number can be made of."""
        words: set[str] = set()
        words.update(
            self.units, self.teens, self.tens, self.zeros, self.times, self.plus, self.dots, self.joiners, self.links
        )
        return frozenset(words)


def beginnings(words: Iterable[str]) -> frozenset[str]:
    """Return everything that one of ``words`` begins with, the word itself and nothing included."""
    return frozenset(word[:n] for word in words for n in range(len(word) + 1))


_UNITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_TEENS = ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ENGLISH = Spoken(
    units={word: str(n) for n, word in enumerate(_UNITS)} | {"oh": "0", "o": "0", "nought": "0", "naught": "0"},
    teens={word: str(n) for n, word in enumerate(_TEENS, start=10)},
    tens={word: str(n) for n, word in enumerate(_TENS, start=2)} | {"fourty": "4"},
    zeros={"hundred": 2, "thousand": 3},
    times={"double": 2, "triple": 3, "treble": 3, "quadruple": 4},
    plus=_words("plus"),
    dots=_words("dot point period"),
    joiners=_words("dash hyphen space slash um uh er erm ah hmm minus parenthesis bracket"),
    links=_words("and then"),
    at=_words("at @"),
    marks={
        "dot": ".",
        "period": ".",
        "point": ".",
        "underscore": "_",
        "dash": "-",
        "hyphen": "-",
        "minus": "-",
        "plus": "+",
    },
    no_mailbox=_words(
        "a an the i it me us him her them you we he she they this that these those one is are was were be been am "
        "look looked looking looks see seen find found shop order ordered buy bought sell sold work works worked "
        "working live lives lived meet met stay stayed arrive arrived available online here there out up in on and or "
        "but page site website store based start starts started visit not right back down over stop stopped left "
        "of to from by with for about until till after before into than as if so number numbers page room gate "
        "apartment flight percent point dot address server host street avenue road yes no okay ok right well sure "
        "thanks please have has had got get paid pay cost costs make made do did go going went come came "
        "closed open ping charge"
    ),
    no_host=_words(
        "a an the this that these those my your his her its our their all any some no least most first last once "
        "noon night midnight home work school about around and or but in on of to for with is are was were be it"
    ),
    card=_words("card visa mastercard amex discover credit debit"),
    security_code=_words("cvv cvc cvv2 cvc2 cv2 cid"),
    phone=_words("phone telephone tel mobile cell cellphone call dial text ring fax whatsapp reach callback"),
    social_security=_words("ssn social"),
    other_number=_words(
        "order invoice ticket tracking reference ref confirmation case serial item part model account policy claim "
        "booking reservation id code isbn sku product batch lot parcel shipment record file receipt transaction "
        "membership meter version release section po zip postcode"
    ),
    version=_words("version release build v section chapter firmware update"),
    regions=("US", "GB"),
)
