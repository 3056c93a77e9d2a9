"""How much later words are seen than they would be, by the clock of the sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.redact.hearing import deltas_of
from voxctl.events import Done, Event, Progress, Words
from voxctl.redact.finding import Finder
from voxctl.redact.stage import Redaction


@dataclass
class Delays:
    """Seconds. ``free`` words were given at once; ``held`` ones later, as they were; ``masks`` count from the last word
    of what they hide, ``hidden`` from each word of it."""

    free: int = 0
    held: list[float] = field(default_factory=list)
    masks: list[float] = field(default_factory=list)
    hidden: list[float] = field(default_factory=list)

    def measure(self, deltas: Sequence[str], finders: Sequence[Finder]) -> None:
        """Add those of one session."""
        events = list(deltas_of(deltas))
        due = _moments(events)
        stage, clock_s = Redaction(finders), 0.0
        for event in events:
            for seen in stage.take(event):
                if isinstance(seen, Words):
                    self._given(seen, due, clock_s)
            clock_s = event.acked_s if isinstance(event, Progress) else clock_s

    def _given(self, words: Words, due: dict[float, float], clock_s: float) -> None:
        for word in words.words:
            late_s = clock_s - due[word.end_s]
            if "[" in word.text:
                self.masks.append(late_s)
                self.hidden += [clock_s - at_s for end_s, at_s in due.items() if word.start_s <= end_s <= word.end_s]
            elif late_s > 0:
                self.held.append(late_s)
            else:
                self.free += 1


def p95(values: Sequence[float]) -> float:
    """Return what 95 of 100 are not above."""
    return sorted(values)[int(0.95 * (len(values) - 1))] if values else 0.0


def _moments(events: Sequence[Event]) -> dict[float, float]:
    """Return when each word is committed, by its end."""
    due: dict[float, float] = {}
    clock_s = 0.0
    for event in events:
        if isinstance(event, Words):
            due |= {word.end_s: clock_s for word in event.words}
        clock_s = event.acked_s if isinstance(event, Progress) else clock_s
    assert isinstance(events[-1], Done)
    return due
