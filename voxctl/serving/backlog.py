"""What has been read of a connection and not yet recognised: audio and the marks where utterances end."""

from __future__ import annotations

import asyncio
from collections import deque

from voxctl.audio.pcm import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ


class Backlog:
    """A queue of audio between the reader of a socket and the recogniser, one of each.

    The bound is on seconds of audio and is for the reader to keep: ``room`` waits until there is some. One message
    may go over it, so what is held is never more than the bound and one message.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_bytes = int(limit_s * SAMPLE_RATE_HZ) * BYTES_PER_SAMPLE
        self._items: deque[bytes | None] = deque()
        self._offset = 0
        self._n_bytes = 0
        self._changed = asyncio.Event()

    @property
    def held_s(self) -> float:
        """How much audio waits."""
        return self._n_bytes / BYTES_PER_SAMPLE / SAMPLE_RATE_HZ

    def put(self, pcm: bytes) -> None:
        """Add audio, which is not empty."""
        self._items.append(pcm)
        self._n_bytes += len(pcm)
        self._changed.set()

    def put_end(self) -> None:
        """Mark the end of an utterance."""
        self._items.append(None)
        self._changed.set()

    def clear(self) -> None:
        """Forget everything."""
        self._items.clear()
        self._offset = self._n_bytes = 0
        self._changed.set()

    async def room(self) -> None:
        """Wait until less than the bound is held."""
        while self._n_bytes >= self._limit_bytes:
            await self._change()

    async def take(self, at_most_s: float) -> bytes | None:
        """Wait for audio and return what there is of it, up to a length; ``None`` at a mark."""
        while not self._items:
            await self._change()
        wanted = int(at_most_s * SAMPLE_RATE_HZ) * BYTES_PER_SAMPLE
        taken = bytearray()
        while self._items and len(taken) < wanted and (item := self._items[0]) is not None:
            piece = item[self._offset : self._offset + wanted - len(taken)]
            taken += piece
            self._offset += len(piece)
            if self._offset == len(item):
                self._items.popleft()
                self._offset = 0
        if not taken:
            self._items.popleft()
            return None
        self._n_bytes -= len(taken)
        self._changed.set()
        return bytes(taken)

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()
