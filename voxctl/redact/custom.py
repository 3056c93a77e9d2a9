"""Finds what the user names: words and phrases of a list, and regular expressions whose time is bounded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from voxctl.errors import UsageError
from voxctl.redact.finding import MAYBE, Match, Passage
from voxctl.redact.judges import load
from voxctl.redact.kinds import OWN_WORD

#: A pattern sees so many words and characters from where it is tried, and has so long for each try, in seconds.
_MOST_WORDS = 24
_MOST_CHARACTERS = 240
_LIMIT_S = 0.02
_AROUND = "\"'“”‘’().,;:!?"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,23}")
# Escapes and classes are put aside first: what is left of these looks at text around the match.
_PUT_ASIDE = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_LOOKS_AROUND = re.compile(r"\(\?<?[=!]|[\^$]")
_ANCHORS = re.compile(r"\\[AZzG]")


class OwnWords:
    """A finder of phrases: whole words, in any case, whatever stands around them."""

    def __init__(self, phrases: Iterable[str]) -> None:
        self._by_first: dict[str, list[tuple[str, ...]]] = {}
        for phrase in phrases:
            words = tuple(_bare(word) for word in phrase.split())
            if words and all(words):
                self._by_first.setdefault(words[0], []).append(words)
        for found in self._by_first.values():
            found.sort(key=len, reverse=True)

    def find(self, passage: Passage, start: int) -> Match | None:
        """Return the longest phrase that begins with the word ``start``."""
        first = passage.tokens[start]
        if not first.whole and passage.open and start == len(passage.tokens) - 1:
            return MAYBE if any(word.startswith(_bare(first.low)) for word in self._by_first) else None
        for phrase in self._by_first.get(_bare(first.low), ()):
            end = start + len(phrase)
            there = passage.tokens[start:end]
            same = [_bare(token.low) == word for token, word in zip(there, phrase, strict=False)]
            cut = passage.open and end >= len(passage.tokens) and not there[-1].whole
            if cut and all(same[:-1]) and phrase[len(there) - 1].startswith(_bare(there[-1].low)):
                return MAYBE
            if all(same) and len(there) < len(phrase) and passage.open:
                return MAYBE
            if all(same) and len(there) == len(phrase):
                return Match(end - 1, OWN_WORD)
        return None

    def unfinished(self, passage: Passage, start: int, *, patient: bool) -> bool:
        """Whether the beginning of a phrase must not be shown: no, it is a word like others."""
        return False


class Pattern:
    """A finder of one regular expression, in the syntax of the library ``regex``.

    It sees the words from where it is tried, single spaces between them, and hides every word in which its match has
    a character. Where it takes longer than 20 ms, the word at which it was tried is hidden: ``slow`` counts them.
    """

    def __init__(self, name: str, expression: str) -> None:
        self.name = name
        self.slow = 0
        self._label = name.upper()
        self._pattern: Any = _compiled(name, expression)

    def find(self, passage: Passage, start: int) -> Match | None:
        """Return what the expression matches from within the word ``start`` on."""
        if passage.open and start == len(passage.tokens) - 1 and not passage.tokens[start].whole:
            return MAYBE
        words = [token.head + token.core + token.rear for token in passage.tokens[start : start + _MOST_WORDS]]
        text = " ".join(words)[:_MOST_CHARACTERS]
        bounded = len(words) == _MOST_WORDS or len(text) == _MOST_CHARACTERS
        last = start + len(words) - 1
        if passage.open and not bounded and passage.tokens[last].whole:
            text += " "
        try:
            return self._matched(text, words, start, may_grow=passage.open and not bounded)
        except TimeoutError:
            self.slow += 1
            return Match(start, self._label)

    def unfinished(self, passage: Passage, start: int, *, patient: bool) -> bool:
        """Whether a match in the making must not be shown: yes, only its maker knows what it is."""
        return self.find(passage, start) is MAYBE

    def _matched(self, text: str, words: list[str], start: int, *, may_grow: bool) -> Match | None:
        for place in range(min(len(words[0]), len(text))):
            if may_grow and self._pattern.fullmatch(text, place, partial=True, timeout=_LIMIT_S):
                return MAYBE
            found = self._pattern.match(text, place, timeout=_LIMIT_S)
            if found and found.end() > place:
                n_words = text.count(" ", 0, found.end() - text[: found.end()].endswith(" "))
                return Match(start + min(n_words, len(words) - 1), self._label)
        return None


def check_patterns(patterns: Mapping[str, str]) -> list[Pattern]:
    """Return finders of named expressions. Raises ``UsageError`` for a name or an expression that is none."""
    return [Pattern(name, expression) for name, expression in patterns.items()]


def _bare(word: str) -> str:
    return word.lower().strip(_AROUND).removesuffix("'s").removesuffix("’s").strip(_AROUND)


def _compiled(name: str, expression: str) -> Any:
    engine = load("regex")
    option = f"--redact-pattern {name}"
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name for a pattern", hint="as in --redact-pattern MRN='MRN-?[0-9]{6}'.")
    try:
        pattern = engine.compile(expression)
    except engine.error as exc:
        raise UsageError(f"{option}: {exc}", hint="the syntax is that of Python's re; quote it for the shell.") from exc
    if _ANCHORS.search(expression) or _LOOKS_AROUND.search(_PUT_ASIDE.sub("", expression)):
        hint = "leave out ^, $ and lookarounds: in a stream the text around is not there yet."
        raise UsageError(f"{option} looks at what stands around it", hint=hint)
    if pattern.fullmatch("") is not None:
        raise UsageError(f"{option} matches nothing at all, too", hint="make it match one character at least.")
    return pattern
