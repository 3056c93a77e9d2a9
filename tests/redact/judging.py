"""How many secrets were found, and how many masks are right."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from tests.redact.corpus import Utterance
from tests.redact.hearing import CHARACTER_S, seen, words_of
from voxctl.events import Event, Words
from voxctl.redact.finding import Finder

MASK = re.compile(r"\[([A-Z]+)\]")


def masks(events: Iterable[Event]) -> Iterator[tuple[int, int, str]]:
    """Yield where in the text each mask begins and ends, by its word's times, and what it says."""
    for event in events:
        for word in event.words if isinstance(event, Words) else ():
            if found := MASK.search(word.text):
                yield round(word.start_s / CHARACTER_S), round(word.end_s / CHARACTER_S), found.group(1)


def judged(utterances: Iterable[Utterance], finders: Sequence[Finder]) -> tuple[Counter[str], list[str]]:
    """Return how many secrets and masks there were, and how many were right; and what was wrong, for a person."""
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for utterance in utterances:
        text = utterance.text
        found = list(masks(seen(words_of(text, re.findall(r"\s*\S+", text)), finders)))
        hidden = {place for start, end, _ in found for place in range(start, end)}
        labels = list(utterance.labels())
        for start, end, label in labels:
            whole = all(place in hidden or text[place].isspace() for place in range(start, end))
            counts["secrets"] += 1
            counts["found"] += whole
            wrong += [] if whole else [f"missed {label} {text[start:end]!r} in {text!r}"]
        for start, end, label in found:
            right = any(label == name and s <= start and not text[e:end].strip(".,!? ") for s, e, name in labels)
            counts["masks"] += 1
            counts["right"] += right
            wrong += [] if right else [f"{label} for {text[start:end]!r} in {text!r}"]
    return counts, wrong
