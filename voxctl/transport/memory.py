"""A transport without a wire: two ends in one process, with the same promises as the real ones."""

from __future__ import annotations

import asyncio
from collections import deque

from voxctl.errors import ConnectionLost

#: Frames that may wait in each direction before ``send`` waits.
_BOUND = 64


class _Pipe:
    """One direction. ``closed`` holds the close code once it is over; ``(None,)`` is a break without a goodbye."""

    def __init__(self) -> None:
        self.frames: deque[str] = deque()
        self.closed: tuple[int | None] | None = None
        self.changed = asyncio.Condition()

    async def put(self, frame: str) -> None:
        async with self.changed:
            await self.changed.wait_for(lambda: self.closed or len(self.frames) < _BOUND)
            if self.closed:
                raise _lost(*self.closed)
            self.frames.append(frame)
            self.changed.notify_all()

    async def get(self) -> str:
        async with self.changed:
            await self.changed.wait_for(lambda: self.closed or self.frames)
            if not self.frames:
                assert self.closed
                raise _lost(*self.closed)
            frame = self.frames.popleft()
            self.changed.notify_all()
            return frame

    async def close(self, code: int | None) -> None:
        async with self.changed:
            self.closed = self.closed or (code,)
            self.changed.notify_all()


class MemoryTransport:
    """One end of a pair. ``close(code)`` says goodbye with a reason; ``abort`` breaks as a cut cable would."""

    def __init__(self, inbox: _Pipe, outbox: _Pipe) -> None:
        self._inbox = inbox
        self._outbox = outbox

    async def send(self, text: str) -> None:
        """Send one frame; waits while the other end has too many unread."""
        await self._outbox.put(text)

    async def receive(self) -> str:
        """Return the next frame, or raise ``ConnectionLost`` once all that came before the end is read."""
        return await self._inbox.get()

    async def send_eof(self) -> None:
        """Do nothing: the pair has no half-close."""

    async def aclose(self) -> None:
        """Say goodbye normally."""
        await self.close(1000)

    async def close(self, code: int | None) -> None:
        """End both directions with ``code``."""
        await self._outbox.close(code)
        await self._inbox.close(code)

    async def abort(self) -> None:
        """Break the connection without a goodbye."""
        await self.close(None)


def memory_pair() -> tuple[MemoryTransport, MemoryTransport]:
    """Return the two ends of a new connection."""
    there, back = _Pipe(), _Pipe()
    return MemoryTransport(back, there), MemoryTransport(there, back)


def _lost(code: int | None) -> ConnectionLost:
    how = "without a goodbye" if code is None else f"with code {code}"
    return ConnectionLost(f"the connection ended {how}", code=code, hint="look at the server's log.")
