"""A session may be asked to finish at any moment, by anybody, and more than once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from tests.fakes.lawful import LawfulServer
from tests.session.lanes import lane_on
from tests.session.test_session import QUICK, collect, never_ending, silence, text_of
from voxctl.audio.pcm import Chunk
from voxctl.errors import ConnectionLost
from voxctl.events import Done, Event
from voxctl.session.lane import Lane
from voxctl.session.session import Session, open_session
from voxctl.transport.base import Transport


class SlowWire:
    """A transport that waits before and after each frame; ``on_frame`` is told its number while it waits."""

    def __init__(self, inner: Transport, on_frame: Callable[[int], object] = lambda n: None) -> None:
        self._inner = inner
        self._on_frame = on_frame
        self._n_sent = 0
        self.receive, self.send_eof, self.aclose = inner.receive, inner.send_eof, inner.aclose

    async def send(self, text: str) -> None:
        await asyncio.sleep(0.002)
        await self._inner.send(text)
        self._n_sent += 1
        self._on_frame(self._n_sent)
        await asyncio.sleep(0.002)


@pytest.mark.parametrize("waits", [False, True], ids=["and gives another chunk", "and waits for ever"])
async def test_a_source_may_itself_end_its_session(waits: bool) -> None:
    session: Session

    async def source() -> AsyncIterator[Chunk]:
        async for chunk in silence(32_000):
            if chunk.start_sample == 16_640:
                assert session.finish()
                if waits:
                    await asyncio.Event().wait()
            yield chunk

    server = LawfulServer()
    async with server.listening() as connect:

        async def slowly() -> Transport:
            return SlowWire(await connect())

        session = open_session(slowly, source(), model="voxtral", policy=QUICK)
        async with asyncio.timeout(5), session:
            events = await collect(session)
    n_samples = 16_640 if waits else 17_920  # the chunk in hand counts
    assert events[-1] == replace(done(events), audio_s=n_samples / 16_000, complete=False)
    assert server.finished and server.n_received == n_samples


async def test_asking_twice_in_one_breath_is_asking_once() -> None:
    server = LawfulServer()
    async with (
        asyncio.timeout(5),
        server.listening() as connect,
        open_session(connect, never_ending(), model="voxtral", policy=QUICK) as session,
    ):
        events = []
        async for event in session:
            events.append(event)
            if len(events) == 4:
                assert session.finish() and session.finish()
    assert not done(events).complete and server.finished
    assert text_of(events) == "".join(server.speak(i) for i in range(server.n_deltas))


async def test_asking_while_the_window_is_full_sends_no_more_of_the_source() -> None:
    server = LawfulServer(tick_pause_s=0.01)
    async with (
        asyncio.timeout(10),
        server.listening() as connect,
        open_session(connect, silence(1_600_000), model="voxtral", policy=QUICK) as session,
    ):
        events = []
        async for event in session:
            events.append(event)
            if len(events) == 4:
                session.finish()
    assert not done(events).complete and server.n_received < 80_000


async def test_asking_while_a_chunk_is_being_sent_takes_no_other() -> None:
    session: Session
    server = LawfulServer()
    async with server.listening() as connect:

        async def slowly() -> Transport:
            # model, chunk, commit, and the other 12 chunks: then the source waits for ever
            return SlowWire(await connect(), lambda n: n == 15 and session.finish())

        session = open_session(slowly, never_ending(), model="voxtral", policy=QUICK)
        async with asyncio.timeout(5), session:
            events = await collect(session)
    assert done(events).audio_s == 1.0 and server.finished


async def test_leaving_in_the_same_breath_as_asking_still_leaves() -> None:
    async with asyncio.timeout(5), LawfulServer().listening() as connect:
        async with open_session(connect, never_ending(), model="voxtral", policy=QUICK) as session:
            async for _ in session:
                assert session.finish()
                break
        coroutines = [task.get_coro() for task in asyncio.all_tasks()]
    assert not [c for c in coroutines if c is not None and "Lane." in getattr(c, "__qualname__", "")]


class DyingAsAsked:
    """A transport that is lost at about the moment at which the stream is stopped, and takes no frame after that."""

    def __init__(self, turns: int) -> None:
        self.lane: Lane | None = None
        self._turns = turns
        self._greeted = False
        self._lost = False

    async def send(self, text: str) -> None:
        if self._lost:
            await asyncio.Event().wait()

    async def receive(self) -> str:
        if not self._greeted:
            self._greeted = True
            return json.dumps({"type": "session.created"})
        await asyncio.sleep(0.02)  # the sender waits for its source
        self._lost = True
        self._stop_in(self._turns)
        raise ConnectionLost("gone", code=1012)

    def _stop_in(self, turns: int) -> None:
        assert self.lane
        if turns:
            asyncio.get_running_loop().call_soon(self._stop_in, turns - 1)
        else:
            self.lane.retire()

    async def send_eof(self) -> None: ...

    async def aclose(self) -> None: ...


@pytest.mark.parametrize("turns", range(5))
async def test_a_stop_and_a_failure_in_one_moment_end_with_the_failure(turns: int) -> None:
    transport = DyingAsAsked(turns)
    async with lane_on(transport, never_ending(), QUICK) as (lane, _):
        transport.lane = lane
        with pytest.raises(ConnectionLost):
            await asyncio.wait_for(lane.run(lambda event: None), 5)


async def test_a_source_that_pauses_longer_than_a_send_may_take_is_no_stall() -> None:
    async def pausing() -> AsyncIterator[Chunk]:
        async for chunk in silence(32_000):
            if chunk.start_sample == 1_280:
                await asyncio.sleep(3 * QUICK.send_s)
            yield chunk

    async with (
        LawfulServer().listening() as connect,
        open_session(connect, pausing(), model="voxtral", policy=QUICK) as session,
    ):
        assert done(await collect(session)).complete


def done(events: list[Event]) -> Done:
    last = events[-1]
    assert isinstance(last, Done)
    return last
