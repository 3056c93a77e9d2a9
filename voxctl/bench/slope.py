"""A line through points, of which only sums are kept. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Slope:
    """Least squares through points that come one at a time."""

    n: int = 0
    _x: float = 0.0
    _y: float = 0.0
    _xx: float = 0.0
    _xy: float = 0.0

    def add(self, x: float, y: float) -> None:
        """Take one point."""
        self.n += 1
        self._x += x
        self._y += y
        self._xx += x * x
        self._xy += x * y

    @property
    def value(self) -> float | None:
        """By how much y grows with x; ``None`` where that cannot be told."""
        spread = self.n * self._xx - self._x * self._x
        return (self.n * self._xy - self._x * self._y) / spread if self.n > 1 and spread > 1e-9 else None
