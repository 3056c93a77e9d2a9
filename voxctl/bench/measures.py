"""What is measured, and what the measurements of several processes come to together. Pure.

A model gives its delta *k* once it has heard the sound for it: ``delay + (k - 1)`` ticks, one tick more, and 2.5 ms of
look-ahead (the count law, measured on vLLM 0.32). All lags are beyond that: the delay is the model's own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from voxctl.bench.distribution import Distribution
from voxctl.realtime.models import LOOK_AHEAD_SAMPLES, SAMPLE_RATE_HZ, TICK_SAMPLES

#: A client is too late for its own measurements when a hundredth of its chunks went out later than this.
LATE_MS = 20.0
#: Processor time of one process, as a share of a core, from which it is taken for too busy to measure.
TOO_BUSY = 0.95

#: Metric → what it is, as the documentation has it.
METRICS = {
    "connect_ms": "from the attempt until the connection is open",
    "ready_ms": "from the attempt until the server's first message",
    "first_text_ms": "from the first chunk's due moment until the first delta with text",
    "delta_lag_ms": "arrival of a delta, less the due moment of the chunk that completes the sound it needs",
    "capture_lag_ms": "arrival of a delta, less the moment the last sample it needs existed",
    "delta_gap_ms": "between two deltas of a stream",
    "final_ms": "from the last chunk until done",
    "send_late_ms": "how late the client itself sent a chunk",
    "loop_late_ms": "how late the client's event loop woke up",
}


def needed_samples(k: int, delay_s: float) -> int:
    """Return how many samples of sound delta ``k``, counted from 1, needs with a model of that delay."""
    return round(delay_s * SAMPLE_RATE_HZ) + k * TICK_SAMPLES + LOOK_AHEAD_SAMPLES


@dataclass(slots=True)
class Measures:
    """All that one process, one trial or several saw. ``errors`` counts by cause; ``busy`` is the busiest process's."""

    distributions: dict[str, Distribution] = field(default_factory=lambda: {name: Distribution() for name in METRICS})
    errors: Counter[str] = field(default_factory=Counter)
    n_streams: int = 0
    n_finished: int = 0
    busy: float = 0.0
    #: Lags by the second of the measurement.
    timeline: dict[int, Distribution] = field(default_factory=dict)
    #: Of each stream, how much its lag grew, in milliseconds a second.
    slopes_ms_s: list[float] = field(default_factory=list)
    #: Words or characters that were wrong, and how many there are in the references.
    word_errors: int = 0
    words: int = 0
    char_errors: int = 0
    chars: int = 0
    audio_s: float = 0.0

    def add(self, metric: str, value_ms: float) -> None:
        """Count one value of a metric."""
        self.distributions[metric].add(value_ms)

    def lag(self, at_s: float, lag_ms: float) -> None:
        """Count the lag of a delta that was due ``at_s`` after the counting began."""
        self.add("delta_lag_ms", lag_ms)
        self.timeline.setdefault(int(at_s), Distribution()).add(lag_ms)

    def merge(self, other: Measures) -> None:
        """Take in what another process or trial saw."""
        for second, distribution in other.timeline.items():
            self.timeline.setdefault(second, Distribution()).merge(distribution)
        for name, distribution in other.distributions.items():
            self.distributions[name].merge(distribution)
        self.errors.update(other.errors)
        self.slopes_ms_s += other.slopes_ms_s
        for name in ("n_streams", "n_finished", "word_errors", "words", "char_errors", "chars", "audio_s"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.busy = max(self.busy, other.busy)

    @property
    def wer(self) -> float | None:
        """The word error rate, a fraction; ``None`` without references."""
        return self.word_errors / self.words if self.words else None

    @property
    def cer(self) -> float | None:
        """The character error rate, a fraction; ``None`` without references."""
        return self.char_errors / self.chars if self.chars else None

    @property
    def slope_ms_s(self) -> float:
        """How much the lag of the median stream grew, in milliseconds a second."""
        slopes = sorted(self.slopes_ms_s)
        return slopes[len(slopes) // 2] if slopes else 0.0

    @property
    def faults(self) -> list[str]:
        """What makes the figures worthless: the client was too slow itself. None if they can be trusted."""
        found = []
        for name, what in (("send_late_ms", "sent late"), ("loop_late_ms", "woke up late")):
            late = self.distributions[name]
            if late.n and late.percentile(99) > LATE_MS:
                found.append(f"the client itself {what}: {late.percentile(99):.0f} ms at the 99th percentile")
        if self.busy > TOO_BUSY:
            found.append(f"the client's processor was busy {100 * self.busy:.0f} % of the time")
        return found

    def summary(self) -> dict[str, Any]:
        """Return the figures for a document: each metric's percentiles, and everything that is counted."""
        return {
            **{name: distribution.summary() for name, distribution in self.distributions.items()},
            "lag_slope_ms_per_s": round(self.slope_ms_s, 3),
            "timeline_p95_ms": [[s, self.timeline[s].percentile(95)] for s in sorted(self.timeline)],
            "delta_lag_counts": self.distributions["delta_lag_ms"].to_json(),
            "wer": self.wer,
            "cer": self.cer,
            "streams": self.n_streams,
            "finished": self.n_finished,
            "errors": dict(self.errors),
            "audio_s": round(self.audio_s, 3),
            "client_busy": round(self.busy, 3),
            "valid": not self.faults,
            "faults": self.faults,
        }

    def to_json(self) -> dict[str, Any]:
        """Return everything, for another process."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return fields | {
            "distributions": {name: distribution.to_json() for name, distribution in self.distributions.items()},
            "timeline": {second: distribution.to_json() for second, distribution in self.timeline.items()},
            "errors": dict(self.errors),
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Measures:
        """Return what ``to_json`` was made of."""
        distributions = {name: Distribution.from_json(counts) for name, counts in fields["distributions"].items()}
        timeline = {int(second): Distribution.from_json(counts) for second, counts in fields["timeline"].items()}
        errors = Counter(fields["errors"])
        return cls(**{**fields, "distributions": distributions, "timeline": timeline, "errors": errors})


@dataclass(frozen=True, slots=True)
class Load:
    """What one process is to do: serialisable, so that it can be done anywhere.

    ``n_streams`` streams say ``clips`` one after another, each beginning with another one, at the pace of speech, for
    ``warmup_s`` and then ``duration_s``, and begin over ``ramp_s``. ``first`` is the number of the first stream, which
    together with ``seed`` decides where it begins. What is due in the warm-up is not counted.
    """

    n_streams: int
    duration_s: float
    warmup_s: float = 0.0
    ramp_s: float = 0.0
    chunk_ms: int = 80
    delay_s: float = 0.48
    model: str | None = None
    seed: int = 0
    first: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)
