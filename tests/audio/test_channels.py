"""One channel of several, and both sides of a call at once out of one input."""

from __future__ import annotations

import asyncio
import threading
from contextlib import ExitStack, aclosing
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile

from tests.audio.formats import CLIP, Samples, at_bandwidth_of, clip_samples, snr_db
from tests.audio.listening import REPOSITORY, collected, half_written, joined, our_threads, samples_in
from tests.audio.test_raw import raw_bytes
from voxctl.audio.decode import AudioFile, open_audio, open_channels
from voxctl.audio.lanes import WINDOW_MS
from voxctl.audio.raw import Encoding, RawFormat
from voxctl.errors import AudioError, UsageError

OTHER_CLIP = REPOSITORY / "tests" / "data" / "ill-disposed.wav"
CALL = RawFormat(Encoding.MULAW, 8_000, 2)


def two_voices() -> tuple[Samples, Samples]:
    one = clip_samples()
    other = np.zeros_like(one)
    voice = soundfile.read(OTHER_CLIP, dtype="float32")[0]
    other[16_000 : 16_000 + len(voice)] = voice
    return one, other


def call_recording(path: Path) -> Path:
    """Write a stereo WAV in mu-law at 8 kHz, as a telephone system records a call: one side a channel."""
    data = raw_bytes(np.stack(two_voices(), axis=1), CALL)
    samples = soundfile.read(
        _written(path.with_suffix(".raw"), data), format="RAW", subtype="ULAW", samplerate=8_000, channels=2
    )[0]
    soundfile.write(path, samples, 8_000, subtype="ULAW")
    return path


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def taken(path: str | Path, channel: int | None, raw: RawFormat | None = None) -> bytes:
    with open_audio(path, channel=channel, raw=raw) as file:
        assert file.channel == channel
        return joined(asyncio.run(collected(file.chunks())))


async def both(files: list[AudioFile]) -> list[bytes]:
    with ExitStack() as stack:
        for file in files:
            stack.enter_context(file)
        return [joined(chunks) for chunks in await asyncio.gather(*(collected(file.chunks()) for file in files))]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return call_recording(tmp_path_factory.mktemp("call") / "call.wav")


def test_each_side_of_a_call_is_taken_alone(recording: Path) -> None:
    for channel, voice in enumerate(two_voices(), 1):
        decoded = samples_in(taken(recording, channel))
        assert snr_db(decoded, at_bandwidth_of(8_000, voice)) > 30
    mean = np.mean(two_voices(), axis=0, dtype=np.float32)
    assert snr_db(samples_in(taken(recording, None)), at_bandwidth_of(8_000, mean)) > 30


def test_both_sides_at_once_are_what_each_is_alone(recording: Path) -> None:
    alone = [taken(recording, 1), taken(recording, 2)]
    files = open_channels(recording)
    assert [(file.channel, file.n_channels, file.name) for file in files] == [
        (1, 2, str(recording)),
        (2, 2, str(recording)),
    ]
    assert {file.duration_s for file in files} == {9.34}
    assert asyncio.run(both(files)) == alone


@pytest.mark.parametrize("raw", [None, CALL], ids=["wav", "raw"])
def test_a_pipe_is_read_once_for_both_sides_while_it_is_written(recording: Path, raw: RawFormat | None) -> None:
    data = recording.read_bytes() if raw is None else recording.with_suffix(".raw").read_bytes()
    alone = [taken(recording, 1), taken(recording, 2)]

    async def side(file: AudioFile, heard: list[bytes]) -> None:
        with file:
            async for chunk in file.chunks():
                heard.append(chunk.pcm)
                if chunk.end_s > 3 and file.channel == 2:
                    pipe.go_on()

    async def call() -> list[bytes]:
        heard: list[list[bytes]] = [[], []]
        await asyncio.gather(*map(side, files, heard))
        return [b"".join(pieces) for pieces in heard]

    with half_written(data) as pipe:
        files = open_channels(pipe.path, raw=raw)
        assert asyncio.run(call()) == alone
        assert not pipe.waited_in_vain
    assert our_threads() == []


def test_a_mono_file_is_its_own_only_channel() -> None:
    assert taken(CLIP, 1) == taken(CLIP, None) == asyncio.run(both(open_channels(CLIP)))[0]


def test_a_channel_that_is_not_there_says_how_many_are(recording: Path) -> None:
    with pytest.raises(AudioError, match="has no channel 3: it has 2") as caught:
        open_audio(recording, channel=3)
    assert caught.value.hint == "choose 1 to 2; 1 is the left one"
    with pytest.raises(AudioError, match="has no channel 2: it is mono") as caught:
        open_audio(CLIP, channel=2)
    assert caught.value.hint == "leave --channel out"


@pytest.mark.parametrize(("channel", "raw"), [(0, None), (-1, None), (3, CALL)])
def test_a_channel_that_cannot_be_is_a_usage_error(recording: Path, channel: int, raw: RawFormat | None) -> None:
    with pytest.raises(UsageError, match=f"no channel {channel}") as caught:
        open_audio(recording, channel=channel, raw=raw)
    assert "counted from 1" in str(caught.value.hint)


def test_too_many_channels_are_not_opened_apart(tmp_path: Path) -> None:
    path = tmp_path / "many.wav"
    soundfile.write(path, np.zeros((1000, 33), np.float32), 16_000)
    with pytest.raises(AudioError, match="33 channels; at most 32"):
        open_channels(path)
    assert our_threads() == []


def long_recording(path: Path, minutes: int = 3) -> Path:
    side = np.arange(minutes * 60 * 16_000) % 20_000
    soundfile.write(path, np.stack([side, -side], axis=1).astype(np.int16), 16_000)
    return path


async def test_the_faster_reader_waits_a_window_ahead_of_the_slower(tmp_path: Path) -> None:
    fast, slow = open_channels(long_recording(tmp_path / "long.wav"))
    ahead_s = 0.0

    async def run_ahead() -> None:
        nonlocal ahead_s
        async with aclosing(fast.chunks()) as chunks:
            async for chunk in chunks:
                ahead_s = chunk.end_s

    with fast, slow:
        running = asyncio.create_task(run_ahead())
        for _ in range(40):
            await asyncio.sleep(0.01)
        assert WINDOW_MS / 1000 <= ahead_s <= WINDOW_MS / 1000 + 1.1
        chunks = [chunk async for chunk in slow.chunks()]
        await running
        assert ahead_s == chunks[-1].end_s == 180


@pytest.mark.real
@pytest.mark.parametrize("how", ["never read", "left", "failed", "cancelled"])
async def test_a_reader_that_ends_early_holds_up_nobody(how: str, tmp_path: Path) -> None:
    first, second = open_channels(long_recording(tmp_path / "long.wav"))

    async def drop_out() -> None:
        with second:
            if how == "never read":
                return
            async for chunk in second.chunks():
                if chunk.end_s > 2 and how == "left":
                    return
                if chunk.end_s > 2 and how == "failed":
                    raise ConnectionError
                if chunk.end_s > 2:
                    await asyncio.sleep(60)

    with first:
        dropping_out = asyncio.create_task(drop_out())
        if how == "cancelled":
            asyncio.get_running_loop().call_later(0.2, dropping_out.cancel)
        chunks, _ = await asyncio.wait_for(
            asyncio.gather(collected(first.chunks()), asyncio.wait([dropping_out])), timeout=10
        )
        if how == "failed":
            assert isinstance(dropping_out.exception(), ConnectionError)
    assert chunks[-1].end_s == 180
    assert our_threads() == []


def test_both_readers_cancelled_in_a_silent_pipe_leave_nothing(recording: Path) -> None:
    async def listen() -> None:
        async with asyncio.timeout(0.3):
            await both(files)

    with half_written(recording.read_bytes()) as pipe:
        before = psutil.Process().num_fds()
        files = open_channels(pipe.path)
        with pytest.raises(TimeoutError):
            asyncio.run(listen())
        assert our_threads() == []
        assert psutil.Process().num_fds() == before


def test_damage_ends_every_channel_after_what_came_before_it(tmp_path: Path) -> None:
    path = tmp_path / "broken.flac"
    soundfile.write(path, np.stack([np.tile(voice, 4) for voice in two_voices()], axis=1), 16_000)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    ends_s: list[float] = []

    async def side(file: AudioFile) -> None:
        end_s = 0.0
        with file:
            try:
                async for chunk in file.chunks():
                    end_s = chunk.end_s
            finally:
                ends_s.append(end_s)

    async def call() -> list[BaseException | None]:
        return await asyncio.gather(*map(side, open_channels(path)), return_exceptions=True)

    failures = asyncio.run(call())
    assert [type(failure) for failure in failures] == [AudioError, AudioError]
    assert ends_s[0] == ends_s[1] > 10
    assert f"{ends_s[0]:.1f} s" in str(failures[0])


def test_channels_can_be_read_from_two_event_loops_in_two_threads(recording: Path) -> None:
    heard: dict[int, bytes] = {}

    def side(file: AudioFile) -> None:
        with file:
            heard[file.channel or 0] = joined(asyncio.run(collected(file.chunks())))

    threads = [threading.Thread(target=side, args=[file]) for file in open_channels(recording)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == {1: taken(recording, 1), 2: taken(recording, 2)}
