"""The sound of a session that may have to be sent, or sent again. Pure; positions are samples from the start."""

from __future__ import annotations

from collections import deque

SAMPLE_RATE_HZ = 16_000
_BYTES = 2


class Replay:
    """Keeps the stretch from ``first`` to ``end`` of a growing sound: 16 kHz mono PCM16.

    It is kept in the pieces in which it came, and a piece that is read as a whole is not copied.
    """

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._start = 0
        self.first = 0
        #: The position after the last sample.
        self.end = 0

    def append(self, pcm: bytes) -> None:
        """Add what comes next; whole samples."""
        if pcm:
            self._pieces.append(pcm)
            self.end += len(pcm) // _BYTES

    def read(self, at: int, most: int) -> bytes:
        """Return at most ``most`` samples from position ``at`` on, nothing at the end.

        Raises ``IndexError`` for what was forgotten: nobody may believe that it was silence.
        """
        if not self.first <= at <= self.end:
            raise IndexError(f"{at} is not between {self.first} and {self.end}")
        until = min(at + most, self.end)
        found: list[bytes] = []
        start = self.end
        for piece in reversed(self._pieces):  # what is read is mostly the last of it
            end, start = start, start - len(piece) // _BYTES
            if start < until:
                whole = start >= at and end <= until
                found.append(piece if whole else piece[max(at - start, 0) * _BYTES : (until - start) * _BYTES])
            if start <= at:
                break
        return found[0] if len(found) == 1 else b"".join(reversed(found))

    def forget(self, before: int) -> None:
        """Let go of everything before this position; later positions keep their numbers."""
        self.first = min(max(before, self.first), self.end)
        while self._pieces and self._start + len(self._pieces[0]) // _BYTES <= self.first:
            self._start += len(self._pieces.popleft()) // _BYTES
