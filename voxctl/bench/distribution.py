"""A distribution of times that can be merged without losing anything. Pure.

Values are kept to four significant digits, and to 0.01 ms at best, and counted: the percentiles of what many processes
saw are those that one process would have seen.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Self

_STEPS_PER_MS = 100
_DIGITS = 4
PERCENTILES = (50, 90, 95, 99)


class Distribution:
    """Counts values in milliseconds; negative ones too. Percentiles are by nearest rank: a value that was seen."""

    def __init__(self, values_ms: Iterable[float] = ()) -> None:
        self._counts: Counter[int] = Counter()
        self.n = 0
        for value_ms in values_ms:
            self.add(value_ms)

    def add(self, value_ms: float) -> None:
        """Count one value."""
        steps = round(value_ms * _STEPS_PER_MS)
        if abs(steps) >= 10**_DIGITS:
            quantum = 10 ** (int(math.log10(abs(steps))) + 1 - _DIGITS)
            steps = round(steps / quantum) * quantum
        self._counts[steps] += 1
        self.n += 1

    def merge(self, other: Distribution) -> Self:
        """Count all that another has counted, and return this one."""
        self._counts.update(other._counts)
        self.n += other.n
        return self

    def percentile(self, percent: float) -> float:
        """Return the least value that at least ``percent`` of all do not exceed, in milliseconds; NaN of nothing."""
        if not self.n:
            return math.nan
        rank = max(1, math.ceil(self.n * percent / 100))
        for steps in sorted(self._counts):
            rank -= self._counts[steps]
            if rank <= 0:
                return steps / _STEPS_PER_MS
        raise AssertionError("the counts are fewer than the values")

    @property
    def greatest(self) -> float:
        """The greatest value in milliseconds; NaN of nothing."""
        return max(self._counts) / _STEPS_PER_MS if self.n else math.nan

    def summary(self) -> dict[str, float | int | None]:
        """Return ``p50 p90 p95 p99 max n``, times in milliseconds, ``None`` where nothing was counted."""
        if not self.n:
            return dict.fromkeys([*(f"p{p}" for p in PERCENTILES), "max"]) | {"n": 0}
        figures: dict[str, float | int | None] = {f"p{p}": self.percentile(p) for p in PERCENTILES}
        return figures | {"max": self.greatest, "n": self.n}

    def to_json(self) -> dict[str, int]:
        """Return the counts, by hundredths of a millisecond."""
        return {str(steps): count for steps, count in sorted(self._counts.items())}

    @classmethod
    def from_json(cls, counts: Mapping[str, int]) -> Distribution:
        """Return what ``to_json`` was made of."""
        made = cls()
        made._counts = Counter({int(steps): count for steps, count in counts.items()})
        made.n = sum(made._counts.values())
        return made
