"""Utterances with exact labels: numbers of every kind that pass their checks, in digits and words, among look-alikes.

The check digits are computed here, not by the libraries that judge them.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_UNITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


@dataclass(frozen=True, slots=True)
class Utterance:
    """What was said, in parts; a part with a label is to be masked as that, and nothing else is."""

    parts: tuple[tuple[str, str | None], ...]

    @property
    def text(self) -> str:
        return "".join(text for text, _ in self.parts)

    def labels(self) -> Iterator[tuple[int, int, str]]:
        """Yield where in the text each secret begins and ends, and what it is."""
        at = 0
        for text, label in self.parts:
            if label:
                yield at, at + len(text), label
            at += len(text)


class Corpus:
    """Makes utterances; the same seed makes the same ones."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._secrets: dict[str, Callable[[], str]] = {
            "CARD": self._card,
            "PHONE": self._phone,
            "EMAIL": self._email,
            "SSN": self._ssn,
            "IBAN": self._iban,
            "IP": self._ip,
        }

    def utterances(self, n: int) -> Iterator[Utterance]:
        """Yield ``n`` of them: two in three have a secret, all but a few have look-alikes too."""
        for number in range(n):
            parts: list[tuple[str, str | None]] = [(self._one(_OPENINGS), None)]
            clauses = [self._look_alike] * self._chance.randint(0 if number % 3 else 1, 2)
            clauses += [self._secret] * (1 if number % 3 else 0) + [self._secret] * (number % 9 == 1)
            self._chance.shuffle(clauses)
            for place, clause in enumerate(clauses):
                if place:
                    parts.append((self._one((", and", ".", " so", ", but", ". Okay,")), None))
                parts += clause()
            parts.append((self._one(_ENDINGS), None))
            yield Utterance(tuple(parts))

    def secrets(self, label: str, n: int) -> Iterator[str]:
        """Yield ``n`` secrets of one kind."""
        for _ in range(n):
            yield self._secrets[label]()

    def _one[T](self, choices: tuple[T, ...]) -> T:
        return self._chance.choice(choices)

    def _secret(self) -> list[tuple[str, str | None]]:
        label = self._one(tuple(self._secrets))
        before = self._one(_BEFORE[label])
        return [(f" {before} ", None), (self._secrets[label](), label)]

    def _look_alike(self) -> list[tuple[str, str | None]]:
        return [(" " + self._filled(self._one(_LOOK_ALIKES)), None)]

    def _filled(self, template: str) -> str:
        chance = self._chance
        values = {
            "year": self._one((str(chance.randint(1900, 2035)), self._year_in_words())),
            "count": self._one((str(chance.randint(2, 999)), self._count_in_words())),
            "price": f"${chance.randint(1, 9999):,}.{chance.randint(0, 99):02}",
            "price_in_words": f"{self._count_in_words()} dollars and {_TEENS[chance.randint(0, 9)]} cents",
            "order": self._digits(chance.randint(6, 12)),
            "order_in_words": " ".join(_UNITS[int(d)] for d in self._digits(chance.randint(5, 9))),
            "house": str(chance.randint(1, 9999)),
            "zip": self._digits(5),
            "time": f"{chance.randint(1, 12)}:{chance.randint(0, 59):02}",
            "hour": _UNITS[chance.randint(1, 9)],
            "date": f"{chance.randint(1, 12)}/{chance.randint(1, 28)}/{chance.randint(1990, 2030)}",
            "iso": f"{chance.randint(1990, 2030)}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}",
            "version": ".".join(str(chance.randint(0, 20)) for _ in range(4)),
        }
        return template.format(**values)

    def _year_in_words(self) -> str:
        return f"{self._one(('nineteen', 'twenty'))} {self._below_hundred(self._chance.randint(10, 99))}"

    def _count_in_words(self) -> str:
        n = self._chance.randint(1, 999)
        hundreds, rest = divmod(n, 100)
        words = [f"{_UNITS[hundreds]} hundred"] if hundreds else []
        return " ".join([*words, self._below_hundred(rest)] if rest else words)

    def _below_hundred(self, n: int) -> str:
        if n < 20:
            return (*_UNITS, *_TEENS)[n]
        return f"{_TENS[n // 10]} {_UNITS[n % 10]}" if n % 10 else _TENS[n // 10]

    def _digits(self, n: int) -> str:
        return "".join(self._chance.choice(string.digits) for _ in range(n))

    def _card(self) -> str:
        start, length = self._one(_CARDS)
        body = start + self._digits(length - len(start) - 1)
        number = body + luhn_digit(body)
        blocks = [4, 6, 5] if length == 15 else [4, 6, 4] if length == 14 else [4, 4, 4, 4]
        return self._said(number, blocks)

    def _phone(self) -> str:
        area = self._one(("212", "415", "312", "206", "617", "305", "702", "404", "503", "303"))
        office, line = f"{self._chance.randint(22, 89)}{self._chance.randint(2, 9)}", self._digits(4)
        form = self._chance.randrange(7)
        if form == 0:
            return f"({area}) {office}-{line}"
        if form == 1:
            return f"+1 {area} {office} {line}"
        if form == 2:
            return f"{area}.{office}.{line}"
        if form == 3:
            blocks = self._one((["20", "7946", "0" + self._digits(3)], ["161", "496", "0" + self._digits(3)]))
            return self._one((f"0{' '.join(blocks)}", "plus four four " + self._in_words("".join(blocks))))
        if form == 4:
            return self._one((f"+33 1 42 {self._digits(2)} 53 00", f"+49 30 9{self._digits(6)}"))
        if form == 5:
            return f"one {self._one(('eight hundred', '800'))} {self._in_words(office + line)}"
        return self._said(area + office + line, [3, 3, 4])

    def _email(self) -> str:
        chance = self._chance
        first, last = self._one(_FIRST), self._one(_LAST)
        host, top = self._one(_HOSTS), self._one(("com", "org", "net", "co.uk", "io"))
        if chance.random() < 0.4:
            boxes = (f"{first}.{last}", f"{first}{chance.randint(1, 99)}", f"{first[0]}_{last}", f"{first}-{last}")
            return f"{self._one(boxes)}@{host}.{top}"
        box = self._one(
            (
                f"{first} dot {last}",
                f"{first} underscore {last}",
                first,
                " ".join(first),
                f"{first} {chance.randint(1, 99)}",
                f"{first} dot {last} {_UNITS[chance.randint(1, 9)]} {_UNITS[chance.randint(1, 9)]}",
            )
        )
        spoken_host = self._one((f"{host} dot {top.replace('.', ' dot ')}", f"{host}.{top}"))
        return f"{box} at {spoken_host}"

    def _ssn(self) -> str:
        area = self._chance.randint(1, 665)
        digits = f"{area:03}{self._chance.randint(1, 99):02}{self._chance.randint(1, 9999):04}"
        return self._one((f"{digits[:3]}-{digits[3:5]}-{digits[5:]}", digits, self._said(digits, [3, 2, 4])))

    def _iban(self) -> str:
        country, body = self._one(
            (
                ("DE", self._digits(18)),
                ("AT", self._digits(16)),
                ("GB", "".join(self._chance.choice(string.ascii_uppercase) for _ in range(4)) + self._digits(14)),
                ("CH", self._digits(17)),
            )
        )
        number = country + iban_digits(country, body) + body
        form = self._chance.randrange(4)
        if form == 0:
            return number
        if form == 1:
            return " ".join(number[n : n + 4] for n in range(0, len(number), 4))
        if form == 2:
            return " ".join(_UNITS[int(c)] if c.isdigit() else c for c in number)
        return " ".join([country, *(number[n : n + 4] for n in range(2, len(number), 4))])

    def _ip(self) -> str:
        octets = [self._chance.randint(0, 255) for _ in range(4)]
        form = self._chance.randrange(4)
        if form == 0:
            return " dot ".join(self._octet(n) for n in octets)
        if form == 1:
            return " point ".join(self._in_words(str(n)) for n in octets)
        if form == 2 and self._chance.random() < 0.5:
            return ":".join(["2001", "db8", *(f"{self._chance.randrange(1, 65536):x}" for _ in range(6))])
        return ".".join(map(str, octets))

    def _octet(self, n: int) -> str:
        hundreds, rest = divmod(n, 100)
        if not hundreds:
            return self._below_hundred(rest)
        if rest < 10:
            return f"{_UNITS[hundreds]} {self._one(('oh', 'zero'))} {_UNITS[rest]}"
        return f"{_UNITS[hundreds]} {self._below_hundred(rest)}"

    def _said(self, digits: str, blocks: list[int]) -> str:
        """Return digits as people and recognisers give them: in blocks, in words, or in a mixture of both."""
        groups, at = [], 0
        for block in blocks:
            groups.append(digits[at : at + block])
            at += block
        form = self._chance.randrange(7)
        if form == 0:
            return digits
        if form == 1:
            return self._one((" ", "-")).join(groups)
        if form == 2:
            return ", ".join(self._in_words(group) for group in groups)
        if form == 3:
            return self._one((" uh ", " dash ", ", um, ", " ")).join(self._in_words(group) for group in groups)
        if form == 4:
            return " ".join(self._one((group, self._in_words(group), " ".join(group))) for group in groups)
        if form == 5:
            return " ".join(digits)
        return self._in_words(digits)

    def _in_words(self, digits: str) -> str:
        words, at = [], 0
        while at < len(digits):
            same = len(digits[at:]) - len(digits[at:].lstrip(digits[at]))
            if same in (2, 3) and self._chance.random() < 0.4:
                words.append(f"{('double', 'triple')[same - 2]} {self._digit(digits[at])}")
                at += same
            else:
                words.append(self._digit(digits[at]))
                at += 1
        return " ".join(words)

    def _digit(self, digit: str) -> str:
        return self._one(("oh", "zero", "zero")) if digit == "0" else _UNITS[int(digit)]


def luhn_digit(body: str) -> str:
    """Return the check digit of ISO/IEC 7812."""
    doubled = [int(d) * (2 if n % 2 == 0 else 1) for n, d in enumerate(reversed(body))]
    return str(-sum(n // 10 + n % 10 for n in doubled) % 10)


def iban_digits(country: str, body: str) -> str:
    """Return the check digits of ISO 13616."""
    number = "".join(str(int(character, 36)) for character in f"{body}{country}00")
    return f"{98 - int(number) % 97:02}"


_CARDS = (("4", 16), ("51", 16), ("5555", 16), ("2221", 16), ("37", 15), ("6011", 16), ("36", 14))
_OPENINGS = ("Okay,", "Yes,", "So", "Thanks for calling,", "Right,", "Hello,", "Sure,", "Well,", "Um,")
_ENDINGS = (".", ", thank you.", " please.", " if that helps.", ", is that right?", " I think.", "")
_FIRST = ("john", "mary", "ahmed", "sofia", "wei", "olga", "peter", "anna", "lucas", "nina")
_LAST = ("smith", "lee", "garcia", "novak", "brown", "khan", "jones", "meyer")
_HOSTS = ("gmail", "example", "outlook", "acme", "mail-box", "company")
_BEFORE = {
    "CARD": ("my card number is", "the card is", "it is", "please charge", "card ending, well, all of it:", "use visa"),
    "PHONE": ("call me on", "my number is", "you can reach me at", "my phone number is", "it is", "text", "the fax is"),
    "EMAIL": ("my email is", "write to", "send it to", "the address is", "email", "you can use"),
    "SSN": ("my social security number is", "social security is", "the SSN is", "my social is", "SSN"),
    "IBAN": ("my IBAN is", "the account is", "please transfer it to", "IBAN", "it is"),
    "IP": ("the server is", "my IP address is", "connect to", "ping", "the host is"),
}
_LOOK_ALIKES = (
    "it was in {year}",
    "we moved here in {year} and left in {year}",
    "that was {price} in total",
    "I paid {price_in_words} for it",
    "your order number is {order}",
    "the order number is {order_in_words}",
    "invoice {order} is still open",
    "the tracking number is {order}",
    "confirmation code {order_in_words}",
    "we live at {house} Main Street, {zip}",
    "I'm at {house} Oak Avenue, apartment {count}",
    "the zip code is {zip}",
    "the meeting is at {time}",
    "let's meet at {hour} thirty",
    "meet me at {hour} o'clock at the station",
    "they close at {time} on {date}",
    "it is due on {iso}",
    "there are {count} boxes left",
    "I ordered {count} of them",
    "about {count} percent of {count}",
    "flight {count} leaves from gate {hour}",
    "we run version {version}",
    "it has {count} pages and {count} pictures",
    "one, two, three, four, five and we go",
    "look at example dot com for more",
    "I bought it at acme dot com",
    "oh one more thing, is it at home",
    "it is point five of a percent",
    "he is {count} and she is {count}",
    "ticket {order} was closed at noon",
)
