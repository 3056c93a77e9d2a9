"""A microphone as a source of chunks: all of its sound, or what is missing of it, whatever happens to the device."""

from __future__ import annotations

import asyncio
import os
import time
import wave
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.lawful import LawfulServer
from tests.fakes.microphone import Plug, ScriptedDevice, as_floats, blocks, noise
from voxctl.audio.mic import Microphone
from voxctl.audio.pcm import Chunk, to_pcm16
from voxctl.audio.recording import open_recording
from voxctl.audio.resample import ResampleStream
from voxctl.errors import AudioError
from voxctl.events import Done, Event, Gap, Opened
from voxctl.session.session import open_session

SECOND = 16_000


def mic_of(*scripts: object, **how: object) -> tuple[Microphone, ScriptedDevice]:
    device = ScriptedDevice(scripts)  # type: ignore[arg-type]
    return Microphone(device, **how), device  # type: ignore[arg-type]


async def all_of(microphone: Microphone, device: ScriptedDevice) -> list[Chunk]:
    """Take everything; the microphone is stopped when its device has played to its end."""
    chunks = []
    microphone.open()

    async def stop() -> None:
        await asyncio.to_thread(device.played.wait, 10)
        microphone.stop()

    async with asyncio.TaskGroup() as group:
        group.create_task(stop())
        chunks = [chunk async for chunk in microphone]
    at = 0
    for chunk in chunks:
        assert chunk.start_sample == at, "its clock has no hole"
        at += chunk.n_samples
    return chunks


def pcm(chunks: list[Chunk]) -> bytes:
    return b"".join(chunk.pcm for chunk in chunks)


def missing(chunks: list[Chunk]) -> list[tuple[float, float, str]]:
    return [(round(c.start_s, 3), round(c.end_s, 3), c.missing) for c in chunks if c.missing]


async def test_sound_at_16_khz_arrives_sample_by_sample() -> None:
    sound = noise(SECOND + 500)
    chunks = await all_of(*mic_of(blocks(as_floats(sound))))
    assert pcm(chunks) == sound.tobytes() and not missing(chunks)
    assert {chunk.n_samples for chunk in chunks[:-1]} == {1280}


@pytest.mark.parametrize(("rate_hz", "n_channels"), [(8_000, 1), (44_100, 2), (48_000, 1), (96_000, 2)])
async def test_any_rate_is_resampled_as_a_file_is(rate_hz: int, n_channels: int) -> None:
    sound = as_floats(noise(rate_hz * n_channels)).reshape(-1, n_channels)
    chunks = await all_of(*mic_of(blocks(sound, rate_hz)))
    whole = ResampleStream(rate_hz, n_channels)
    assert pcm(chunks) == to_pcm16(np.concatenate([whole.feed(sound), whole.finish()]))


async def test_what_nobody_took_in_time_is_dropped_from_its_beginning_and_counted() -> None:
    sound = noise(5 * SECOND)
    microphone, device = mic_of(blocks(as_floats(sound)), backlog_s=1.0)
    microphone.open()
    assert device.played.wait(5)
    chunks = await all_of(microphone, device)
    ((start_s, end_s, reason),) = missing(chunks)
    assert start_s == 0.0 and end_s == pytest.approx(4.0, abs=0.081) and "not taken in time" in reason
    assert len(pcm(chunks)) == 2 * len(sound), "the clock goes on"
    kept = pcm([c for c in chunks if not c.missing])
    assert sound.tobytes().endswith(kept) and len(kept) >= 2 * 0.9 * SECOND


async def test_an_overflow_in_the_driver_is_as_long_as_the_blocks_are_apart() -> None:
    sound, now_s = noise(SECOND), time.monotonic()
    first, second = blocks(as_floats(sound), from_s=now_s)[:6], blocks(as_floats(sound), from_s=now_s + 2.0)[6:]
    chunks = await all_of(*mic_of([*first, second[0]._replace(overflowed=True), *second[1:]]))
    assert [lost[:2] for lost in missing(chunks)] == [(0.48, 2.48)]
    assert pcm([c for c in chunks if not c.missing]) == sound.tobytes()


async def test_late_blocks_alone_are_no_loss() -> None:
    late = [block._replace(at_s=block.at_s + n % 3) for n, block in enumerate(blocks(as_floats(noise(SECOND))))]
    assert not missing(await all_of(*mic_of(late)))


@pytest.mark.parametrize("how", [Plug.PULLED, Plug.MUTE])
async def test_an_unplugged_microphone_is_opened_again_and_what_is_missing_is_told(how: Plug) -> None:
    told: list[str] = []
    sound, now_s = noise(SECOND), time.monotonic()
    first, second = blocks(as_floats(sound), from_s=now_s)[:5], blocks(as_floats(sound), from_s=now_s + 3.0)[5:]
    microphone, device = mic_of([*first, how, 30.0], second, gone_s=0.5, tell=told.append)
    chunks = await all_of(microphone, device)
    assert missing(chunks) == [(0.4, 3.4, "the microphone was gone")]
    assert pcm([c for c in chunks if not c.missing]) == sound.tobytes()
    assert told == ["scripted has gone; it is waited for 30 s", "listening to scripted again"]
    assert device.n_opened == device.n_closed == 2


async def test_one_that_does_not_come_back_is_an_error_after_all_its_sound() -> None:
    sound = noise(SECOND // 4)
    microphone, device = mic_of([*blocks(as_floats(sound)), Plug.PULLED], None, back_s=0.0)
    heard = []
    with pytest.raises(AudioError, match="scripted has gone, and did not come back within 0 s") as caught:
        heard.extend([chunk async for chunk in microphone])
        raise AssertionError
    assert "plug it in" in str(caught.value.hint) and device.n_closed == 1


async def test_one_that_was_never_there_is_an_error_at_once() -> None:
    microphone, _ = mic_of(None)
    with pytest.raises(AudioError, match="scripted is not there"):
        await anext(microphone)


async def test_another_rate_after_coming_back_is_resampled_anew() -> None:
    now_s = time.monotonic()
    first = blocks(as_floats(noise(SECOND)), from_s=now_s)
    second = blocks(as_floats(noise(48_000)), 48_000, from_s=now_s + 1.0)
    chunks = await all_of(*mic_of([*first, Plug.PULLED, 30.0], second))
    assert sum(chunk.n_samples for chunk in chunks) == pytest.approx(2 * SECOND, abs=2)


async def test_pausing_hears_nothing_settles_what_was_said_and_stops_the_clock() -> None:
    first, then, last = noise(3200, 1), noise(3200, 2), noise(3200, 3)
    script = [*blocks(as_floats(first)), 0.2, *blocks(as_floats(then)), 0.2, *blocks(as_floats(last))]
    microphone, device = mic_of(script, gone_s=0.25)
    microphone.open()
    heard = [await anext(microphone) for _ in range(3)]
    microphone.pause()
    settling = [await anext(microphone) for _ in range(25)]
    assert microphone.paused and pcm(settling) == bytes(2 * 2 * SECOND) and not missing(settling)
    heard += settling
    waiting = asyncio.create_task(anext(microphone))
    await asyncio.sleep(0.3)
    assert not waiting.done(), "a pause is no device that has gone"
    microphone.resume()
    heard.append(await waiting)
    await asyncio.to_thread(device.played.wait, 5)
    microphone.stop()
    heard += [chunk async for chunk in microphone]
    assert pcm(heard) == first.tobytes() + bytes(4 * SECOND) + last.tobytes() and not missing(heard)


async def test_a_pause_can_let_go_of_the_device() -> None:
    sound = noise(1280)
    microphone, device = mic_of([*blocks(as_floats(sound)), 5.0], blocks(as_floats(sound)))
    microphone.open()
    assert (await anext(microphone)).pcm == sound.tobytes()
    microphone.pause(let_go=True)
    assert device.n_closed == 1 and device.n_opened == 1
    assert pcm([await anext(microphone) for _ in range(25)]) == bytes(2 * 2 * SECOND)
    microphone.resume()
    again = await anext(microphone)
    assert again.pcm == sound.tobytes() and device.n_opened == 2 and again.missing is None
    microphone.close()


async def test_whoever_stops_iterating_has_closed_it() -> None:
    microphone, device = mic_of([1.0])
    microphone.open()
    task = asyncio.create_task(anext(microphone))
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert device.n_closed == 1


async def test_a_recording_can_be_played_at_every_moment_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    sound = noise(SECOND)
    microphone, device = mic_of(blocks(as_floats(sound)), recording=open_recording(path))
    microphone.open()
    assert path.stat().st_mode & 0o777 == 0o600
    assert device.played.wait(5)
    microphone.stop()
    given = b""
    async for chunk in microphone:
        given += chunk.pcm
        with wave.open(str(path)) as recorded:
            assert (recorded.getframerate(), recorded.getnchannels(), recorded.getsampwidth()) == (SECOND, 1, 2)
            assert recorded.readframes(recorded.getnframes()).startswith(given)
            assert 44 + 2 * recorded.getnframes() <= path.stat().st_size, "its header promises no more than there is"
    assert path.read_bytes()[44:] == given == sound.tobytes()


async def test_a_disk_that_fills_up_is_told_once_and_costs_no_sound(tmp_path: Path) -> None:
    told: list[str] = []
    sound = noise(SECOND)
    recording = open_recording(tmp_path / "talk.wav")
    full = os.open("/dev/full", os.O_RDWR)
    os.dup2(full, recording._descriptor or -1)
    os.close(full)
    chunks = await all_of(*mic_of(blocks(as_floats(sound)), recording=recording, tell=told.append))
    assert pcm(chunks) == sound.tobytes() and recording.broken
    assert len(told) == 1 and "No space left" in told[0] and "goes on without it" in told[0]


async def run_session(microphone: Microphone, device: ScriptedDevice, server: LawfulServer) -> list[Event]:
    microphone.open()
    events: list[Event] = []
    async with server.listening() as connect, open_session(connect, microphone, model="voxtral") as session:
        async for event in session:
            events.append(event)
            if device.played.is_set():
                microphone.stop()
    return events


async def test_a_session_tells_what_its_microphone_lost_after_it_has_begun() -> None:
    microphone, device = mic_of([*blocks(as_floats(noise(5 * SECOND)))], backlog_s=2.0)
    microphone.open()
    assert device.played.wait(5)
    events = await run_session(microphone, device, LawfulServer())
    ((n, gap),) = [(n, event) for n, event in enumerate(events) if isinstance(event, Gap)]
    assert gap.start_s == 0.0 and gap.end_s == pytest.approx(3.0, abs=0.081)
    assert n > next(n for n, event in enumerate(events) if isinstance(event, Opened))
    done = events[-1]
    assert isinstance(done, Done) and done.complete and done.audio_s == pytest.approx(5.0, abs=0.1)
