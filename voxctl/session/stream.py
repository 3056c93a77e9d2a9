"""One connection at work: three tasks that send, receive and watch, and end together."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from voxctl.audio.pcm import Chunk
from voxctl.errors import ConnectionLost, Stalled, StreamError, VoxError
from voxctl.events import Event, Opened, Progress
from voxctl.realtime.machine import Acknowledged, Ended, Machine, MachineEvent, Phase
from voxctl.realtime.messages import Unknown
from voxctl.session.policy import Policy, SilenceTimer
from voxctl.transport.base import Transport

_CONGESTED_POLL_S = 0.05

Emit = Callable[[Event], Awaitable[None]]

_log = logging.getLogger(__name__)


class Stream:
    """A transport and a machine joined. Every wait has a deadline of ``policy``; ``clock`` is in seconds.

    ``source_error`` holds what ended the source early; the audio before it is transcribed all the same. While
    ``congested`` says that too many events wait for their reader, no audio is sent; frames are still received, as an
    unread connection would be taken for a dead one.
    """

    def __init__(
        self,
        transport: Transport,
        machine: Machine,
        policy: Policy,
        clock: Callable[[], float] = time.monotonic,
        congested: Callable[[], bool] = lambda: False,
    ) -> None:
        self.machine = machine
        self.source_error: VoxError | None = None
        self.source_ended = False
        self._congested = congested
        self._transport = transport
        self._policy = policy
        self._clock = clock
        self._moved = asyncio.Event()
        self._stopped = False
        self._taking: asyncio.Task[None] | None = None
        self._sending_since_s = math.inf
        self._delivering = False
        self._window_s = 0.0
        self._owed_s = 0.0
        self._ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()

    async def ready(self) -> Opened:
        """Wait for the server's first message and name the model. Raises ``Stalled`` and what a server may say."""
        try:
            async with asyncio.timeout(self._policy.ready_s):
                while True:
                    for event in self.machine.receive(await self._transport.receive()):
                        if isinstance(event, Opened):
                            self._window_s = self.machine.facts.window_s
                            self._owed_s = self.machine.facts.owed_s
                            return event
        except TimeoutError as exc:
            raise Stalled(
                f"the server accepted the connection and said nothing for {self._policy.ready_s:g} s",
                hint="is this a vLLM Realtime server? Check the path in --url.",
            ) from exc

    async def transcribe(self, source: AsyncIterator[Chunk], emit: Emit) -> Ended:
        """Send all of ``source`` and hand every event to ``emit``; return when the server says it is done.

        Raises one error, never a group: a ``StreamError`` of ours, or a bug's own exception.
        """
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._send_all(source)),
                    group.create_task(self._receive_all(emit)),
                    group.create_task(self._watch()),
                ]
                ended = await self._ended
                for task in tasks:
                    task.cancel()
        except BaseExceptionGroup as failures:
            raise _first(failures) from failures
        return ended

    def stop(self) -> None:
        """End the utterance now: no more of the source is sent, what was sent is transcribed."""
        self._stopped = True
        self._moved.set()
        # From the loop, where the sender is surely at rest: this may be called from within the source itself.
        asyncio.get_running_loop().call_soon(self._stop_taking)

    async def aclose(self) -> None:
        """Close the connection within the transport's deadline."""
        await self._transport.aclose()

    async def _send_all(self, source: AsyncIterator[Chunk]) -> None:
        started_s = self._clock()
        try:
            while (chunk := await self._next(source)) is not None:
                await self._room_for(chunk, started_s)
                # The server may have ended the utterance while we waited.
                if self._stopped or self.machine.phase is not Phase.SENDING:
                    break
                self.machine.feed(chunk.pcm)
                await self._flush()
            self.source_ended = not self._stopped
        except StreamError:
            raise
        except VoxError as exc:
            self.source_error = exc
        ended = self.machine.finish() if self.machine.phase is Phase.SENDING else []
        await self._flush()
        for event in ended:
            self._end(event)

    async def _next(self, source: AsyncIterator[Chunk]) -> Chunk | None:
        """Return the next chunk, or ``None`` at the end or when stopped, even if the source never gives another."""
        if self._stopped:
            return None
        task = self._taking = asyncio.current_task()
        assert task
        try:
            return await anext(source, None)
        except asyncio.CancelledError:
            if self._taking or task.uncancel():  # not from `_stop_taking`, or not from there alone
                raise
            return None
        finally:
            self._taking = None

    def _stop_taking(self) -> None:
        if self._taking:
            self._taking.cancel()
            self._taking = None

    async def _room_for(self, chunk: Chunk, started_s: float) -> None:
        """Wait until ``chunk`` fits the window: a server queues without bound and tells nobody."""
        if not self.machine.facts.has_clock:  # nothing acknowledges: keep to the pace of speech
            while (early_s := started_s + chunk.end_s - self._clock()) > 0 and not self._stopped:
                await self._pause(early_s)
            return
        while self._congested() and not self._stopped:
            await self._pause(_CONGESTED_POLL_S)
        length_s = chunk.end_s - chunk.start_s
        while self.machine.unacked_s + length_s > self._window_s and not self._stopped:
            moved = await self._pause(self._policy.widen_after_s)
            if not moved and not self.machine.n_deltas:
                # A server may be configured with a longer delay than the model's usual one, and cannot say so.
                self._window_s = max(self._window_s, self.machine.facts.widest_window_s)
                self._owed_s = max(self._owed_s, self.machine.facts.max_delay_s + 1.0)

    async def _pause(self, at_most_s: float) -> bool:
        """Wait for a delta or a stop; return whether one came."""
        self._moved.clear()
        if self._stopped:
            return True
        try:
            async with asyncio.timeout(at_most_s):
                await self._moved.wait()
        except TimeoutError:
            return False
        return True

    async def _flush(self) -> None:
        for frame in self.machine.to_send():
            try:
                await self._send(frame)
            except ConnectionLost:
                # The reader meets the same end, after the server's last words, which say why.
                await asyncio.Event().wait()

    async def _send(self, frame: str) -> None:
        self._sending_since_s = self._clock()  # `_watch` keeps the deadline
        try:
            await self._transport.send(frame)
        finally:
            self._sending_since_s = math.inf

    async def _receive_all(self, emit: Emit) -> None:
        while not self._ended.done():
            for event in self.machine.receive(await self._transport.receive()):
                match event:
                    case Ended(fragment=rest):
                        if rest:
                            await self._deliver(emit, rest)
                        self._end(event)
                    case Unknown(kind):
                        _log.info("the server sent a message of an unknown kind: %r", kind)
                    case Acknowledged():
                        self._moved.set()
                        await self._deliver(emit, Progress(self.machine.acked_s, self.machine.sent_s))
                    case _:
                        await self._deliver(emit, event)

    def _end(self, event: MachineEvent) -> None:
        if isinstance(event, Ended) and not self._ended.done():
            self._ended.set_result(event)

    async def _deliver(self, emit: Emit, event: Event) -> None:
        self._delivering = True
        try:
            await emit(event)
        finally:
            self._delivering = False

    async def _watch(self) -> None:
        machine, policy = self.machine, self._policy
        timer = SilenceTimer(self._clock())
        while True:
            await asyncio.sleep(min(0.25, policy.stall_s / 10, policy.send_s / 10))
            if self._clock() - self._sending_since_s >= policy.send_s:
                raise Stalled(
                    f"the server took no audio for {policy.send_s:g} s",
                    hint="the server or the network is overloaded; look at the server's log.",
                )
            owing = machine.phase is Phase.FINISHING or machine.unacked_s >= self._owed_s
            # While the consumer of our events is slow, the server's silence is ours.
            owed_s = timer.update(self._clock(), machine.n_deltas, owing and not self._delivering)
            limit_s = max(policy.stall_s, 3 * machine.facts.segment_s)
            if not machine.n_deltas:
                limit_s = max(limit_s, policy.first_delta_s)
            if owed_s >= limit_s:
                raise _stalled(machine, owed_s)


def _stalled(machine: Machine, owed_s: float) -> Stalled:
    if machine.n_deltas:
        return Stalled(
            f"the server went silent at {machine.acked_s:.1f} s of audio ({owed_s:.0f} s without an answer)",
            hint="look at the server's log; what was transcribed so far is kept.",
        )
    guess = f"; {machine.model!r} was taken for a Voxtral model" if machine.facts.guessed else ""
    return Stalled(
        f"the server took audio for {owed_s:.0f} s and gave nothing back: it is full or stuck",
        hint=f"wait for a free stream, or raise the server's --max-num-seqs{guess}.",
    )


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the one error a group was made for; a group of several is told by its first."""
    first = failures.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
