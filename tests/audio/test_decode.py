"""Every format, rate and channel count gives the clip back."""

from __future__ import annotations

import asyncio
import struct
from contextlib import aclosing
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile

from tests.audio.formats import CLIP, VARIANTS, Samples, Variant, at_bandwidth_of, clip_samples, snr_db, write
from tests.audio.listening import chunks_of, half_written, joined, our_threads, samples_in
from voxctl.audio.decode import open_audio
from voxctl.errors import AudioError, UsageError


@pytest.fixture(scope="module")
def clip() -> Samples:
    return clip_samples()


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.label)
def test_every_way_to_store_the_clip_gives_the_clip(variant: Variant, clip: Samples, tmp_path: Path) -> None:
    path = write(variant, clip, tmp_path)
    with open_audio(path) as file:
        stated_s = file.duration_s
    decoded = samples_in(joined(chunks_of(path)))
    # IMA-ADPCM is stored in blocks and padded to a whole one.
    tolerance_s = 0.13 if "ADPCM" in variant.subtype else 0.002
    assert len(decoded) / 16_000 == pytest.approx(len(clip) / 16_000, abs=tolerance_s)
    if variant.format == "MP3":
        assert stated_s is None
    else:
        assert stated_s == pytest.approx(len(decoded) / 16_000, abs=0.002)
    assert snr_db(decoded, at_bandwidth_of(variant.rate_hz, clip)) > variant.min_snr_db


def test_the_clip_itself_comes_through_bit_for_bit_in_chunks_of_80_ms() -> None:
    chunks = chunks_of(CLIP)
    assert joined(chunks) == CLIP.read_bytes()[44:]
    assert {chunk.n_samples for chunk in chunks[:-1]} == {1280}
    assert 0 < chunks[-1].n_samples <= 1280


@pytest.mark.parametrize("chunk_ms", [10, 33, 1000])
def test_the_chunk_length_is_ours_to_choose_and_changes_nothing_else(chunk_ms: int) -> None:
    chunks = chunks_of(CLIP, chunk_ms)
    assert {chunk.n_samples for chunk in chunks[:-1]} == {chunk_ms * 16}
    assert joined(chunks) == joined(chunks_of(CLIP))


def test_an_impossible_chunk_length_is_a_usage_error() -> None:
    with pytest.raises(UsageError):
        open_audio(CLIP, chunk_ms=5)


def test_an_mp3_in_blocks_is_the_mp3_in_one_go(clip: Samples, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp3"
    soundfile.write(path, np.tile(clip, 3), 16_000)
    in_one_go = soundfile.read(path, dtype="float32")[0]
    decoded = samples_in(joined(chunks_of(path)))
    assert len(decoded) == len(in_one_go)
    assert np.abs(decoded - np.clip(in_one_go, -1, 1)).max() <= 1 / 32768


def mp3_frames(clip: Samples, path: Path, level: float) -> list[bytes]:
    """Encode at a constant bit rate and return the frames without the first, which states the length."""
    with soundfile.SoundFile(
        path, "w", 16_000, 1, format="MP3", compression_level=level, bitrate_mode="CONSTANT"
    ) as file:
        file.write(clip)
    data, frames, at = path.read_bytes(), [], 0
    kbps = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160]
    while at < len(data):
        n_bytes = 72_000 * kbps[data[at + 2] >> 4] // 16_000 + (data[at + 2] >> 1 & 1)
        frames.append(data[at : at + n_bytes])
        at += n_bytes
    return frames[1:]


def test_an_mp3_whose_bit_rate_falls_is_read_to_its_end_and_not_to_the_guessed_one(
    clip: Samples, tmp_path: Path
) -> None:
    high, low = (mp3_frames(clip, tmp_path / "part.mp3", level) for level in (0.0, 0.99))
    path = tmp_path / "varying.mp3"
    path.write_bytes(b"".join(high + low * 3))
    assert soundfile.info(path).duration < 15  # the trap is there
    n_samples = sum(chunk.n_samples for chunk in chunks_of(path))
    assert n_samples / 16_000 == pytest.approx(4 * len(clip) / 16_000, abs=0.5)


def test_a_cover_picture_before_the_sound_is_stepped_over(clip: Samples, tmp_path: Path) -> None:
    tag = b"ID3\x04\0\0" + bytes([0, 0x1F, 0x07, 0x68]) + b"\xff\xfb" * ((0x1F << 14 | 0x07 << 7 | 0x68) // 2)
    for ending in ("mp3", "flac"):
        bare, tagged = tmp_path / f"bare.{ending}", tmp_path / f"tagged.{ending}"
        soundfile.write(bare, clip, 16_000)
        tagged.write_bytes(tag + bare.read_bytes())
        assert joined(chunks_of(tagged)) == joined(chunks_of(bare))
        with half_written(tagged.read_bytes()) as pipe:
            pipe.go_on()
            assert joined(chunks_of(pipe.path)) == joined(chunks_of(bare))


def test_a_truncated_wav_gives_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "cut.wav"
    path.write_bytes(CLIP.read_bytes()[:100_001])
    with open_audio(path) as file:
        assert file.duration_s == pytest.approx((100_001 - 44) / 32_000, abs=0.001)
    assert joined(chunks_of(path)) == CLIP.read_bytes()[44:100_000]


@pytest.mark.parametrize(
    ("riff_bytes", "data_bytes"),
    [(0xFFFF_FFFF, 0xFFFF_FFFF), (0x7FFF_F024, 0x7FFF_F000), (36, 0), (0, 0)],
    ids=["as ffmpeg pipes it", "as sox pipes it", "never finished", "not even begun"],
)
def test_a_wav_that_does_not_know_its_size_gives_what_is_there(
    riff_bytes: int, data_bytes: int, tmp_path: Path
) -> None:
    data = bytearray(CLIP.read_bytes())
    struct.pack_into("<I", data, 4, riff_bytes)
    struct.pack_into("<I", data, 40, data_bytes)
    path = tmp_path / "unsized.wav"
    path.write_bytes(data)
    assert joined(chunks_of(path)) == CLIP.read_bytes()[44:]
    with half_written(bytes(data)) as pipe:
        pipe.go_on()
        assert joined(chunks_of(pipe.path)) == CLIP.read_bytes()[44:]


def test_missing_and_infinite_samples_in_a_float_file_do_not_spread(clip: Samples, tmp_path: Path) -> None:
    broken = clip.copy()
    broken[8_000], broken[16_000] = np.nan, np.inf
    path = tmp_path / "broken.wav"
    soundfile.write(path, broken, 16_000, subtype="FLOAT")
    different = np.flatnonzero(samples_in(joined(chunks_of(path))) != clip)
    assert set(different) <= {8_000, 16_000}


def n_frames_before_the_error(path: Path) -> int:
    n_frames = 0
    with soundfile.SoundFile(path) as file, pytest.raises(soundfile.LibsndfileError):
        while len(file.read(64)):
            n_frames += 64
    return n_frames


def test_a_file_that_breaks_in_the_middle_gives_all_before_it_and_then_an_error(tmp_path: Path) -> None:
    path = tmp_path / "broken.flac"
    soundfile.write(path, np.tile(clip_samples(), 4), 16_000)
    whole = joined(chunks_of(path))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)

    chunks = []

    async def listen() -> None:
        with open_audio(path) as file:
            async for chunk in file.chunks():
                chunks.append(chunk)  # noqa: PERF401 - what came before the error is wanted

    with pytest.raises(AudioError, match=r"cannot be read past 1\d\.\d s: flac decoder lost sync") as failure:
        asyncio.run(listen())
    assert failure.value.hint
    end_s = chunks[-1].end_s
    assert f"{end_s:.1f}" in failure.value.message
    assert end_s * 16_000 >= n_frames_before_the_error(path) > 17 * 16_000
    # libFLAC can give the damaged frame (4096 samples) as silence, and the one after it, before it complains.
    assert whole.startswith(joined(chunks)[: -2 * 2 * 4096])


def n_descriptors() -> int:
    return psutil.Process().num_fds()


def test_stopping_early_leaves_no_thread_and_no_open_file(clip: Samples, tmp_path: Path) -> None:
    paths = [CLIP, tmp_path / "clip.mp3"]
    soundfile.write(paths[1], np.tile(clip, 10), 16_000)

    async def take_two(path: Path) -> None:
        with open_audio(path) as file:
            async with aclosing(file.chunks()) as chunks:
                await anext(chunks)
                await anext(chunks)

    before = n_descriptors()
    for path in paths:
        asyncio.run(take_two(path))
        assert our_threads() == []
    assert n_descriptors() == before


def test_a_file_that_cannot_be_opened_leaves_nothing_open(tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp3"
    bad.write_bytes(b"\xff\xfb\x90\x64" + bytes(range(200)))
    before = n_descriptors()
    with pytest.raises(AudioError):
        open_audio(bad)
    assert n_descriptors() == before
    assert our_threads() == []


def test_closing_twice_is_fine_and_the_chunks_can_be_taken_once() -> None:
    file = open_audio(CLIP)
    asyncio.run(anext(file.chunks()))
    with pytest.raises(RuntimeError, match="once"):
        asyncio.run(anext(file.chunks()))
    file.close()
    file.close()


async def test_decoding_never_holds_up_the_event_loop(clip: Samples, tmp_path: Path) -> None:
    path = tmp_path / "long.flac"
    soundfile.write(path, np.tile(clip, 30), 16_000)
    n_turns = 0

    async def count_turns() -> None:
        nonlocal n_turns
        while True:
            await asyncio.sleep(0)
            n_turns += 1

    counting = asyncio.create_task(count_turns())
    n_batches = 0
    with open_audio(path) as file:
        async for chunk in file.chunks():
            n_batches += chunk.start_sample % 16_000 == 0
    counting.cancel()
    assert n_turns > n_batches
