"""The sound of one recording as it arrives from a page: numbered messages in, chunks out, each once and in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from voxctl.audio.pcm import BYTES_PER_SAMPLE, Chunk

#: Messages that may wait for the session: 8 s of 32 ms each. A session reads a live source at once, so none do.
_MOST_WAITING = 256


class Arrivals:
    """Takes messages by number; ``next_number`` is the one that is missing, and all before it are here."""

    def __init__(self) -> None:
        self.next_number = 0
        self.n_samples = 0
        self._waiting: asyncio.Queue[Chunk | None] = asyncio.Queue(_MOST_WAITING)
        self._count: int | None = None
        self.ended = False

    async def take(self, number: int, pcm: bytes) -> None:
        """Take a message if it is the next; one that is here already, and one that is too early, is dropped.

        Returns when there is room for it, so that a page is not read faster than the session goes.
        """
        if number != self.next_number or self.ended:
            return
        await self._waiting.put(Chunk(pcm, self.n_samples))
        self.next_number += 1
        self.n_samples += len(pcm) // BYTES_PER_SAMPLE
        self._end_if_whole()

    def stop_after(self, count: int) -> None:
        """Say how many messages there are in all; the sound ends with the last of them."""
        self._count = count
        self._end_if_whole()

    def cut(self) -> None:
        """End the sound here, whatever was still to come."""
        if not self.ended:
            self.ended = True
            if self._waiting.full():
                self._waiting.get_nowait()  # the end must get in
            self._waiting.put_nowait(None)

    def _end_if_whole(self) -> None:
        if self._count is not None and self.next_number >= self._count:
            self.cut()

    async def chunks(self) -> AsyncIterator[Chunk]:
        """Yield the sound until its end."""
        while (chunk := await self._waiting.get()) is not None:
            yield chunk
