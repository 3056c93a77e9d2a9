"""The seam between a microphone and whatever gives its sound: PortAudio, or a script in a test.

A device has a thread of its own, which hands blocks over and must never wait. ``Backlog`` is where they wait instead.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class Block(NamedTuple):
    """What a device gives at a time: float32 ``samples`` in -1..1, shaped (frames, channels).

    ``at_s`` is when it was handed over, in seconds of the monotonic clock; ``overflowed``: sound before it was lost.
    """

    samples: NDArray[np.float32]
    rate_hz: int
    at_s: float
    overflowed: bool = False

    @property
    def length_s(self) -> float:
        """How long it is, in seconds."""
        return len(self.samples) / self.rate_hz


class Capture(Protocol):
    """An open device, which hands blocks over until it is closed."""

    name: str

    def close(self) -> None:
        """Hand over nothing more; may be called twice."""


class Device(Protocol):
    """What can be opened, and opened again after it has gone."""

    def open(self, deliver: Callable[[Block], None], ended: Callable[[], None]) -> Capture:
        """Open it. From now on ``deliver`` gets every block, and ``ended`` is called when there will be no more; both
        from another thread. May take seconds. Raises ``AudioError`` when it is not there or cannot be opened.
        """


class Backlog:
    """Blocks between a device's thread and the event loop, at most ``most_s`` seconds; the oldest is dropped first."""

    def __init__(self, most_s: float) -> None:
        self._most_s = most_s
        self._blocks: deque[Block] = deque()
        self._held_s = self._lost_s = 0.0
        self._lock = threading.Lock()

    def put(self, block: Block) -> None:
        """Add a block; from any thread."""
        with self._lock:
            self._blocks.append(block)
            self._held_s += block.length_s
            while self._held_s > self._most_s and len(self._blocks) > 1:
                dropped_s = self._blocks.popleft().length_s
                self._held_s -= dropped_s
                self._lost_s += dropped_s

    def take(self) -> tuple[Block, float] | None:
        """Return the oldest block and how much was dropped before it, in seconds; ``None`` if there is none."""
        with self._lock:
            if not self._blocks:
                return None
            block = self._blocks.popleft()
            # Anew at every end, so that no error of rounding is left to grow for hours.
            self._held_s = self._held_s - block.length_s if self._blocks else 0.0
            lost_s, self._lost_s = self._lost_s, 0.0
            return block, lost_s
