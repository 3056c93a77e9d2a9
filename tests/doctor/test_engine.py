"""The self-test of the bundled recogniser: a real server, a real session, and a sound that a detector calls speech."""

from __future__ import annotations

import re
from array import array

import pytest

from voxctl.audio.speech import speech_s
from voxctl.audio.voice import voice
from voxctl.doctor import engine
from voxctl.doctor.check import Status
from voxctl.doctor.engine import SOUND_S, self_test
from voxctl.errors import EngineUnavailable


def test_the_sound_is_a_voice_of_that_length() -> None:
    pcm = voice(1.0)
    samples = array("h", pcm)
    assert len(samples) == 16_000 and 3_000 < max(map(abs, samples)) < 32_767
    assert speech_s(pcm) > 0.5


@pytest.mark.real
async def test_the_bundled_recogniser_answers_all_of_it_and_its_speed_is_told() -> None:
    finding = await self_test()
    assert finding.status in (Status.OK, Status.NOTE)  # a busy machine may be slower than speech
    told = re.search(r"ready in (\S+) s, (\S+)x real time", finding.found)
    assert told and 0 < float(told[1]) < 60 and 0 < float(told[2]) < 1000
    assert (finding.status is Status.NOTE) == (float(told[2]) < 1)
    assert SOUND_S >= 2


async def test_a_recogniser_that_cannot_start_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    # The worker is a Python of ours: one that is not there.
    monkeypatch.setattr("sys.executable", "/nonexistent/python")
    with pytest.raises(EngineUnavailable):
        await engine.self_test()
