"""The one shape of sound in the whole program: 16 kHz, mono, signed 16-bit little-endian samples.

Cheap to import on purpose: the session takes ``Chunk`` from here and must not pay for numpy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from voxctl.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SAMPLE_RATE_HZ = 16_000
BYTES_PER_SAMPLE = 2
CHUNK_MS_RANGE = (10, 1000)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of sound that is never empty; ``start_sample`` counts 16 kHz samples from the start of the audio.

    ``missing`` says why it is silence in place of sound that was lost, and is ``None`` for sound.
    """

    pcm: bytes
    start_sample: int
    missing: str | None = None

    def __post_init__(self) -> None:
        if not self.pcm or len(self.pcm) % BYTES_PER_SAMPLE:
            raise ValueError(f"a chunk holds whole 16-bit samples, at least one; got {len(self.pcm)} bytes")
        if self.start_sample < 0:
            raise ValueError(f"a chunk starts at sample 0 or later, not {self.start_sample}")

    @property
    def n_samples(self) -> int:
        """How many samples the chunk holds."""
        return len(self.pcm) // BYTES_PER_SAMPLE

    @property
    def start_s(self) -> float:
        """When the first sample begins, in seconds from the start of the audio."""
        return self.start_sample / SAMPLE_RATE_HZ

    @property
    def end_s(self) -> float:
        """When the last sample is over, in seconds from the start of the audio."""
        return (self.start_sample + self.n_samples) / SAMPLE_RATE_HZ


def to_pcm16(samples: NDArray[np.float32]) -> bytes:
    """Turn mono samples in -1..1 into PCM16 bytes.

    The scale is 32768, so 16-bit sources come back bit for bit. Values are rounded to the nearest step (halves to the
    even one, no dither), clipped at full scale (infinities too), and a NaN becomes silence.
    """
    import numpy as np

    scaled = np.rint(np.multiply(samples, 32768.0, dtype=np.float64))
    scaled[np.isnan(scaled)] = 0.0
    return np.minimum(np.maximum(scaled, -32768.0), 32767.0).astype("<i2").tobytes()


class Rechunker:
    """Cuts a PCM16 byte stream, however it arrives, into chunks of exactly ``chunk_ms``; the last may be shorter."""

    def __init__(self, chunk_ms: int) -> None:
        low, high = CHUNK_MS_RANGE
        if not low <= chunk_ms <= high:
            raise UsageError(
                f"a chunk of {chunk_ms} ms is not possible",
                hint=f"choose {low} to {high} ms; 80 is what the model works in",
            )
        self.chunk_ms = chunk_ms
        self._n_bytes = chunk_ms * SAMPLE_RATE_HZ // 1000 * BYTES_PER_SAMPLE
        self._pending = bytearray()
        self._next_sample = 0

    def feed(self, pcm: bytes) -> list[Chunk]:
        """Take more bytes, any number of them, and return the chunks that are now complete."""
        self._pending += pcm
        n_ready = len(self._pending) // self._n_bytes * self._n_bytes
        ready = bytes(self._pending[:n_ready])
        del self._pending[:n_ready]
        return [self._cut(ready[at : at + self._n_bytes]) for at in range(0, n_ready, self._n_bytes)]

    def finish(self) -> list[Chunk]:
        """Return what is left, at most one chunk; half a sample at the very end is dropped."""
        rest = bytes(self._pending[: len(self._pending) // BYTES_PER_SAMPLE * BYTES_PER_SAMPLE])
        self._pending.clear()
        return [self._cut(rest)] if rest else []

    def _cut(self, pcm: bytes) -> Chunk:
        chunk = Chunk(pcm, self._next_sample)
        self._next_sample += chunk.n_samples
        return chunk
