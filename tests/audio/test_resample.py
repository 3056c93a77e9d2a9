"""Streamed resampling: the same as in one go, without aliases, and not to be poisoned."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.audio.formats import Samples
from voxctl.audio.resample import ResampleStream

RATES_HZ = [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000]


def noise(n_frames: int, n_channels: int = 1) -> Samples:
    return (0.1 * np.random.default_rng(7).standard_normal((n_frames, n_channels))).astype(np.float32)


def streamed(blocks: list[Samples], rate_hz: int, n_channels: int = 1) -> Samples:
    stream = ResampleStream(rate_hz, n_channels)
    return np.concatenate([*(stream.feed(block) for block in blocks), stream.finish()])


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_the_stream_is_soxr_in_one_go_bit_for_bit(rate_hz: int) -> None:
    sound = noise(rate_hz)
    in_one_go = soxr.resample(sound[:, 0], rate_hz, 16_000, quality="HQ")
    blocks = [sound[at : at + 311] for at in range(0, len(sound), 311)]
    assert np.array_equal(streamed(blocks, rate_hz), in_one_go)


@settings(deadline=None)
@given(
    cuts=st.lists(st.integers(0, 6000), max_size=12),
    rate_hz=st.sampled_from(RATES_HZ),
    n_channels=st.integers(1, 9),
)
def test_how_the_input_was_cut_never_shows(cuts: list[int], rate_hz: int, n_channels: int) -> None:
    sound = noise(6000, n_channels)
    blocks = np.split(sound, sorted(cuts))
    assert np.array_equal(streamed(blocks, rate_hz, n_channels), streamed([sound], rate_hz, n_channels))


def test_a_tone_that_16_khz_cannot_hold_is_gone_and_not_mirrored() -> None:
    tone = np.sin(2 * np.pi * 9_000 * np.arange(44_100) / 44_100).astype(np.float32)
    out = streamed([tone], 44_100)[1000:-1000]
    assert 20 * np.log10(np.sqrt(np.mean(out**2)) / np.sqrt(0.5)) < -60


def test_a_tone_in_the_band_comes_through_at_its_level() -> None:
    tone = np.sin(2 * np.pi * 3_000 * np.arange(44_100) / 44_100).astype(np.float32)
    out = streamed([tone], 44_100)[1000:-1000]
    assert abs(20 * np.log10(np.sqrt(np.mean(out**2)) / np.sqrt(0.5))) < 0.05


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e38])
@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
def test_one_broken_sample_does_not_spoil_what_comes_after_it(bad: float, rate_hz: int) -> None:
    clean = noise(rate_hz)
    broken = clean.copy()
    broken[5_000] = bad
    out, reference = streamed([broken], rate_hz), streamed([clean], rate_hz)
    after = 5_000 * 16_000 // rate_hz + 1_600
    assert np.isfinite(out).all()
    assert np.abs(out[after:] - reference[after:]).max() < 1e-3


def test_channels_are_averaged() -> None:
    two = np.array([[0.5, 0.25], [-0.5, 0.5], [1, -1]], np.float32)
    assert streamed([two], 16_000, 2).tolist() == [0.375, 0.0, 0.0]
