"""How many streams a server holds, by bisection. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from voxctl.bench.measures import Measures

#: A lag that grows by so much, in milliseconds a second, only ends with the stream.
_GROWING_MS_S = 5.0
#: A word error rate is worse than with one stream when it is so much above it.
_WORSE_WER = 0.02


@dataclass(frozen=True, slots=True)
class Slo:
    """What holding means: 95 % of the deltas within ``lag_ms``, no lag that grows, no error, words no worse."""

    lag_ms: float
    wer: float | None = None

    def broken_by(self, measures: Measures) -> str | None:
        """Return in which way a trial does not hold, ``None`` if it does."""
        lag = measures.distributions["delta_lag_ms"]
        if measures.errors:
            cause, count = measures.errors.most_common(1)[0]
            return f"{count} of {measures.n_streams} streams failed: {cause}"
        if not lag.n:
            return "no delta was timed"
        if (p95 := lag.percentile(95)) > self.lag_ms:
            return f"95 % of the deltas within {p95:.0f} ms only"
        if measures.slope_ms_s > _GROWING_MS_S:
            return f"the lag grows by {measures.slope_ms_s:.0f} ms a second"
        if self.wer is not None and measures.wer is not None and measures.wer > self.wer + _WORSE_WER:
            return f"the word error rate rises from {self.wer:.3f} to {measures.wer:.3f}"
        return None


def next_to_try(held: Mapping[int, bool], most: int) -> int | None:
    """Return with how many streams to go on, ``None`` when it is known: first doubling, then halving what is between.

    ``held`` says which numbers of streams held; ``most`` is never gone beyond.
    """
    good = max((n for n, ok in held.items() if ok), default=0)
    bad = min((n for n, ok in held.items() if not ok and n > good), default=None)
    if bad is None:
        further = min(max(2 * good, 1), most)
        return further if further > good else None
    between = (good + bad) // 2
    return between if between not in (good, bad) else None
