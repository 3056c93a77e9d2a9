"""Speech and what is none, told apart on real sound."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from tests.cli.program import CLIP
from voxctl.audio.speech import silences, speech_s

SECOND = b"\0\0" * 16_000


@pytest.fixture(scope="module")
def clip() -> bytes:
    return bytes(soundfile.read(CLIP, dtype="int16")[0].tobytes())


def test_a_reader_speaks_most_of_the_time_and_pauses_after_the_sentence(clip: bytes) -> None:
    assert 6 < speech_s(clip) < 9
    inner = [(start_s, end_s) for start_s, end_s in silences(clip) if start_s > 1 and end_s < 9]
    assert len(inner) == 1 and 5.4 < inner[0][0] < 6.0 < inner[0][1] < 6.5


def test_silence_and_noise_are_no_speech() -> None:
    noise = (np.random.default_rng(1).standard_normal(64_000) * 300).astype("int16").tobytes()
    for pcm in (4 * SECOND, noise):
        assert speech_s(pcm) < 0.2


def test_a_pause_that_was_put_there_is_found_where_it_is(clip: bytes) -> None:
    at = 2 * 16_000 * 2  # 2 s, in the middle of a phrase
    for pause_s in (0.5, 1.0, 3.0):
        pause = b"\0\0" * round(16_000 * pause_s)
        found = silences(clip[:at] + pause + clip[at:])
        assert any(abs(start_s - 2.0) < 0.15 and abs(end_s - 2.0 - pause_s) < 0.15 for start_s, end_s in found), found


def test_silence_to_the_end_is_one_and_too_short_a_sound_is_nothing() -> None:
    assert silences(SECOND) == [(0.0, 1.0)]
    assert silences(SECOND[:100]) == [] and speech_s(b"") == 0
