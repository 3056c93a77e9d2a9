"""How a text reaches the stage: as a session gives it, or cut anywhere into words and tails."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from voxctl.events import Done, Event, Progress, Tail, Usage, Word, Words
from voxctl.realtime.models import VOXTRAL
from voxctl.realtime.words import WordBuilder
from voxctl.redact.choice import Choice
from voxctl.redact.finding import Finder
from voxctl.redact.kinds import Kind
from voxctl.redact.stage import Redaction

#: Everything with a check of its own; the kind "digits" takes every number and so cannot mistake one.
CHECKED = frozenset(Kind) - {Kind.DIGITS}
#: One token of a model, and how much text is spoken in it.
TICK_S = 0.08
CHARACTER_S = 0.06


def finders_of(*kinds: str) -> list[Finder]:
    """Return new finders of ``kinds``, of all that have a check where none is named."""
    return Choice(frozenset(map(Kind, kinds)) or CHECKED).finders()


def text_of(events: Iterable[Event]) -> str:
    """Return the committed text."""
    return "".join(event.text for event in events if isinstance(event, Words))


def masked(text: str, finders: Sequence[Finder]) -> str:
    """Return the text as it is seen when it comes a word at a time."""
    return text_of(seen(words_of(text, re.findall(r"\s*\S+", text)), finders))


def seen(events: Iterable[Event], finders: Sequence[Finder]) -> Iterator[Event]:
    """Yield what a new stage lets pass."""
    stage = Redaction(finders)
    for event in events:
        yield from stage.take(event)


def words_of(text: str, parts: Sequence[str]) -> Iterator[Event]:
    """Yield ``text`` committed in ``parts``, whatever their borders are, and the end."""
    assert "".join(parts) == text
    at = 0
    for part in parts:
        words = tuple(
            Word(found.group(), (at + found.start()) * CHARACTER_S, (at + found.end()) * CHARACTER_S)
            for found in re.finditer(r"\S+", part)
        )
        at += len(part)
        yield Words(part, words)
    yield Done(Usage(), at * CHARACTER_S)


def deltas_of(deltas: Sequence[str]) -> Iterator[Event]:
    """Yield the events that a session makes of a model's deltas, one for each 80 ms; an empty one is silence."""
    builder, clock_s, tail = WordBuilder(VOXTRAL), 0.0, ""
    for delta in deltas:
        clock_s += TICK_S
        if words := builder.delta(delta, clock_s):
            yield words
        if builder.tail != tail:
            tail = builder.tail
            yield Tail(tail)
        yield Progress(clock_s, clock_s)
    if rest := builder.finish():
        yield rest
        yield Tail("")
    yield Done(Usage(), clock_s)


def spoken(text: str, chance: random.Random, *, pauses: bool = False) -> list[str]:
    """Return the deltas of a model that hears ``text``: pieces of words, with the silence that makes them last.

    With ``pauses`` the speaker stops for 0.4 to 1.6 s after a comma or a full stop.
    """
    deltas: list[str] = []
    for word in re.findall(r"\s*\S+", text):
        ticks = max(2, round(len(word) * CHARACTER_S / TICK_S))
        n_parts = min(chance.choice((1, 1, 2, 3)), len(word))
        deltas += cut(word, n_parts, chance)
        deltas += [""] * min(4, max(0, ticks - n_parts))
        if pauses and word[-1] in ".,;:":
            deltas += [""] * chance.randint(5, 20)
    return deltas


def cut(text: str, n_parts: int, chance: random.Random) -> list[str]:
    """Return ``text`` in ``n_parts`` pieces, none of them empty, with borders anywhere."""
    borders = [0, *sorted(chance.sample(range(1, len(text)), min(n_parts, len(text)) - 1)), len(text)]
    return [text[start:end] for start, end in pairwise(borders)]
