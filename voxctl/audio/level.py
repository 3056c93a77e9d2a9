"""How loud a microphone is, and what is wrong with that. Pure.

Levels are decibels below full scale (0 dB). Speech at a good distance peaks between -20 and -6.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

#: Nothing is quieter than this.
SILENT_DB = -90.0
#: What the judgements look back on, in seconds.
_WINDOW_S = 8.0
#: The loudest moments of speech that a recogniser has trouble with, and by how much they stand out from the room.
_TOO_QUIET_DB, _STANDS_OUT_DB = -45.0, 10.0
#: Samples in a block at full scale that are no accident, and for how long it is told, in seconds.
_CLIPPED, _N_CLIPPED, _CLIPPING_S = 0.999, 3, 2.0
#: Nothing but zeros for so long is no room that a microphone hears, in seconds.
_MUTED_S = 3.0
#: The meter falls this fast, in decibels a second, so that an eye can follow.
_FALL_DB_S = 20.0


class Verdict(StrEnum):
    """What a person should know of the level, in the words to tell it."""

    GOOD = ""
    MUTED = "no sound: is it muted?"
    CLIPPING = "clipping"
    TOO_QUIET = "too quiet"


class Level:
    """Takes blocks; ``peak_db`` is what a meter shows now."""

    def __init__(self) -> None:
        self.peak_db = SILENT_DB
        self._loudness: deque[tuple[float, float]] = deque()
        self._held_s = 0.0
        self._zeros_s = 0.0
        self._clipped_s: float | None = None

    def feed(self, samples: NDArray[np.float32], length_s: float) -> None:
        """Take a block that is ``length_s`` long, of any shape."""
        if not samples.size:
            return
        sizes = np.abs(samples)
        peak = float(sizes.max())
        self.peak_db = max(_decibels(peak), self.peak_db - _FALL_DB_S * length_s)
        self._zeros_s = 0.0 if peak else self._zeros_s + length_s
        if self._clipped_s is not None:
            self._clipped_s += length_s
        if peak >= _CLIPPED and int((sizes >= _CLIPPED).sum()) >= _N_CLIPPED:
            self._clipped_s = 0.0
        self._loudness.append((_decibels(float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))), length_s))
        self._held_s += length_s
        while self._held_s > _WINDOW_S and len(self._loudness) > 1:
            self._held_s -= self._loudness.popleft()[1]

    @property
    def verdict(self) -> Verdict:
        """The most serious of what is wrong with the last seconds."""
        if self._zeros_s >= _MUTED_S:
            return Verdict.MUTED
        if self._clipped_s is not None and self._clipped_s < _CLIPPING_S:
            return Verdict.CLIPPING
        if self._held_s >= _WINDOW_S / 2:
            loudness = sorted(db for db, _ in self._loudness)
            room_db, loud_db = loudness[len(loudness) // 5], loudness[len(loudness) * 19 // 20]
            # A room in which nobody speaks is quiet too, but nothing in it stands out.
            if loud_db < _TOO_QUIET_DB and loud_db - room_db >= _STANDS_OUT_DB:
                return Verdict.TOO_QUIET
        return Verdict.GOOD


def _decibels(size: float) -> float:
    return max(SILENT_DB, 20 * float(np.log10(size))) if size > 0 else SILENT_DB
