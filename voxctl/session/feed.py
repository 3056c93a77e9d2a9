"""The sound of a session: taken from its source once, kept for as long as it may have to be sent again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from voxctl.audio.pcm import Chunk
from voxctl.errors import VoxError
from voxctl.events import Gap
from voxctl.session.replay import SAMPLE_RATE_HZ, Replay

#: 10 ms: shorter frames cost more than they are worth. And none is so long that it never fits a window.
_LEAST_CHUNK = SAMPLE_RATE_HZ // 100


class Feed:
    """What connections read from, each at a position of its own. Positions are samples from the start.

    A source that can wait is read ``ahead_s`` beyond what was asked for, and never more than ``keep_s`` beyond what was
    heard; one that cannot (``live``) is always read, and what is older than that is forgotten. ``error`` holds what
    ended the source early; the sound before it is good. ``tell`` gets a ``Gap`` for every chunk that is ``missing``.
    """

    def __init__(
        self,
        source: AsyncIterator[Chunk],
        *,
        live: bool,
        keep_s: float,
        ahead_s: float,
        tell: Callable[[Gap], None] = lambda gap: None,
    ) -> None:
        self.ended = False
        self.error: VoxError | None = None
        #: Whether the source came to its own end; it did not when it was stopped or broke off.
        self.whole = False
        self.chunk_samples = SAMPLE_RATE_HZ // 12
        self._source = source
        self._live = live
        self._keep = round(keep_s * SAMPLE_RATE_HZ)
        self._ahead = round(ahead_s * SAMPLE_RATE_HZ)
        self._tell = tell
        self._replay = Replay()
        self._asked = 0
        self._heard = 0
        self._readers: list[tuple[asyncio.Future[None], Callable[[], int | None]]] = []
        self._demand: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def first(self) -> int:
        """The oldest position that is still there."""
        return self._replay.first

    @property
    def end(self) -> int:
        """The position after the last sample that the source has given."""
        return self._replay.end

    def start(self) -> asyncio.Task[None]:
        """Begin to read the source; the task ends with it."""
        self._task = asyncio.create_task(self._run())
        return self._task

    def stop(self) -> None:
        """Take no more from the source, even if it would never give another chunk: what was taken is all there is."""
        if self._task and not self.ended:
            # From the loop, where the reader is surely at rest: this may be called from within the source itself.
            asyncio.get_running_loop().call_soon(self._task.cancel)

    def read(self, at: int) -> bytes:
        """Return up to a chunk of sound from ``at`` on. Raises ``IndexError`` for what was forgotten."""
        return self._replay.read(at, self.chunk_samples)

    def stretch(self, start: int, end: int) -> bytes:
        """Return the sound between two positions, as much of it as is still there."""
        start = max(start, self.first)
        return self._replay.read(start, max(0, end - start)) if start <= self.end else b""

    def heard(self, end: int, *, needed: int) -> None:
        """Say that all before ``end`` is in the transcript, and nothing before ``needed`` will be asked for again."""
        self._heard = max(self._heard, end)
        self._replay.forget(needed)
        self._wake_source()

    async def beyond(self, at: int, at_once: Callable[[], int | None] = lambda: None) -> None:
        """Wait until there is sound at ``at``, the source has ended, or ``nudge`` is called.

        ``at_once`` may take what comes in place of whoever waits, who then waits on: it returns up to where it did, or
        ``None``.
        """
        self._ask(at)
        if self.end > at or self.ended:
            return
        reader = asyncio.get_running_loop().create_future()
        self._readers.append((reader, at_once))
        await reader

    def nudge(self) -> None:
        """Wake everybody who waits in ``beyond``."""
        readers, self._readers = self._readers, []
        for reader, at_once in readers:
            if reader.done():
                continue
            if self.ended or (taken := at_once()) is None:
                reader.set_result(None)
            else:
                self._readers.append((reader, at_once))
                self._ask(taken)

    def _ask(self, at: int) -> None:
        self._asked = max(self._asked, at)
        self._wake_source()

    async def _run(self) -> None:
        try:
            async for chunk in self._source:
                self._measure(chunk)
                self._replay.append(chunk.pcm)
                self.nudge()
                if self._live:
                    self._replay.forget(self.end - self._keep)
                else:
                    await self._wanted()
            self.whole = True
        except VoxError as exc:
            self.error = exc
        finally:
            self.ended = True
            self.nudge()

    def _measure(self, chunk: Chunk) -> None:
        if chunk.missing is not None:
            start_s = self.end / SAMPLE_RATE_HZ
            self._tell(Gap(start_s, start_s + chunk.n_samples / SAMPLE_RATE_HZ, chunk.missing))
        elif not self.end or chunk.n_samples > self.chunk_samples:  # a resampler gives now more, now less
            self.chunk_samples = min(max(chunk.n_samples, _LEAST_CHUNK), SAMPLE_RATE_HZ)

    async def _wanted(self) -> None:
        while self.end - self._asked > self._ahead or self.end - self._heard >= self._keep:
            self._demand = asyncio.get_running_loop().create_future()
            await self._demand

    def _wake_source(self) -> None:
        if self._demand and not self._demand.done():
            self._demand.set_result(None)
