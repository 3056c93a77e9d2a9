"""The real PortAudio and a real sound server: every sample, or what is missing; and what happens to a cable."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.fakes.microphone import noise
from tests.mic.pulse import Pulse
from voxctl.audio.mic import Microphone, microphone
from voxctl.audio.pcm import Chunk
from voxctl.audio.portaudio import PortAudio, microphones
from voxctl.errors import AudioError

pytestmark = pytest.mark.real


def write_wav(path: Path, sound: NDArray[np.int16], rate_hz: int = 16_000) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(sound.tobytes())
    return path


async def heard_while(heard: Microphone, act: Callable[[], None]) -> list[Chunk]:
    """Take what a microphone hears from its first block on, while ``act`` is done in another thread, and a bit more."""
    chunks = [await anext(heard)]

    async def acting() -> None:
        await asyncio.to_thread(act)
        await asyncio.sleep(0.5)
        heard.stop()

    async with asyncio.TaskGroup() as group:
        group.create_task(acting())
        chunks += [chunk async for chunk in heard]
    return chunks


def sound_of(chunks: list[Chunk]) -> bytes:
    return b"".join(chunk.pcm for chunk in chunks)


async def test_a_wav_that_is_played_in_arrives_sample_by_sample(sound: Pulse, tmp_path: Path) -> None:
    played = noise(20_000)
    wav = write_wav(tmp_path / "in.wav", played)
    record = tmp_path / "out.wav"
    chunks = await heard_while(microphone(rate_hz=16_000, record=record), lambda: _play(sound, wav))
    assert played.tobytes() in sound_of(chunks) and not any(chunk.missing for chunk in chunks)
    with wave.open(str(record)) as file:
        assert file.readframes(file.getnframes()) == sound_of(chunks)


async def test_at_its_own_rate_it_is_the_same_sound(sound: Pulse, tmp_path: Path) -> None:
    # Speech-like: nothing above 4 kHz, where two resamplers in a row may differ.
    low = np.repeat(noise(2_500).astype(np.float64), 8)
    low = np.convolve(low, np.hanning(32) / np.hanning(32).sum(), "same")
    wav = write_wav(tmp_path / "in.wav", low.astype(np.int16))
    chunks = await heard_while(microphone(), lambda: _play(sound, wav))
    got = np.frombuffer(sound_of(chunks), "<i2").astype(np.float64)
    at = int(np.argmax(np.correlate(got, low[:8_000], "valid")))
    part = got[at : at + len(low)]
    assert len(part) == len(low) and float(np.corrcoef(part, low)[0, 1]) > 0.995


def _play(sound: Pulse, wav: Path) -> None:
    time.sleep(0.3)
    sound.play(wav)


async def test_what_a_busy_program_does_not_take_is_missing_and_no_more(sound: Pulse) -> None:
    heard = Microphone(PortAudio(rate_hz=16_000), backlog_s=0.5)
    chunks = [await anext(heard)]
    begun_s = time.monotonic()
    time.sleep(2.0)  # noqa: ASYNC251 - the event loop hangs, as it does when nobody reads the terminal
    while not any(chunk.missing for chunk in chunks):
        chunks.append(await anext(heard))
    (gap,) = [chunk for chunk in chunks if chunk.missing]
    assert gap.n_samples / 16_000 == pytest.approx(1.5, abs=0.25) and "not taken in time" in str(gap.missing)
    while time.monotonic() < begun_s + 3.0:
        chunks.append(await anext(heard))
    assert chunks[-1].end_s - chunks[0].end_s == pytest.approx(time.monotonic() - begun_s, abs=0.3), "its clock is true"
    heard.close()


async def test_a_cable_that_is_pulled_and_plugged_in_again(sound: Pulse) -> None:
    told: list[str] = []
    heard = Microphone(PortAudio(rate_hz=16_000), gone_s=0.5, tell=told.append)

    def pull() -> None:
        time.sleep(0.3)
        sound.unplug()
        time.sleep(1.5)
        sound.plug_in()
        deadline_s = time.monotonic() + 15
        while len(told) < 2 and time.monotonic() < deadline_s:
            time.sleep(0.05)
        time.sleep(2.5)  # a null sink has rendered ahead

    chunks = await heard_while(heard, pull)
    assert [line.split()[0:2] for line in told] == [["default", "has"], ["listening", "to"]]
    (gap,) = [chunk for chunk in chunks if chunk.missing]
    assert gap.missing == "the microphone was gone" and gap.n_samples / 16_000 >= 1.4
    assert chunks[-1].start_sample > gap.start_sample, "it hears again"


async def test_a_cable_that_stays_out_is_a_clear_end(sound: Pulse) -> None:
    heard = Microphone(PortAudio(rate_hz=16_000), gone_s=0.5, back_s=0.5)
    await anext(heard)
    sound.unplug()
    with pytest.raises(AudioError, match="has gone, and did not come back"):
        async with asyncio.timeout(20):
            async for _ in heard:
                pass


def test_devices_are_listed_and_found_by_number_and_by_a_part_of_their_name(sound: Pulse) -> None:
    # In a process of its own: PortAudio looks for devices once.
    command = [sys.executable, "-m", "voxctl", "mic", "--list-devices"]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    assert "default" in shown and "ALSA" in shown and "Hz" in shown
    told = json.loads(subprocess.run([*command, "--json"], capture_output=True, timeout=20, check=True).stdout)
    assert sum(device["is_default"] for device in told) == 1
    assert set(told[0]) == {"number", "name", "host", "n_channels", "rate_hz", "is_default"}
    names = [device.name for device in microphones()]
    number = names.index("pulse")
    for wanted in ("pulse", "PULS", microphones()[number].number, str(microphones()[number].number)):
        with Microphone(PortAudio(wanted)).open() as heard:
            assert heard.name == "pulse"


@pytest.mark.parametrize(
    ("wanted", "message"),
    [("no such thing", "no microphone 'no such thing'"), (99, "no microphone 99"), ("l", "several microphones")],
)
def test_a_device_that_is_not_there_is_named(sound: Pulse, wanted: str | int, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        Microphone(PortAudio(wanted)).open()


def test_a_rate_that_cannot_be_is_named(sound: Pulse) -> None:
    with pytest.raises(AudioError, match=r"does not hear at 1000000 Hz|cannot be opened"):
        Microphone(PortAudio(rate_hz=1_000_000)).open()
