"""Chunks, the way to PCM16, and cutting a stream."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.audio.listening import REPOSITORY
from voxctl.audio.pcm import Chunk, Rechunker, to_pcm16
from voxctl.errors import UsageError


def test_a_chunk_knows_its_place_and_length() -> None:
    chunk = Chunk(b"\0\0" * 1280, start_sample=16_000)
    assert (chunk.n_samples, chunk.start_s, chunk.end_s) == (1280, 1.0, 1.08)


@pytest.mark.parametrize(("pcm", "start_sample"), [(b"", 0), (b"\0", 0), (b"\0\0\0", 0), (b"\0\0", -1)])
def test_a_chunk_that_is_empty_or_half_a_sample_or_before_the_start_cannot_be_made(
    pcm: bytes, start_sample: int
) -> None:
    with pytest.raises(ValueError, match="chunk"):
        Chunk(pcm, start_sample)


def test_every_16_bit_value_survives_the_way_through_float() -> None:
    values = np.arange(-32768, 32768, dtype="<i2")
    assert to_pcm16((values / 32768).astype(np.float32)) == values.tobytes()


def test_loud_infinite_and_missing_samples_are_clipped_or_silent() -> None:
    odd = np.array([2, -2, np.inf, -np.inf, np.nan, 1e38], np.float32)
    assert np.frombuffer(to_pcm16(odd), "<i2").tolist() == [32767, -32768, 32767, -32768, 0, 32767]


def test_samples_are_rounded_and_not_cut_off() -> None:
    steps = np.array([0.4, 0.6, -0.6, 1.4], np.float32) / np.float32(32768)
    assert np.frombuffer(to_pcm16(steps), "<i2").tolist() == [0, 1, -1, 1]


@given(
    pieces=st.lists(st.binary(max_size=3000), max_size=30),
    chunk_ms=st.sampled_from([10, 13, 80, 500, 1000]),
)
def test_rechunking_keeps_every_byte_and_makes_equal_chunks_in_a_row(pieces: list[bytes], chunk_ms: int) -> None:
    rechunker = Rechunker(chunk_ms)
    chunks = [chunk for piece in pieces for chunk in rechunker.feed(piece)]
    last = rechunker.finish()
    stream = b"".join(pieces)
    assert b"".join(chunk.pcm for chunk in chunks + last) == stream[: len(stream) // 2 * 2]
    assert all(chunk.n_samples == chunk_ms * 16 for chunk in chunks)
    assert [chunk.n_samples for chunk in last] in ([], [len(stream) // 2 % (chunk_ms * 16)])
    position = 0
    for chunk in chunks + last:
        assert chunk.start_sample == position
        position += chunk.n_samples


@pytest.mark.parametrize("chunk_ms", [-80, 0, 9, 1001])
def test_a_chunk_length_out_of_range_is_refused_with_the_range(chunk_ms: int) -> None:
    with pytest.raises(UsageError, match=str(chunk_ms)) as refusal:
        Rechunker(chunk_ms)
    assert refusal.value.hint and "10 to 1000" in refusal.value.hint


def test_importing_the_chunk_does_not_load_numpy() -> None:
    program = "import sys, voxctl.audio.pcm, voxctl.audio.pace; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, check=False).returncode == 0
