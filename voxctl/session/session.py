"""What the user asked for: one transcription from its first chunk to ``Done``, over however many connections."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Self

from voxctl.audio.pcm import Chunk
from voxctl.errors import ConnectFailed, ContextFull, StreamError
from voxctl.events import Done, Event, Reconnecting, StreamEnded
from voxctl.realtime.machine import Machine
from voxctl.session.policy import Policy, Retry, backoff, verdict
from voxctl.session.stream import Stream
from voxctl.transport.base import Connector

#: Events that may wait for a slow consumer before no more audio is sent; none is ever dropped.
_CONGESTED = 256
#: And before no more frames are received: what a server may still say of the audio in the window is far less.
_EVENT_BOUND = 8 * _CONGESTED


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
        clock: Callable[[], float] = time.monotonic,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._connect = connect
        self._source = source
        self._model = model
        self._policy = policy or Policy()
        self._clock = clock
        self._uniform = uniform
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue(_EVENT_BOUND)
        self._stream: Stream | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start; the first connection is being made when this returns."""
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(self._wake)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cancel what still runs and wait until its connection is closed."""
        assert self._task
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def __aiter__(self) -> Self:
        """Return itself: a session is iterated once."""
        return self

    async def __anext__(self) -> Event:
        """Return the next event. Raises the session's error after the last of them."""
        assert self._task, "a session is used with `async with`"
        while True:
            if self._queue.empty() and self._task.done():
                self._task.result()
                raise StopAsyncIteration
            event = await self._queue.get()
            if event is not None:
                return event

    def finish(self) -> bool:
        """End the utterance early: what was sent is transcribed and the session ends with ``Done``.

        Returns ``False`` when no server has accepted the session yet, so there is nothing to end.
        """
        if self._stream is None:
            return False
        self._stream.stop()
        return True

    def _wake(self, task: asyncio.Task[None]) -> None:
        with contextlib.suppress(asyncio.QueueFull):  # full: the consumer is awake
            self._queue.put_nowait(None)

    async def _run(self) -> None:
        self._stream = stream = await self._open_stream()
        try:
            ended = await stream.transcribe(self._source, self._queue.put)
        finally:
            await stream.aclose()
        await self._queue.put(StreamEnded(ended.usage, ended.confidence))
        if not ended.complete:
            raise _context_full(stream.machine)
        if stream.source_error:
            raise stream.source_error
        sent_s = stream.machine.sent_s
        await self._queue.put(Done(ended.usage, sent_s, ended.confidence, complete=stream.source_ended))

    async def _open_stream(self) -> Stream:
        """Return a stream whose server has accepted it; try again where that can help. One deadline is for it all."""
        deadline_s = self._clock() + self._policy.retry_for_s
        last: StreamError = ConnectFailed(
            f"no server answered within {self._policy.retry_for_s:g} s",
            hint="is the server up, and do firewalls let you through?",
            timed_out=True,
        )
        for attempt, delay_s in enumerate(backoff(self._uniform), start=2):
            try:
                async with asyncio.timeout(deadline_s - self._clock()):
                    return await self._open_once()
            except TimeoutError:
                raise last from None
            except StreamError as exc:
                last = exc
                if self._clock() + delay_s > deadline_s or not isinstance(verdict(exc), Retry):
                    raise
                await self._queue.put(Reconnecting(attempt, delay_s, exc.message))
            await asyncio.sleep(delay_s)
        raise AssertionError("the pauses never end")

    def _congested(self) -> bool:
        return self._queue.qsize() >= _CONGESTED

    async def _open_once(self) -> Stream:
        transport = await self._connect()
        stream = Stream(transport, Machine(self._model), self._policy, self._clock, self._congested)
        try:
            await self._queue.put(await stream.ready())
        except BaseException:
            await stream.aclose()
            raise
        return stream


def open_session(
    connect: Connector,
    source: AsyncIterator[Chunk],
    *,
    model: str | None = None,
    policy: Policy | None = None,
) -> Session:
    """Return a session that transcribes ``source`` over connections made by ``connect``.

    ``model`` ``None`` takes the server's own, or Voxtral where the server does not name one. The source is read at
    the pace it gives chunks, at most ``delay + 2 s`` ahead of what the server has acknowledged.
    """
    return Session(connect, source, model=model, policy=policy)


def _context_full(machine: Machine) -> ContextFull:
    return ContextFull(
        f"the model's context ended after {machine.acked_s:.1f} s of audio, before the audio did",
        n_deltas=machine.n_deltas,
        hint="what was transcribed so far is kept; serve the model with a larger --max-model-len.",
    )
