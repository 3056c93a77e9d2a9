"""The kit with which sessions are tested, tested: virtual time, tones, the oracle, its faults and the judge."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from math import inf

import pytest

from tests.fakes.oracle import OracleServer
from tests.fakes.schedule import SURVIVABLE, Fault, Schedule, Strike, schedule
from tests.fakes.tones import Burst, Ear, Script, chunks, decode, judge, pcm, script
from tests.fakes.virtual import BackgroundError, Deadlock, Livelock, TasksLeft, TooLong, run_virtual
from voxctl.audio.speech import silences
from voxctl.errors import (
    ConnectFailed,
    ConnectionLost,
    HandshakeRefused,
    InvalidAudio,
    ProcessingError,
    ProtocolError,
    ServerFull,
    StreamError,
)
from voxctl.events import Done, Event, Gap, Words
from voxctl.realtime.machine import Ended, Machine, Phase
from voxctl.session.session import Session, open_session
from voxctl.transport.base import Connector, Transport
from voxctl.transport.websocket import WebSocketTarget, open_websocket

# Virtual time


def test_an_hour_passes_at_once_and_in_order() -> None:
    order: list[int] = []

    async def sleeper(s: int) -> None:
        await asyncio.sleep(s)
        order.append(s)

    async def work() -> float:
        await asyncio.gather(*(sleeper(s) for s in (3599, 7, 300)))
        return asyncio.get_running_loop().time()

    assert run_virtual(work) == pytest.approx(3599) and order == [7, 300, 3599]


def test_a_deadlock_is_told_with_who_waits_where() -> None:
    async def inner() -> None:
        await asyncio.Event().wait()

    async def work() -> None:
        await asyncio.create_task(inner(), name="the one that waits")

    with pytest.raises(Deadlock, match=r"(?s)the one that waits:.*inner at .*test_kit\.py:\d+.*Event\.wait"):
        run_virtual(work)


async def every(s: float) -> AsyncIterator[None]:
    while True:
        await asyncio.sleep(s)
        yield


def test_time_has_a_limit_and_standing_still_is_told() -> None:
    async def forever(s: float) -> None:
        async for _ in every(s):
            pass

    with pytest.raises(TooLong, match="100 s"):
        run_virtual(lambda: forever(1), limit_s=100)
    with pytest.raises(Livelock, match="no time passes"):
        run_virtual(lambda: forever(0), still_turns=1_000)


def test_a_task_left_behind_and_an_error_nobody_saw_are_told() -> None:
    kept: list[asyncio.Task[None]] = []

    async def leave() -> None:
        kept.append(asyncio.create_task(asyncio.sleep(5), name="left over"))

    async def fail() -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)

    with pytest.raises(TasksLeft, match="left over"):
        run_virtual(leave)
    with pytest.raises(BackgroundError, match="ZeroDivisionError"):
        run_virtual(fail)


# Tones


def heard_from(spoken: Script, start: int, end: int) -> list[Burst]:
    """What an ear must make of a stretch, by the script."""
    cut = [Burst(word.text, max(word.start, start), min(word.end, end)) for word in spoken.words]
    return [Burst(word.text, word.start - start, word.end - start) for word in cut if word.end - word.start >= 640]


@pytest.mark.parametrize("seed", range(40))
def test_any_stretch_of_speech_in_any_pieces_is_read_back_exactly(seed: int) -> None:
    rng = random.Random(seed)
    spoken = script(seed, 25, repeats=seed % 2 > 0)
    start = rng.randrange(spoken.n_samples - 1_000)
    end = rng.randrange(start + 1, spoken.n_samples)
    sound, ear, heard = spoken.stretch(start, end), Ear(), []
    at = 0
    while at < len(sound):
        step = 2 * rng.randint(1, 4_000)
        heard += ear.feed(sound[at : at + step])
        at += step
    assert [*heard, *ear.finish()] == decode(sound) == heard_from(spoken, start, end)


def test_a_moment_of_silence_in_a_burst_ends_no_word_and_loses_no_sample() -> None:
    word = script(1, 10).words[3]
    sound = script(1, 10).stretch(word.start, word.end)
    for pieces in ([sound[:3_000], bytes(200), sound[3_200:]], [sound[:3_000] + bytes(200) + sound[3_200:]]):
        ear = Ear()
        heard = [found for piece in pieces for found in ear.feed(piece)] + ear.finish()
        assert heard == [Burst(word.text, 0, word.end - word.start)]


def test_a_hole_in_the_sound_costs_no_word_but_those_in_it() -> None:
    for seed in range(60):
        spoken = script(seed, 10)
        hole = random.Random(seed).randrange(spoken.n_samples - 1_280)
        end = hole + 1_280
        left = [(w.text, w.end - w.start - max(0, min(w.end, end) - max(w.start, hole))) for w in spoken.words]
        sound = pcm(spoken)
        heard = [word.text for word in decode(sound[: 2 * hole] + sound[2 * end :])]
        assert heard == [text for text, n_left in left if n_left >= 640]


def test_no_word_comes_again_within_a_minute_and_words_keep_their_distance() -> None:
    spoken = script(1, 600)
    last: dict[str, int] = {}
    for word in spoken.words:
        assert word.start - last.get(word.text, -(10**9)) >= 60 * 16_000
        last[word.text] = word.end
    gaps = [b.start - a.end for a, b in zip(spoken.words, spoken.words[1:], strict=False)]
    assert min(gaps) >= 640 and max(gaps) >= 16_000 and len(last) < len(spoken.words)
    long = script(2, 120, pauseless_s=30)
    pauses = [a.end_s for a, b in zip(long.words, long.words[1:], strict=False) if b.start - a.end >= 6_400]
    assert 2 <= len(pauses) <= 4


def test_a_voice_detector_finds_the_pauses_between_the_tones() -> None:
    spoken = script(3, 300)
    pauses = [
        (a.end_s, b.start_s) for a, b in zip(spoken.words, spoken.words[1:], strict=False) if b.start - a.end > 8_000
    ]
    found = silences(pcm(spoken))
    # The detector holds on for a tenth of a second.
    assert all(any(abs(s - a) < 0.2 and abs(e - b) < 0.1 for s, e in found) for a, b in pauses)
    assert len(found) <= len(pauses) + 12


def test_ten_hours_are_made_as_they_are_asked_for_at_the_pace_that_is_asked_for() -> None:
    async def work() -> tuple[int, float]:
        end = 0
        async for chunk in chunks(script(4, 60), 1_000, pace=1.0):
            assert chunk.start_sample == end
            end = chunk.start_sample + chunk.n_samples
        return end, asyncio.get_running_loop().time()

    end, at_s = run_virtual(work)
    assert end == 60 * 16_000 and at_s == pytest.approx(60)
    assert len(script(4, 36_000).stretch(35_000 * 16_000, 35_001 * 16_000)) == 32_000


# The oracle, and a client that does no more than the protocol asks


@dataclass
class Seen:
    """What a client saw of one connection: events, the time of each delta, and how it ended."""

    events: list[Event] = field(default_factory=list)
    at_s: list[float] = field(default_factory=list)
    complete: bool | None = None
    error: StreamError | None = None

    @property
    def texts(self) -> list[str]:
        return [word.text for event in self.events if isinstance(event, Words) for word in event.words]


async def listen(connect: Connector, spoken: Script, *, from_sample: int = 0, patience_s: float = 60.0) -> Seen:
    """Transcribe over one connection, and leave it when nothing more comes for ``patience_s``."""
    seen = Seen()
    try:
        wire = await connect()
    except StreamError as exc:
        seen.error = exc
        return seen
    machine, moved = Machine("voxtral"), asyncio.Event()
    sender = asyncio.create_task(send_all(wire, machine, moved, chunks(spoken, from_sample=from_sample)))
    try:
        while seen.complete is None:
            frame = await asyncio.wait_for(wire.receive(), patience_s)
            for event in machine.receive(frame):
                match event:
                    case Ended(complete=complete):
                        seen.complete = complete
                    case Words():
                        seen.events.append(event)
            if "delta" in frame:
                seen.at_s.append(asyncio.get_running_loop().time())
            moved.set()
    except StreamError as exc:
        seen.error = exc
    except TimeoutError:
        pass
    sender.cancel()
    await asyncio.gather(sender, return_exceptions=True)
    await wire.aclose()
    return seen


async def send_all(wire: Transport, machine: Machine, moved: asyncio.Event, source: AsyncIterator[object]) -> None:
    async def until(ready: Callable[[], bool]) -> None:
        while not ready():
            moved.clear()
            await moved.wait()

    await until(lambda: machine.phase is not Phase.CONNECTING)
    async for chunk in source:
        await until(lambda: machine.unacked_s < 2.4)
        machine.feed(chunk.pcm)  # type: ignore[attr-defined]
        for frame in machine.to_send():
            await wire.send(frame)
    machine.finish()
    for frame in machine.to_send():
        await wire.send(frame)


def over_memory[T](server: OracleServer, work: Callable[[Connector], Awaitable[T]]) -> T:
    async def run() -> T:
        async with server.listening() as connect:
            return await work(connect)

    return run_virtual(run)


async def over_a_socket[T](server: OracleServer, work: Callable[[Connector], Awaitable[T]]) -> T:
    async with server.on_a_port() as url:
        return await work(lambda: open_websocket(WebSocketTarget(url, close_s=0.2)))


@pytest.mark.parametrize("n_samples", [1, 39, 40, 1_279, 1_280, 1_320, 9_000, 9_001, 16_000, 100_001])
def test_the_count_law_holds_for_any_length(n_samples: int) -> None:
    spoken = script(1, 7)
    server = OracleServer()
    over_memory(server, lambda connect: listen(connect, Script(spoken.words, n_samples)))
    line = server.lines[0]
    assert line.ended == "done" and line.n_deltas == (n_samples - 40) // 1_280 + 11 and line.n_samples == n_samples


@pytest.mark.real
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("split", [False, True])
def test_a_perfect_oracle_gives_every_word_at_its_time(seed: int, split: bool) -> None:
    spoken = script(seed, 120, repeats=seed > 3, pauseless_s=30 * (seed % 2))
    server = OracleServer(split=split)
    verdict = judge(spoken, over_memory(server, lambda connect: listen(connect, spoken)).events)
    assert verdict.perfect and verdict.n_said > 150, str(verdict)
    assert verdict.worst_s <= 0.08 and not server.violations


def test_a_delta_comes_with_the_sound_it_needs_and_not_before() -> None:
    async def live(connect: Connector) -> list[float]:
        wire, machine, moved = await connect(), Machine("voxtral"), asyncio.Event()
        source = chunks(script(1, 4), 10, pace=1.0)
        sender = asyncio.create_task(send_all(wire, machine, moved, source))
        at_s: list[float] = []
        while machine.phase is not Phase.ENDED:
            machine.receive(await wire.receive())
            moved.set()
            at_s.append(asyncio.get_running_loop().time())
        await sender
        await wire.aclose()
        return at_s[1:-1]

    # Chunks of 10 ms: at most that much later than the law says, up to the final commit.
    for i, at_s in enumerate(over_memory(OracleServer(), live)[:40]):
        assert 0 <= at_s - (0.0825 + 0.48 + 0.08 * i) < 0.0101


@pytest.mark.parametrize(
    "server",
    [
        OracleServer(),
        OracleServer(split=True),
        OracleServer(realistic=1),
        OracleServer(tick_cost_s=0.03, growth_s=1e-4),
    ],
    ids=["perfect", "split", "realistic", "slow"],
)
def test_a_session_without_faults_gives_the_script(server: OracleServer) -> None:
    spoken = script(5, 90, repeats=True)

    async def work(connect: Connector) -> list[Event]:
        clock = asyncio.get_running_loop().time
        async with Session(connect, chunks(spoken), model="voxtral", clock=clock) as session:
            return [event async for event in session]

    events = over_memory(server, work)
    verdict = judge(spoken, events)
    assert verdict.perfect and isinstance(events[-1], Done), str(verdict)
    assert verdict.worst_s <= (0.6 if server.realistic else 0.08)
    assert not server.violations and {line.ended for line in server.lines} == {"done"}


async def test_a_session_over_a_real_socket_gives_the_script() -> None:
    spoken = script(6, 20)
    server = OracleServer()

    async def work(connect: Connector) -> list[Event]:
        async with open_session(connect, chunks(spoken), model="voxtral") as session:
            return [event async for event in session]

    verdict = judge(spoken, await over_a_socket(server, work))
    assert verdict.perfect and not server.violations, str(verdict)


def test_connections_are_apart_and_one_that_begins_in_mid_speech_hears_the_rest() -> None:
    spoken = script(7, 30, pauseless_s=30)
    middle = (spoken.words[20].start + spoken.words[20].end) // 2

    async def work(connect: Connector) -> list[Seen]:
        return await asyncio.gather(*(listen(connect, spoken, from_sample=at) for at in (0, middle, middle)))

    texts = [word.text for word in spoken.words]
    assert [seen.texts for seen in over_memory(OracleServer(), work)] == [texts, texts[20:], texts[20:]]
    realistic = [seen.texts for seen in over_memory(OracleServer(realistic=2), work)]
    assert [first[1:] for first in realistic] == [texts[1:], texts[21:], texts[21:]]
    assert realistic == [seen.texts for seen in over_memory(OracleServer(realistic=2), work)]


@pytest.mark.parametrize("in_pause", [False, True])
def test_only_the_first_word_of_one_that_began_in_mid_speech_is_wrong(in_pause: bool) -> None:
    spoken = script(7, 30, pauseless_s=30)
    word = spoken.words[20]
    sound = bytes(8_000 * in_pause) + spoken.stretch(word.start, word.end + 8_000)
    alone = Script(decode(sound), len(sound) // 2)

    async def work(connect: Connector) -> list[str]:
        return [(await listen(connect, alone)).texts[0] for _ in range(40)]

    heard = set(over_memory(OracleServer(realistic=3), work))
    known = {word.text, word.text.capitalize()}
    assert heard == known if in_pause else word.text not in heard and len(heard - known) > 1


def test_more_connections_than_slots_get_nothing_until_one_is_free() -> None:
    server = OracleServer(slots=1, tick_cost_s=0.02)
    spoken = script(8, 10)

    async def work(connect: Connector) -> list[Seen]:
        return list(await asyncio.gather(listen(connect, spoken), listen(connect, spoken)))

    first, second = over_memory(server, work)
    assert first.complete and second.complete and second.at_s[0] >= first.at_s[-1]


@pytest.mark.parametrize("n", [60, 130])
def test_a_context_ends_with_a_done_nobody_asked_for_in_mid_stream_and_in_the_tail(n: int) -> None:
    spoken = script(9, 10)  # 134 deltas
    seen = over_memory(OracleServer(max_deltas=n), lambda connect: listen(connect, spoken))
    assert seen.complete is False and len(seen.at_s) == n


# Faults


def struck(fault: Fault, at_s: float | None = 4.0) -> tuple[Seen, Script, OracleServer]:
    spoken = script(10, 12)
    server = OracleServer(faults=[Strike(fault, at_s)], tick_cost_s=0.01)
    return over_memory(server, lambda connect: listen(connect, spoken)), spoken, server


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        (Fault("drop"), ConnectionLost, None),
        (Fault("reset"), ConnectionLost, None),
        *((Fault("close", code=code), ConnectionLost, code) for code in (1000, 1001, 1006, 1009, 1011, 1012, 1013)),
        (Fault("garbage"), ProtocolError, None),
        (Fault("binary"), ProtocolError, None),
        (Fault("error"), ProcessingError, "processing_error"),
        (Fault("error", code=1012), ProcessingError, "processing_error"),
        (Fault("invalid_audio"), InvalidAudio, "invalid_audio"),
        (Fault("refused"), ConnectFailed, None),
        (Fault("away", s=3), ConnectFailed, None),
        (Fault("unanswered", s=3), ConnectFailed, None),
        (Fault("status", code=503), HandshakeRefused, None),
        (Fault("server_full"), ServerFull, "server_full"),
    ],
    ids=str,
)
def test_a_fault_is_met_as_the_error_it_is(fault: Fault, kind: type[StreamError], code: object) -> None:
    seen, _, server = struck(fault)
    assert type(seen.error) is kind and getattr(seen.error, "code", None) == code
    assert server.struck == list(server.faults) and not server.violations
    if seen.at_s:
        assert len(seen.at_s) in (50, 51)


@pytest.mark.parametrize(
    ("fault", "complete", "n_deltas", "pause_s"),
    [
        (Fault("half_open"), None, 50, 0),
        (Fault("stall", s=inf), None, 50, 0),
        (Fault("mute"), None, 0, 0),
        (Fault("stall", s=20), True, 160, 20),
        (Fault("slow_read", s=20), True, 160, 19),
        (Fault("slow_delta", s=2, n=5), True, 160, 2),
        (Fault("unasked_done"), False, 75, 0),
        (Fault("short_done", n=9), False, 160 - 9, 0),
        (Fault("blank", n=60), True, 160, 0),
    ],
    ids=str,
)
def test_a_fault_without_an_error_is_met_as_silence_or_an_end(
    fault: Fault, complete: bool | None, n_deltas: int, pause_s: float
) -> None:
    seen, spoken, _ = struck(fault)
    assert seen.error is None and seen.complete is complete
    assert len(seen.at_s) == n_deltas
    longest_s = max([b - a for a, b in zip(seen.at_s, seen.at_s[1:], strict=False)], default=0.0)
    assert pause_s <= longest_s < pause_s + 1.5
    verdict = judge(spoken, seen.events)
    assert bool(verdict.lost) is (fault.kind == "blank" or complete is not True)


def test_one_who_stays_away_comes_back_and_strikes_keep_their_order() -> None:
    faults = [
        Strike(Fault("drop"), 2.0),
        Strike(Fault("away", s=5)),
        Strike(Fault("server_full")),
        Strike(Fault("drop"), 2.4),
    ]
    server = OracleServer(faults=faults)
    spoken = script(11, 10)

    async def work(connect: Connector) -> list[tuple[float, str, int]]:
        met = []
        while not (seen := await listen(connect, spoken)).complete:
            met.append((asyncio.get_running_loop().time(), type(seen.error).__name__, len(seen.at_s)))
            await asyncio.sleep(2)
        return met

    away = [(2.0, "ConnectFailed", 0), (4.0, "ConnectFailed", 0), (6.0, "ConnectFailed", 0)]
    expected = [(0.0, "ConnectionLost", 25), *away, (8.0, "ServerFull", 0), (10.0, "ConnectionLost", 5)]
    assert over_memory(server, work) == expected and server.struck == faults


def test_a_connection_goes_silent_only_after_it_has_spoken_but_the_first_one_may_never_speak() -> None:
    async def work(connect: Connector) -> list[int]:
        return [len((await listen(connect, script(11, 5))).at_s) for _ in range(2)]

    for silent in (Fault("half_open"), Fault("stall", s=inf)):
        again = [Strike(Fault("drop"), 0.8), Strike(silent, 0.8)]
        assert over_memory(OracleServer(faults=again), work) == [10, 1]
        assert over_memory(OracleServer(faults=[Strike(silent, 0.0)]), work) == [0, (80_000 - 40) // 1_280 + 11]


@pytest.mark.parametrize(
    ("frames", "what"),
    [
        (["commit"], "before session.update"),
        (["update", "append", "final"], "final commit"),
        (["update", "append", "commit", "commit"], "second first commit"),
        (["update", "append", "commit", "final", "final"], "final commit"),
        (["update", "append", "commit", "final", "append"], "after the final commit"),
        (["empty"], "unknown or incomplete"),
        (["update", "append", "odd"], "no sound"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_what_a_client_does_against_the_protocol_is_kept(frames: list[str], what: str) -> None:
    known = {
        "update": '{"type":"session.update","model":"m"}',
        "empty": '{"type":"session.update","model":""}',
        "append": '{"type":"input_audio_buffer.append","audio":"AAAAAAAA"}',
        "odd": '{"type":"input_audio_buffer.append","audio":"AAAA"}',
        "commit": '{"type":"input_audio_buffer.commit"}',
        "final": '{"type":"input_audio_buffer.commit","final":true}',
    }

    async def work(connect: Connector) -> None:
        wire = await connect()
        for frame in frames:
            await wire.send(known[frame])
        await asyncio.sleep(1)
        await wire.aclose()

    server = OracleServer()
    over_memory(server, work)
    assert len(server.violations) == 1 and what in server.violations[0]
    assert server.lines[0].ended == ("done" if "final" in frames and "commit" in frames else "left")


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        (Fault("drop"), ConnectionLost, None),
        (Fault("reset"), ConnectionLost, None),
        (Fault("close", code=1006), ConnectionLost, None),
        (Fault("close", code=1012), ConnectionLost, 1012),
        (Fault("binary"), ProtocolError, None),
        (Fault("server_full"), ServerFull, "server_full"),
        (Fault("status", code=503), HandshakeRefused, None),
        (Fault("refused"), ConnectFailed, None),
        (Fault("half_open"), type(None), None),
        (Fault("mute"), type(None), None),
    ],
    ids=str,
)
async def test_faults_over_a_real_socket_are_those_of_memory(fault: Fault, kind: type[object], code: object) -> None:
    server = OracleServer(faults=[Strike(fault, 1.0)])
    seen = await over_a_socket(server, lambda connect: listen(connect, script(12, 4), patience_s=0.5))
    assert type(seen.error) is kind and getattr(seen.error, "code", None) == code and not seen.complete


# Schedules


def test_schedules_come_again_from_their_seed_and_from_what_they_print() -> None:
    for seed in range(50):
        assert eval(repr(schedule(seed))) == schedule(seed)
    assert str(Schedule(1, 9.0, (Strike(Fault("close", code=1012), 3.0), Strike(Fault("away", s=2.0))))) == (
        "schedule 1, 9 s: close 1012 at 3.00 s; away 2 s at the next attempt"
    )
    kinds = {strike.fault.kind for planned in SURVIVABLE for strike in planned.strikes}
    assert len(kinds) == 20 and len(set(SURVIVABLE)) == 1_000


def test_a_survivable_schedule_leaves_a_server_that_works() -> None:
    for planned in SURVIVABLE:
        faults = [strike.fault for strike in planned.strikes]
        assert planned.away_s <= 40 and Fault("close", code=1009) not in faults, str(planned)
        assert not any(fault.kind == "blank" and fault.n for fault in faults), str(planned)
    mean_s = sum(planned.script_s for planned in SURVIVABLE) / len(SURVIVABLE)
    assert 20 <= mean_s <= 30


@pytest.mark.real
def test_most_strikes_of_a_schedule_find_their_mark() -> None:
    async def work(connect: Connector, spoken: Script) -> None:
        for _ in range(25):  # from the start each time: a client that cannot resume
            if (await listen(connect, spoken)).complete:
                return
            await asyncio.sleep(1)

    n_planned = n_struck = 0
    for planned in SURVIVABLE[:40]:
        server = OracleServer(faults=planned.strikes)
        spoken = script(planned.seed, planned.script_s)
        over_memory(server, lambda connect, spoken=spoken: work(connect, spoken))  # type: ignore[misc]
        assert not server.violations, str(planned)
        n_planned, n_struck = n_planned + len(planned.strikes), n_struck + len(server.struck)
    assert n_struck >= 0.8 * n_planned


# The judge


def told(spoken: Script) -> list[Words]:
    """A perfect transcript of a script."""
    server = OracleServer()
    events: Sequence[Event] = over_memory(server, lambda connect: listen(connect, spoken)).events
    return [Words(f" {word.text}", (word,)) for event in events if isinstance(event, Words) for word in event.words]


def test_the_judge_tells_what_is_lost_doubled_moved_misheard_and_made_up() -> None:
    spoken = script(13, 60)
    events = told(spoken)
    assert judge(spoken, events).perfect
    lost = judge(spoken, events[:20] + events[22:])
    assert list(lost.lost) == list(spoken.words[20:22]) and not lost.doubled and not lost.faults
    assert list(judge(spoken, events[:-1]).lost) == [spoken.words[-1]]
    doubled = judge(spoken, events[:20] + events[18:])
    assert [word.text for word in doubled.doubled] == [word.text for word in spoken.words[18:20]]
    assert not doubled.lost and any("goes back" in fault for fault in doubled.faults)
    moved = judge(spoken, [*events[:20], events[21], events[20], *events[22:]])
    assert 1 <= len(moved.reordered) <= 2 and not moved.lost and not moved.doubled
    other = Words(" hello", (replace(events[20].words[0], text="hello"),))
    assert len(judge(spoken, [*events[:20], other, *events[21:]]).misheard) == 1
    assert len(judge(spoken, [*events[:20], other, *events[20:]]).invented) == 1
    gap = Gap(spoken.words[20].start_s, spoken.words[20].end_s, "x")
    assert list(judge(spoken, [*events[:20], *events[21:], gap]).told) == [spoken.words[20]]
    early = judge(spoken, events[:20], until_s=spoken.words[19].end_s)
    assert early.perfect and early.n_said == 20


def test_the_judge_holds_the_stream_of_events_to_its_rules() -> None:
    spoken = script(14, 20)
    events = told(spoken)
    wide = replace(events[3], text=f" {events[3].text}")
    assert "one space" in judge(spoken, [*events[:3], wide, *events[4:]]).faults[0]
    assert "one space" in judge(spoken, [*events[:-1], replace(events[-1], text=f"{events[-1].text} ")]).faults[0]
    joined = replace(events[3], text=events[3].text.strip())
    assert "differ" in judge(spoken, [*events[:3], joined, *events[4:]]).faults[0]
    late = replace(events[-1], words=(replace(events[-1].words[0], end_s=21.0),))
    assert "not within" in judge(spoken, [*events[:-1], late]).faults[0]
