"""What the user asked for: one transcription from its first chunk to ``Done``, over however many connections."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Self

from voxctl.audio.pcm import Chunk
from voxctl.events import Done, Event, Gap, Opened
from voxctl.session.feed import Feed
from voxctl.session.opening import Opening
from voxctl.session.policy import Policy
from voxctl.session.relay import Relay
from voxctl.transport.base import Connector

#: Events that may wait for a slow consumer before no more audio is sent; none is ever dropped. What a server may still
#: say of the audio it has is far less than that.
_CONGESTED = 256
#: How much of a source that can wait is read before it is asked for, in seconds.
AHEAD_S = 1.0


class Session:
    """``async with`` it, iterate over it: the events of ``voxctl.events``, ending with ``Done`` or one error.

    Words that were given stay given, whatever is raised after them. Leaving the ``async with`` ends everything.
    """

    def __init__(
        self,
        connect: Connector,
        source: AsyncIterator[Chunk],
        *,
        model: str | None = None,
        policy: Policy | None = None,
        live: bool | None = None,
        ahead_s: float = AHEAD_S,
        clock: Callable[[], float] | None = None,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._connect = connect
        self._source = source
        self._model = model
        self._policy = policy or Policy()
        self._live: bool = getattr(source, "live", False) if live is None else live
        self._ahead_s = ahead_s
        self._clock = clock
        self._uniform = uniform
        self._events: deque[Event] = deque()
        self._gaps: list[Gap] | None = []
        self._asked: asyncio.Future[None] | None = None
        self._relay: Relay | None = None
        self._feed: Feed | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start; the first connection is being made when this returns."""
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(lambda task: self._wake())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cancel what still runs and wait until its connections are closed."""
        assert self._task
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def __aiter__(self) -> Self:
        """Return itself: a session is iterated once."""
        return self

    async def __anext__(self) -> Event:
        """Return the next event. Raises the session's error after the last of them."""
        assert self._task, "a session is used with `async with`"
        while not self._events:
            if self._task.done():
                self._task.result()
                raise StopAsyncIteration
            self._asked = asyncio.get_running_loop().create_future()
            await self._asked
        return self._events.popleft()

    def finish(self) -> bool:
        """End the utterance early: what the source has given is transcribed and the session ends with ``Done``.

        Returns ``False`` when no server is connected, so there is nothing to end.
        """
        if self._relay is None or self._feed is None or not self._relay.connected:
            return False
        self._feed.stop()
        asyncio.get_running_loop().call_later(self._policy.drain_s, self._relay.hurry)
        return True

    async def _run(self) -> None:
        policy, clock = self._policy, self._clock or asyncio.get_running_loop().time
        feed = self._feed = Feed(
            self._source, live=self._live, keep_s=policy.keep_s, ahead_s=self._ahead_s, tell=self._lost
        )
        opening = Opening(self._connect, self._model, policy, clock, self._congested, self._uniform)
        relay = self._relay = Relay(opening, feed, self._emit)
        reading = feed.start()
        try:
            await relay.run()
        finally:
            reading.cancel()
            await asyncio.wait({reading})
            await relay.aclose()
        if not reading.cancelled():
            reading.result()  # a bug of the source is not hidden
        if feed.error:
            raise feed.error
        ledger = relay.ledger
        self._emit(Done(ledger.usage, ledger.sent_s, ledger.confidence, complete=feed.whole))

    def _emit(self, event: Event) -> None:
        self._events.append(event)
        if self._gaps is not None and isinstance(event, Opened):
            self._events.extend(self._gaps)
            self._gaps = None
        self._wake()

    def _lost(self, gap: Gap) -> None:
        """Take that the source itself has lost sound; before a server is there, nobody is told anything else."""
        if self._gaps is None:
            self._emit(gap)
        else:
            self._gaps.append(gap)

    def _wake(self) -> None:
        if self._asked and not self._asked.done():
            self._asked.set_result(None)

    def _congested(self) -> bool:
        return len(self._events) >= _CONGESTED


def open_session(
    connect: Connector,
    source: AsyncIterator[Chunk],
    *,
    model: str | None = None,
    policy: Policy | None = None,
    live: bool | None = None,
    ahead_s: float = AHEAD_S,
) -> Session:
    """Return a session that transcribes ``source`` over connections made by ``connect``.

    ``model`` ``None`` takes the server's own, or Voxtral where the server does not name one. The source is read at
    the pace it gives chunks, at most ``delay + 2 s`` ahead of what the server has acknowledged; one that is ``live``
    (``None``: if it says so itself, as a microphone does) cannot wait and is always read, any other ``ahead_s`` beyond
    what is sent. When a connection fails, another hears again what is not in the transcript yet.
    """
    return Session(connect, source, model=model, policy=policy, live=live, ahead_s=ahead_s)
