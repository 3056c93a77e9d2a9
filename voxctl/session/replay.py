"""The sound of a session that may have to be sent, or sent again. Pure; positions are samples from the start."""

from __future__ import annotations

SAMPLE_RATE_HZ = 16_000
_BYTES = 2


class Replay:
    """Keeps the stretch from ``first`` to ``end`` of a growing sound: 16 kHz mono PCM16."""

    def __init__(self) -> None:
        self._pcm = bytearray()
        self.first = 0
        #: The position after the last sample.
        self.end = 0

    def append(self, pcm: bytes) -> None:
        """Add what comes next; whole samples."""
        self._pcm += pcm
        self.end += len(pcm) // _BYTES

    def read(self, at: int, most: int) -> bytes:
        """Return at most ``most`` samples from position ``at`` on, nothing at the end.

        Raises ``IndexError`` for what was forgotten: nobody may believe that it was silence.
        """
        if not self.first <= at <= self.end:
            raise IndexError(f"{at} is not between {self.first} and {self.end}")
        begin = (at - self.first) * _BYTES
        return bytes(self._pcm[begin : begin + most * _BYTES])

    def forget(self, before: int) -> None:
        """Let go of everything before this position; later positions keep their numbers."""
        n = min(max(before, self.first), self.end) - self.first
        del self._pcm[: n * _BYTES]
        self.first += n
