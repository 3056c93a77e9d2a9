"""One transcription from its first chunk to Done, and every way it can end."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.lawful import LawfulServer
from tests.session.lanes import lane_on
from voxctl.audio.pcm import Chunk
from voxctl.errors import (
    AudioError,
    ConnectFailed,
    ConnectionLost,
    ContextFull,
    HandshakeRefused,
    ModelNotFound,
    ProcessingError,
    ServerFull,
    Stalled,
    StreamError,
)
from voxctl.events import Done, Event, Notice, Opened, Progress, Reconnecting, StreamEnded, Tail, Usage, Words
from voxctl.session.policy import Policy
from voxctl.session.session import Session, open_session
from voxctl.transport.base import Transport
from voxctl.transport.memory import MemoryTransport, memory_pair
from voxctl.transport.websocket import WebSocketTarget, open_websocket

QUICK = Policy(
    ready_s=0.3,
    send_s=0.5,
    first_delta_s=0.6,
    stall_s=0.3,
    retry_for_s=0.6,
    full_for_s=0.6,
    widen_after_s=0.2,
    resume=False,
)


async def silence(n_samples: int, chunk_samples: int = 1280) -> AsyncIterator[Chunk]:
    for start in range(0, n_samples, chunk_samples):
        yield Chunk(b"\0\0" * min(chunk_samples, n_samples - start), start)


async def never_ending() -> AsyncIterator[Chunk]:
    async for chunk in silence(16_000):
        yield chunk
    await asyncio.Event().wait()


async def collect(session: Session) -> list[Event]:
    return [event async for event in session]


async def run(server: LawfulServer, source: AsyncIterator[Chunk], policy: Policy = QUICK) -> list[Event]:
    async with server.listening() as connect, open_session(connect, source, model="voxtral", policy=policy) as session:
        return await collect(session)


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Words))


async def failing(
    server: LawfulServer, source: AsyncIterator[Chunk], policy: Policy = QUICK
) -> tuple[list[Event], BaseException]:
    """Return what came before the session failed, and how it failed."""
    events: list[Event] = []
    async with server.listening() as connect, open_session(connect, source, model="voxtral", policy=policy) as session:
        try:
            async for event in session:
                events.append(event)  # noqa: PERF401 - what came before the error is the point
        except StreamError as exc:
            return events, exc
        except AudioError as exc:
            return events, exc
    raise AssertionError("the session did not fail")


async def test_a_session_opens_gives_words_and_is_done() -> None:
    server = LawfulServer()
    events = await run(server, silence(48_000))
    n_deltas = (48_000 - 40) // 1280 + 11
    assert events[0] == Opened("voxtral")
    assert events[-1] == Done(Usage(39, n_deltas), 3.0)
    assert text_of(events) == "".join(server.speak(i) for i in range(n_deltas))
    assert server.models == ["voxtral"] and server.finished


async def test_words_come_while_the_source_still_gives_sound() -> None:
    async with (
        LawfulServer().listening() as connect,
        open_session(connect, never_ending(), model="voxtral", policy=QUICK) as session,
    ):
        async for event in session:
            if isinstance(event, Words):
                return
    raise AssertionError("no word came before the end of the source")


async def test_progress_reaches_the_end_of_the_audio() -> None:
    progress = [e for e in await run(LawfulServer(), silence(32_000)) if isinstance(e, Progress)]
    assert [p.acked_s for p in progress] == sorted(p.acked_s for p in progress)
    assert progress[-1] == Progress(2.0, 2.0, 2.0)


@given(n_samples=st.integers(1, 60_000), chunk_samples=st.integers(160, 16_000))
@settings(max_examples=25, deadline=None)
def test_any_length_in_any_chunks_is_done(n_samples: int, chunk_samples: int) -> None:
    server = LawfulServer()
    events = asyncio.run(run(server, silence(n_samples, chunk_samples)))
    assert isinstance(events[-1], Done) and server.n_received == n_samples
    times = [t for e in events if isinstance(e, Words) for w in e.words for t in (w.start_s, w.end_s)]
    assert times == sorted(times) and all(0 <= t <= n_samples / 16_000 for t in times)


async def test_a_fast_source_stays_within_the_window_of_the_model() -> None:
    server = LawfulServer(tick_pause_s=0.0005)
    await run(server, silence(320_000))
    assert server.most_ahead <= (0.48 + 2.0) * 16_000


async def test_a_server_with_the_longest_delay_is_waited_for_and_served() -> None:
    server = LawfulServer(delay_samples=38_400)  # 2.4 s: its first delta needs more than the usual window holds
    events = await run(server, silence(160_000), replace(QUICK, first_delta_s=5.0))
    assert isinstance(events[-1], Done) and server.n_received == 160_000


async def test_a_source_without_sound_ends_at_once_and_sends_nothing() -> None:
    server = LawfulServer()
    events = await run(server, silence(0))
    assert events == [Opened("voxtral"), StreamEnded(Usage()), Done(Usage(), 0.0)] and server.n_received == 0


async def test_finishing_early_keeps_what_was_sent() -> None:
    server = LawfulServer()
    events: list[Event] = []
    async with (
        server.listening() as connect,
        open_session(connect, never_ending(), model="voxtral", policy=QUICK) as session,
    ):
        assert session.finish() is False  # nobody has accepted it yet
        async for event in session:
            events.append(event)
            if isinstance(event, Words):
                assert session.finish() is True
    assert isinstance(events[-1], Done) and events[-1].audio_s > 0
    assert text_of(events) == "".join(server.speak(i) for i in range(server.n_deltas))


async def test_leaving_early_ends_everything_quickly() -> None:
    started = time.monotonic()
    async with LawfulServer().listening() as connect:
        async with open_session(connect, never_ending(), model="voxtral", policy=QUICK) as session:
            async for _ in session:
                break
        names = [task.get_coro() for task in asyncio.all_tasks()]
    assert time.monotonic() - started < 1
    assert not [coro for coro in names if coro is not None and "Stream." in getattr(coro, "__qualname__", "")]


async def test_a_source_that_fails_keeps_the_words_before_it_then_says_why() -> None:
    async def failing_source() -> AsyncIterator[Chunk]:
        async for chunk in silence(32_000):
            yield chunk
        raise AudioError("the file is damaged", hint="x")

    server = LawfulServer()
    events, error = await failing(server, failing_source())
    assert isinstance(error, AudioError)
    assert text_of(events) == "".join(server.speak(i) for i in range((32_000 - 40) // 1280 + 11))


async def test_a_bug_in_a_source_is_not_hidden() -> None:
    async def buggy() -> AsyncIterator[Chunk]:
        yield Chunk(b"\0\0", 0)
        raise ZeroDivisionError

    async with LawfulServer().listening() as connect:
        with pytest.raises(ZeroDivisionError):
            async with open_session(connect, buggy(), model="voxtral", policy=QUICK) as session:
                await collect(session)


@pytest.mark.parametrize(
    ("server", "kind", "words"),
    [
        (LawfulServer(silent_after=20), Stalled, "went silent"),
        (LawfulServer(silent_after=0), Stalled, "full or stuck"),
        (LawfulServer(ends_after=20), ContextFull, "context ended after 1.6 s"),
        (LawfulServer(breaks_after=20), ConnectionLost, "1012"),
        (LawfulServer(mute=True), Stalled, "said nothing"),
        (
            LawfulServer(breaks_after=20, says_at_break='{"type":"error","error":"dying","code":"processing_error"}'),
            ProcessingError,
            "dying",
        ),
        (
            LawfulServer(breaks_after=0, says_at_break='{"type":"error","error":"no","code":"model_not_found"}'),
            ModelNotFound,
            "'voxtral'",
        ),
    ],
    ids=["silent", "never a delta", "context", "broken", "mute", "dying", "wrong model"],
)
async def test_every_failure_of_a_server_is_one_error_in_bounded_time(
    server: LawfulServer, kind: type[StreamError], words: str
) -> None:
    started = time.monotonic()
    events, error = await failing(server, silence(160_000))
    assert type(error) is kind and words in str(error)
    assert error.hint
    assert time.monotonic() - started < 3
    spoken = "".join(server.speak(i) for i in range(server.n_deltas))
    assert spoken.startswith(text_of(events))
    assert len(spoken.split()) - len(text_of(events).split()) <= 1  # at most the word in the making is not ours


async def test_the_last_words_of_a_server_are_heard_though_sending_failed_before() -> None:
    dying = '{"type":"error","error":"dying","code":"processing_error"}'

    async with (
        LawfulServer(breaks_after=1, says_at_break=dying).listening() as connect,
        lane_on(await connect(), silence(64_000), QUICK) as (lane, _),
    ):
        with pytest.raises(ProcessingError):
            await lane.run(lambda event: None)


@pytest.mark.parametrize(
    "server",
    [LawfulServer(), LawfulServer(mute=True), LawfulServer(silent_after=3), LawfulServer(refusals=10**6, full=True)],
    ids=["done", "never ready", "stalled", "full"],
)
async def test_every_connection_that_was_opened_is_closed(server: LawfulServer) -> None:
    opened: list[MemoryTransport] = []
    async with server.listening() as connect:

        async def counted() -> Transport:
            transport = await connect()
            assert isinstance(transport, MemoryTransport)
            opened.append(transport)
            return transport

        with contextlib.suppress(StreamError):
            async with open_session(counted, silence(64_000), model="voxtral", policy=QUICK) as session:
                await collect(session)
        assert opened
        for transport in opened:
            with pytest.raises(ConnectionLost):
                await asyncio.wait_for(transport.send("x"), 1)


class AtOnce:
    """A transport whose last two frames come together, once ``n_sent`` frames were sent to it and all is still."""

    def __init__(self, frames: list[str], n_sent: int) -> None:
        self._frames = frames
        self._n_awaited = n_sent
        self._asked = asyncio.Event()

    async def send(self, text: str) -> None:
        self._n_awaited -= 1
        if not self._n_awaited:
            self._asked.set()

    async def receive(self) -> str:
        if len(self._frames) == 2:
            await self._asked.wait()
            await asyncio.sleep(0.05)
        return self._frames.pop(0)

    async def send_eof(self) -> None: ...

    async def aclose(self) -> None: ...


async def test_a_context_that_ends_right_after_a_delta_is_no_bug_of_ours() -> None:
    frames = ['{"type":"session.created"}', '{"type":"transcription.delta","delta":""}']
    frames += ['{"type":"transcription.done","text":""}']
    # 31 chunks fill the window of 2.48 s: the next one waits for the very delta that comes before the end.
    async with lane_on(AtOnce(frames, n_sent=2 + 31), silence(160_000), QUICK) as (lane, _):
        assert not (await lane.run(lambda event: None)).complete


async def test_a_model_without_a_clock_is_sent_audio_at_the_pace_of_speech() -> None:
    server = LawfulServer(speak=lambda i: f" w{i}", tick_pause_s=0.01)  # answers while the sender waits
    started_s = time.monotonic()
    async with server.listening() as connect, open_session(connect, silence(16_000), model="qwen3-asr") as session:
        events = [event async for event in session]
    assert isinstance(events[-1], Done) and time.monotonic() - started_s > 0.95
    words = [word for event in events if isinstance(event, Words) for word in event.words]
    assert words and all(word.estimated and word.end_s <= 1.0 for word in words)


async def test_the_end_of_a_context_commits_the_word_in_the_making() -> None:
    server = LawfulServer(ends_after=19)
    events, _ = await failing(server, silence(160_000))
    assert text_of(events).split() == "".join(server.speak(i) for i in range(19)).split()


def refusal_of(kind: str) -> Callable[[], Exception]:
    return {
        "timeout": lambda: ConnectFailed("no answer", timed_out=True),
        "503": lambda: HandshakeRefused("503", status=503),
        "refused": lambda: ConnectFailed("nobody"),
        "401": lambda: HandshakeRefused("401", status=401),
    }[kind]


@pytest.mark.parametrize("kind", ["timeout", "503"])
async def test_what_may_pass_is_tried_again_and_said(kind: str) -> None:
    server = LawfulServer(refusals=1, refusal=refusal_of(kind))
    events = await run(server, silence(32_000), replace(QUICK, retry_for_s=10))
    assert isinstance(events[0], Reconnecting) and events[0].attempt == 2
    assert isinstance(events[-1], Done) and server.n_connections == 2


async def test_a_full_server_is_tried_again_and_said() -> None:
    server = LawfulServer(refusals=1, full=True)
    events = await run(server, silence(32_000), replace(QUICK, retry_for_s=10))
    assert isinstance(events[0], Reconnecting) and "every stream" in events[0].reason
    assert isinstance(events[-1], Done)


async def test_a_full_server_is_waited_for_longer_than_one_that_does_not_answer() -> None:
    server = LawfulServer(refusals=3, full=True)
    events = await run(server, silence(32_000), replace(QUICK, retry_for_s=0.01, full_for_s=30))
    assert sum(isinstance(event, Reconnecting) for event in events) == 3
    assert isinstance(events[-1], Done)


async def test_a_server_that_stays_full_is_given_up_in_time() -> None:
    started = time.monotonic()
    _, error = await failing(LawfulServer(refusals=10**6, full=True), silence(32_000))
    assert isinstance(error, ServerFull) and time.monotonic() - started < 3


@pytest.mark.parametrize("kind", ["refused", "401"])
async def test_what_will_not_pass_fails_at_once(kind: str) -> None:
    server = LawfulServer(refusals=10**6, refusal=refusal_of(kind))
    _, error = await failing(server, silence(32_000))
    assert isinstance(error, ConnectFailed | HandshakeRefused) and server.n_connections == 1


async def test_a_slow_reader_of_events_is_not_a_stalled_server() -> None:
    async with (
        LawfulServer().listening() as connect,
        open_session(connect, silence(640_000), model="voxtral", policy=QUICK) as session,
    ):
        events: list[Event] = []
        async for event in session:
            if len(events) == 5:
                await asyncio.sleep(3 * QUICK.stall_s)
            events.append(event)
    assert isinstance(events[-1], Done)


async def test_a_slow_reader_of_events_does_not_look_dead_to_the_server() -> None:
    async with LawfulServer().on_a_port(ping_s=0.3) as url:

        async def connect() -> Transport:
            return await open_websocket(WebSocketTarget(url))

        async with open_session(connect, silence(640_000), model="voxtral") as session:
            events: list[Event] = []
            async for event in session:
                if len(events) == 5:
                    await asyncio.sleep(2.0)
                events.append(event)
    assert isinstance(events[-1], Done)


async def test_a_slow_reader_holds_up_the_source_and_not_our_memory() -> None:
    n_given = 0

    async def counted() -> AsyncIterator[Chunk]:
        nonlocal n_given
        async for chunk in silence(16_000 * 600):
            n_given += 1
            yield chunk

    async with (
        LawfulServer().listening() as connect,
        open_session(connect, counted(), model="voxtral", policy=QUICK) as session,
    ):
        await anext(session)
        await asyncio.sleep(0.5)
    assert n_given < 400


async def test_every_word_comes_before_the_error_however_slow_the_reader() -> None:
    server = LawfulServer(breaks_after=100)
    events: list[Event] = []
    async with (
        server.listening() as connect,
        open_session(connect, silence(320_000), model="voxtral", policy=QUICK) as session,
    ):
        with pytest.raises(ConnectionLost):
            async for event in session:
                events.append(event)
                await asyncio.sleep(0.2 if len(events) == 3 else 0)
    assert len(text_of(events).split()) >= 33


@pytest.mark.parametrize("delay_samples", [7_680, 19_200, 38_400])
async def test_a_live_source_that_pauses_on_a_server_with_any_delay_is_no_stall(delay_samples: int) -> None:
    async def pausing() -> AsyncIterator[Chunk]:
        async for chunk in silence(96_000):
            if chunk.start_sample == 64_000:
                await asyncio.sleep(3 * QUICK.stall_s)
            yield chunk

    server = LawfulServer(delay_samples=delay_samples)
    assert isinstance((await run(server, pausing(), replace(QUICK, first_delta_s=5.0)))[-1], Done)


async def test_the_first_delta_has_its_own_deadline() -> None:
    started = time.monotonic()
    _, error = await failing(LawfulServer(silent_after=0), silence(160_000), replace(QUICK, first_delta_s=1.2))
    assert isinstance(error, Stalled) and 1.0 < time.monotonic() - started < 3


async def test_a_server_that_never_says_done_is_left_in_time() -> None:
    # All audio is acknowledged: only the end is owed.
    server = LawfulServer(silent_after=(16_000 - 40) // 1280 + 11 - 1)
    _, error = await failing(server, silence(16_000))
    assert isinstance(error, Stalled)


async def test_a_server_that_takes_no_audio_is_left_in_time() -> None:
    near, far = memory_pair()

    async def connect() -> Transport:
        return near

    await far.send('{"type":"session.created"}')
    policy = replace(QUICK, stall_s=60, first_delta_s=60, send_s=0.3)
    # 10 ms chunks: the bound of the pair is reached long before the window's.
    source = silence(32_000, chunk_samples=160)
    async with open_session(connect, source, model="voxtral", policy=policy) as session:
        with pytest.raises(Stalled, match="took no audio"):
            await asyncio.wait_for(collect(session), 5)


async def test_a_session_that_was_asked_to_finish_is_not_complete() -> None:
    events: list[Event] = []
    async with (
        LawfulServer().listening() as connect,
        open_session(connect, never_ending(), model="voxtral", policy=QUICK) as session,
    ):
        async for event in session:
            events.append(event)
            if isinstance(event, Words):
                session.finish()
    assert isinstance(events[-1], Done) and not events[-1].complete


async def test_what_a_server_counted_is_told_even_when_its_context_ended() -> None:
    events, _ = await failing(LawfulServer(ends_after=20), silence(160_000))
    assert events[-1] == StreamEnded(Usage(39, 20))


async def test_a_source_that_pauses_is_not_a_stalled_server() -> None:
    async def pausing() -> AsyncIterator[Chunk]:
        async for chunk in silence(48_000):
            if chunk.start_sample == 25_600:
                await asyncio.sleep(3 * QUICK.stall_s)
            yield chunk

    assert isinstance((await run(LawfulServer(), pausing()))[-1], Done)


async def test_the_tail_follows_the_deltas_and_ends_empty() -> None:
    tails = [e for e in await run(LawfulServer(), silence(32_000)) if isinstance(e, Tail)]
    assert tails[0] == Tail(" w0") and tails[-1] == Tail("")


async def test_a_healthy_session_has_nothing_to_note() -> None:
    assert not [e for e in await run(LawfulServer(), silence(32_000)) if isinstance(e, Notice)]
