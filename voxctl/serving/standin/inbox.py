"""What has arrived of a request's body and nobody has taken."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Inbox:
    """What a client has sent of one stream's body and nobody has taken; flow control bounds it."""

    def __init__(self, acknowledge: Callable[[int], None]) -> None:
        self._acknowledge = acknowledge
        self._data = bytearray()
        self._n_arrived = 0
        self._n_taken = 0
        self._news = asyncio.Event()
        self.ended = False
        #: While set, nothing is acknowledged: the client can send what is left of its window and no further.
        self.withholding = False

    def put(self, data: bytes, n_flow_controlled: int) -> None:
        """Take a piece of the body in; its padding counts against the client's window too."""
        self._data += data
        self._n_arrived += n_flow_controlled
        self._news.set()

    def put_end(self) -> None:
        """Note that there is no more."""
        self.ended = True
        self._news.set()

    async def take(self) -> bytes:
        """Return what has arrived, at least a byte; nothing at the end.

        It is acknowledged by the next call, so that the client cannot send more than a window ahead of whoever takes.
        """
        self._acknowledge_taken()
        while not self._data and not self.ended:
            self._news.clear()
            await self._news.wait()
            if not self._data:  # nothing but padding
                self._note_taken()
                self._acknowledge_taken()
        taken = bytes(self._data)
        self._data.clear()
        self._note_taken()
        return taken

    def _note_taken(self) -> None:
        self._n_taken += self._n_arrived
        self._n_arrived = 0

    def _acknowledge_taken(self) -> None:
        if self._n_taken and not self.withholding:
            self._acknowledge(self._n_taken)
            self._n_taken = 0
