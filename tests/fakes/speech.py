"""A speaker and recognisers as plain data: what was said is known, what each connection heard of it differs.

The recogniser errs as real ones do: word times jitter, words share groups, are split, merged, misheard, left out or
made up, and the first second of a connection that begins in mid-speech is worth little. ``lost_and_doubled`` counts
what a seam did to the words that were said.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from voxctl.events import Word

TICK_S = 0.08
Span = tuple[float, float]

_COMMON = (
    *("the", "and", "to", "of", "a", "in", "that", "it", "is", "was", "I", "for", "on", "you", "he", "be", "with"),
    *("as", "by", "at", "have", "are", "this", "not", "but", "had", "his", "they"),
)
_SOME = (
    *("or", "she", "her", "from", "which", "we", "an", "there", "been", "their", "one", "so", "all", "were", "when"),
    *("no", "him", "would", "more", "who", "will", "out", "if"),
)
_LETTERS = "etaoinshrdlu"
_REPEATED = ("no", "yes", "the", "very", "I", "and", "well")


@dataclass(frozen=True, slots=True)
class Spoken:
    """One word as it was said."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Heard:
    """A word as a connection gave it: it stands for the spoken words ``first`` up to, not including, ``end``.

    A word that was made up stands for none (``first == end``). ``known_s`` is when the connection committed it, on
    the clock of its acknowledgements; its letters came from ``begun_s`` on, four in each tick.
    """

    word: Word
    first: int
    end: int
    begun_s: float
    known_s: float


@dataclass(frozen=True, slots=True)
class Ear:
    """How badly a recogniser hears. Rates are per word; ``jitter_ticks`` is the most its times are off."""

    jitter_ticks: int = 3
    misheard: float = 0.015
    missed: float = 0.006
    made_up: float = 0.003
    merged: float = 0.006
    split: float = 0.004


def speak(rng: random.Random, length_s: float, pause_rate: float = 0.1) -> list[Spoken]:
    """Return ``length_s`` of speech; ``pause_rate`` of its words, none when 0, are followed by a pause."""
    rare = ["".join(rng.choice(_LETTERS) for _ in range(rng.randint(3, 12))) for _ in range(60)]
    said: list[Spoken] = []
    pending: list[str] = []
    now_s = rng.uniform(0.0, 0.5)
    while now_s < length_s:
        if not pending:
            pending = _phrase(rng, rare, [word.text for word in said[-12:]])
        text = pending.pop(0)
        length = min(0.6, max(0.12, (0.06 + 0.05 * len(text)) * rng.uniform(0.7, 1.4)))
        said.append(Spoken(text, now_s, now_s + length))
        now_s += length + (rng.uniform(0.3, 1.5) if rng.random() < pause_rate else 0.0)
    return said


def _phrase(rng: random.Random, rare: list[str], lately: list[str]) -> list[str]:
    kind = rng.random()
    if kind < 0.012:
        return [rng.choice(_REPEATED)] * rng.randint(2, 4)
    if kind < 0.045 and len(lately) > 6:
        start = rng.randrange(len(lately) - 3)
        return lately[start : start + rng.randint(2, 5)]
    return [rng.choice(_COMMON if kind < 0.45 else _SOME if kind < 0.65 else rare)]


def silences(rng: random.Random, said: Sequence[Spoken]) -> list[Span]:
    """Return the pauses of 300 ms and more as a speech detector sees them: nearly exact, some missed, some false."""
    found: list[Span] = []
    for before, after in pairwise(said):
        start_s, end_s = before.end_s + rng.uniform(-0.05, 0.05), after.start_s + rng.uniform(-0.05, 0.05)
        if end_s - start_s >= 0.3 and rng.random() > 0.05:
            found.append((start_s, end_s))
        elif rng.random() < 0.004:
            found.append((before.end_s - 0.2, before.end_s + 0.12))
    return found


def hear(rng: random.Random, said: Sequence[Spoken], began_s: float, ear: Ear) -> list[Heard]:
    """Return what a connection that was given the sound from ``began_s`` on makes of it."""
    texts: list[tuple[str, int, int]] = []
    at = next((i for i, word in enumerate(said) if word.end_s > began_s + 0.02), len(said))
    mid_speech = at < len(said) and began_s > 0 and said[at].start_s < began_s + 0.05
    sentence_starts = True
    while at < len(said):
        poor = mid_speech and said[at].end_s < began_s + 1.0
        made, n_words = _recognised(rng, said, at, ear, poor)
        for text, first, end in made:
            texts.append((_written(rng, text, sentence_starts), first, end))
            sentence_starts = texts[-1][0].endswith(".")
        at += n_words
    return _timed(rng, said, texts, began_s, ear)


def _recognised(
    rng: random.Random, said: Sequence[Spoken], at: int, ear: Ear, poor: bool
) -> tuple[list[tuple[str, int, int]], int]:
    """Return the words made of what was said at ``at``, and how many spoken words that used up."""
    text, kind = said[at].text, rng.random()
    if poor:
        kind *= 0.07
    for rate, made in (
        (ear.misheard, [(_misheard(rng, text), at, at + 1)]),
        (ear.missed, []),
        (ear.made_up, [(rng.choice(_SOME), at, at), (text, at, at + 1)]),
        (
            ear.split if len(text) > 5 else 0.0,
            [(text[: len(text) // 2], at, at + 1), (text[len(text) // 2 :], at, at + 1)],
        ),
    ):
        if kind < rate:
            return made, 1
        kind -= rate
    if kind < ear.merged and at + 1 < len(said) and said[at + 1].start_s - said[at].end_s < 0.2:
        return [(text[: len(text) - (len(text) > 2)] + said[at + 1].text, at, at + 2)], 2
    return [(text, at, at + 1)], 1


def _misheard(rng: random.Random, text: str) -> str:
    if len(text) < 4 or rng.random() < 0.4:
        return rng.choice([word for word in (*_COMMON, *_SOME) if word != text])
    at = rng.randrange(len(text))
    return text[:at] + rng.choice(_LETTERS) + text[at + rng.randint(0, 1) + 1 :]


def _written(rng: random.Random, text: str, sentence_starts: bool) -> str:
    mark = rng.random()
    return (text.capitalize() if sentence_starts else text) + ("," if mark < 0.06 else "." if mark < 0.1 else "")


def _timed(
    rng: random.Random, said: Sequence[Spoken], texts: Sequence[tuple[str, int, int]], began_s: float, ear: Ear
) -> list[Heard]:
    """Give the words their ticks: a word that comes while the last one's tokens still run joins its group."""
    origin_tick = round(began_s / TICK_S)
    group_tick, free_tick, wish = -1, -1, 0
    timed: list[tuple[Word, int, int]] = []  # the word, the tick of its first token, the tick after its last
    last_end_s = began_s
    for i, (text, first, end) in enumerate(texts):
        true_end_s = said[max(first, end - 1)].end_s if first < end else said[first].start_s
        if i + 1 < len(texts) and texts[i + 1][1] == first < end:  # the first half of a split word
            true_end_s = (said[first].start_s + true_end_s) / 2
        wish = max(
            wish, origin_tick + 1, int(true_end_s / TICK_S) + 1 + rng.randint(-ear.jitter_ticks, ear.jitter_ticks)
        )
        joins = wish <= free_tick
        group_tick = group_tick if joins else wish
        first_tick = free_tick if joins else wish
        free_tick = first_tick + 1 + (len(text) - 1) // 4
        end_s = group_tick * TICK_S
        start_s = max(last_end_s, end_s - (0.08 + 0.06 * len(text)), 0.0)
        timed.append((Word(text, start_s, end_s, joins), first_tick, free_tick))
        last_end_s = end_s
    heard: list[Heard] = []
    for i, (word, first_tick, after_tick) in enumerate(timed):
        known_tick = min(timed[i + 1][1] if i + 1 < len(timed) else after_tick + 99, after_tick + 4)
        heard.append(Heard(word, texts[i][1], texts[i][2], first_tick * TICK_S, known_tick * TICK_S))
    return heard


def lost_and_doubled(old: Sequence[Heard], until_s: float, new: Sequence[Heard], skip: int) -> tuple[int, int]:
    """Return how many words the seam lost and doubled: after what ``old`` had committed comes ``new[skip]``.

    ``until_s`` is how far the old connection had listened. A word that it had passed over without hearing it counts
    as neither: leaving it out is the recogniser's doing, taking it in does no harm.
    """
    told = max((word.end for word in commits(old, until_s)), default=0)
    passed = max((word.first for word in old if word.begun_s <= until_s < word.known_s), default=told)
    lost = sum(word.first < word.end and word.end > max(told, passed) for word in new[:skip])
    doubled = sum(word.first < word.end and word.first < told for word in new[skip:])
    return lost, doubled


def commits(words: Sequence[Heard], until_s: float) -> list[Heard]:
    """Return what the connection has committed once it acknowledged ``until_s``."""
    return [word for word in words if word.known_s <= until_s]


def tail(words: Sequence[Heard], at_s: float) -> str:
    """Return the text the connection had given, but not committed, once it acknowledged ``at_s``."""
    open_words = [word for word in words if word.begun_s <= at_s < word.known_s]
    return "".join(word.word.text[: 4 * (round((at_s - word.begun_s) / TICK_S) + 1)] for word in open_words)


def moments(words: Sequence[Heard], start_s: float, end_s: float, step_s: float = 0.24) -> Iterator[float]:
    """Yield times at which to look again: whenever a word was committed, and now and then."""
    times = {word.known_s for word in words if start_s <= word.known_s <= end_s}
    n_steps = int((end_s - start_s) / step_s)
    yield from sorted(times | {start_s + i * step_s for i in range(n_steps + 1)} | {end_s})
