"""Headerless sound: what a telephone system sends, packet by packet."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from tests.audio.formats import CLIP, Samples, at_bandwidth_of, clip_samples, snr_db
from tests.audio.listening import collected, half_written, joined, samples_in, start
from voxctl.audio.decode import open_audio
from voxctl.audio.pcm import Chunk
from voxctl.audio.raw import Encoding, RawFormat
from voxctl.errors import AudioError, UsageError

SUBTYPES = {Encoding.PCM16: "PCM_16", Encoding.MULAW: "ULAW", Encoding.ALAW: "ALAW"}
CALL = RawFormat(Encoding.MULAW, 8_000, 1)


def raw_bytes(samples: Samples, raw: RawFormat) -> bytes:
    """Write 16 kHz samples, mono or (frames, channels), as headerless bytes."""
    every_channel = samples if samples.ndim == 2 else np.repeat(samples[:, None], raw.n_channels, axis=1)
    if raw.rate_hz != 16_000:
        every_channel = soxr.resample(every_channel, 16_000, raw.rate_hz, quality="VHQ")
    file = io.BytesIO()
    soundfile.write(file, every_channel, raw.rate_hz, SUBTYPES[raw.encoding], "LITTLE", format="RAW")
    return file.getvalue()


def chunks_of_raw(path: str | Path, raw: RawFormat, chunk_ms: int = 80) -> list[Chunk]:
    with open_audio(path, raw=raw, chunk_ms=chunk_ms) as file:
        return asyncio.run(collected(file.chunks()))


@pytest.mark.parametrize("encoding", Encoding)
@pytest.mark.parametrize(("rate_hz", "n_channels"), [(8_000, 1), (8_000, 2), (16_000, 1), (48_000, 2)])
def test_headerless_sound_is_what_it_is_said_to_be(
    encoding: Encoding, rate_hz: int, n_channels: int, tmp_path: Path
) -> None:
    raw = RawFormat(encoding, rate_hz, n_channels)
    path = tmp_path / "call"
    path.write_bytes(raw_bytes(clip_samples(), raw))
    with open_audio(path, raw=raw) as file:
        assert file.n_channels == n_channels
        assert file.duration_s == pytest.approx(9.34, abs=0.001)
    decoded = joined(chunks_of_raw(path, raw))
    assert len(decoded) / 32_000 == pytest.approx(9.34, abs=0.001)
    assert snr_db(samples_in(decoded), at_bandwidth_of(rate_hz, clip_samples())) > 30
    with half_written(path.read_bytes()) as pipe:
        pipe.go_on()
        assert joined(chunks_of_raw(pipe.path, raw)) == decoded


def test_the_bytes_of_a_wav_without_its_header_come_through_bit_for_bit(tmp_path: Path) -> None:
    path = tmp_path / "clip.raw"
    path.write_bytes(CLIP.read_bytes()[44:])
    assert joined(chunks_of_raw(path, RawFormat(Encoding.PCM16, 16_000, 1))) == CLIP.read_bytes()[44:]


@pytest.mark.parametrize("n_extra", [1, 2, 3])
def test_half_a_frame_at_the_end_is_dropped(n_extra: int, tmp_path: Path) -> None:
    raw = RawFormat(Encoding.PCM16, 16_000, 2)
    whole = raw_bytes(clip_samples(), raw)
    path = tmp_path / "call"
    path.write_bytes(whole)
    expected = joined(chunks_of_raw(path, raw))
    path.write_bytes(whole + bytes(range(7, 7 + n_extra)))
    assert joined(chunks_of_raw(path, raw)) == expected
    with half_written(path.read_bytes()) as pipe:
        pipe.go_on()
        assert joined(chunks_of_raw(pipe.path, raw)) == expected


@pytest.mark.parametrize(
    ("raw", "chunk_ms", "most_held_ms"),
    [(CALL, 80, 200), (CALL, 20, 160), (RawFormat(Encoding.PCM16, 16_000, 1), 20, 20)],
)
def test_a_live_call_in_packets_of_20_ms_is_never_held_back_for_long(
    raw: RawFormat, chunk_ms: int, most_held_ms: int
) -> None:
    """The writer waits after half a second: what has not come out by then is what is held back.

    A chunk must be complete, and the resampler of 8 kHz holds back up to 120 ms; nothing else is waited for.
    """
    sound, packet_bytes = raw_bytes(clip_samples(), raw), raw.rate_hz * raw.frame_bytes // 50
    packets = [sound[at : at + packet_bytes] for at in range(0, len(sound), packet_bytes)]
    read_fd, write_fd = os.pipe()
    waiting, n_sent = threading.Semaphore(0), 25
    in_vain = False

    def call() -> None:
        nonlocal in_vain
        for n_before, packet in enumerate(packets):
            if n_before == n_sent:
                in_vain = not waiting.acquire(timeout=5)
            os.write(write_fd, packet)
        os.close(write_fd)

    async def listen() -> int:
        n_samples = 0
        with open_audio(f"/dev/fd/{read_fd}", raw=raw, chunk_ms=chunk_ms) as file:
            async for chunk in file.chunks():
                n_samples += chunk.n_samples
                if chunk.end_s >= (20 * n_sent - most_held_ms) / 1000:
                    waiting.release()
        return n_samples

    caller = threading.Thread(target=call)
    caller.start()
    try:
        assert asyncio.run(listen()) == len(clip_samples())
    finally:
        caller.join()
        os.close(read_fd)
    assert not in_vain


def test_raw_sound_comes_out_of_a_live_pipe_before_the_rest_is_written() -> None:
    data = raw_bytes(np.tile(clip_samples(), 3), CALL)
    chunks: list[Chunk] = []

    async def listen() -> None:
        with open_audio(pipe.path, raw=CALL) as file:
            assert file.duration_s is None
            async for chunk in file.chunks():
                chunks.append(chunk)
                if chunk.end_s > 13.8:
                    pipe.go_on()

    with half_written(data) as pipe:
        asyncio.run(listen())
    assert not pipe.waited_in_vain
    assert chunks[-1].end_s == pytest.approx(3 * 9.34, abs=0.001)


RAW_FROM_STDIN = """
import asyncio, sys
from voxctl.audio.decode import open_audio
from voxctl.audio.raw import Encoding, RawFormat
async def listen(file):
    async for chunk in file.chunks():
        sys.stdout.buffer.write(chunk.pcm)
with open_audio("-", raw=RawFormat(Encoding.ALAW, 8000, 1)) as file:
    asyncio.run(listen(file))
"""


def test_standard_input_can_be_raw(tmp_path: Path) -> None:
    raw = RawFormat(Encoding.ALAW, 8_000, 1)
    data = raw_bytes(clip_samples(), raw)
    path = tmp_path / "call"
    path.write_bytes(data)
    with start(RAW_FROM_STDIN, stdin=subprocess.PIPE) as child:
        out, err = child.communicate(data)
    assert out == joined(chunks_of_raw(path, raw)), err.decode()


@pytest.mark.parametrize("quiet", [b"\xff", b"\x7f", b"\xd5", b"\x00", b"\xff\xfb\x90\x64", b"\xff\xf1\x50\x80"])
def test_silence_is_not_mistaken_for_a_header(quiet: bytes, tmp_path: Path) -> None:
    path = tmp_path / "call"
    path.write_bytes(quiet * (8_000 // len(quiet)))
    assert sum(chunk.n_samples for chunk in chunks_of_raw(path, CALL)) == 16_000


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (CLIP.read_bytes()[:500], "WAV"),
        (b"fLaC" + bytes(500), "FLAC"),
        (b"OggS" + bytes(500), "Ogg"),
        (b"ID3\x04" + bytes(500), "MP3"),
        (b"\0\0\0\x20ftypM4A " + bytes(500), "MP4/M4A"),
        (b"\x1aE\xdf\xa3" + bytes(500), "WebM/Matroska"),
    ],
)
def test_a_file_with_a_header_is_not_taken_for_raw_sound(head: bytes, name: str, tmp_path: Path) -> None:
    path = tmp_path / "call"
    path.write_bytes(head)
    with pytest.raises(AudioError) as caught:
        open_audio(path, raw=CALL)
    assert caught.value.message == f"{path} is not raw sound: it begins with the header of {name}"
    assert str(caught.value.hint).startswith("leave --raw out")


def test_raw_sound_that_is_too_short_for_one_sample_says_so(tmp_path: Path) -> None:
    path = tmp_path / "call"
    path.write_bytes(b"")
    with pytest.raises(AudioError, match=r"is empty"):
        open_audio(path, raw=CALL)
    path.write_bytes(b"abc")
    with pytest.raises(AudioError, match="holds 3 bytes, not one whole sample"):
        open_audio(path, raw=RawFormat(Encoding.PCM16, 8_000, 2))


@pytest.mark.parametrize(
    ("rate_hz", "n_channels", "words"),
    [
        (0, 1, "rate of 0 Hz"),
        (999, 1, "999 Hz"),
        (192_001, 1, "192001 Hz"),
        (8_000, 0, "0 channels"),
        (8_000, 33, "33"),
    ],
)
def test_a_raw_format_that_no_sound_has_is_a_usage_error(rate_hz: int, n_channels: int, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        RawFormat(Encoding.PCM16, rate_hz, n_channels)
    assert caught.value.hint
