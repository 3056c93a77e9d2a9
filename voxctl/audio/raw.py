"""Sound without a header, as telephone systems send it: what the bytes mean has to be said.

Cheap to import on purpose, like ``pcm``: the command line takes its choices from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from voxctl.errors import UsageError

RATE_HZ_RANGE = (1_000, 192_000)
MOST_CHANNELS = 32


class Encoding(StrEnum):
    """How one sample is written; little endian where it has two bytes."""

    PCM16 = "pcm16"
    MULAW = "mulaw"
    ALAW = "alaw"

    @property
    def n_bytes(self) -> int:
        """How many bytes one sample takes."""
        return 2 if self is Encoding.PCM16 else 1


@dataclass(frozen=True, slots=True)
class RawFormat:
    """What headerless bytes are. Raises ``UsageError`` for what no such sound is."""

    encoding: Encoding
    rate_hz: int
    n_channels: int

    def __post_init__(self) -> None:
        low, high = RATE_HZ_RANGE
        if not low <= self.rate_hz <= high:
            raise UsageError(
                f"a sample rate of {self.rate_hz} Hz is not possible",
                hint=f"choose {low} to {high}; telephone calls have 8000",
            )
        if not 1 <= self.n_channels <= MOST_CHANNELS:
            raise UsageError(
                f"raw sound with {self.n_channels} channels is not possible",
                hint=f"choose 1 to {MOST_CHANNELS}: 1 is mono, 2 is both sides of a call",
            )

    @property
    def frame_bytes(self) -> int:
        """How many bytes one sample of every channel takes."""
        return self.encoding.n_bytes * self.n_channels
