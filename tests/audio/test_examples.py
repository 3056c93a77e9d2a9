"""The clip that comes with voxctl is what its README says."""

from __future__ import annotations

import soundfile

from tests.audio.formats import CLIP, CLIP_TEXT


def test_the_clip_is_short_small_and_in_the_program_s_own_format() -> None:
    facts = soundfile.info(CLIP)
    assert (facts.samplerate, facts.channels, facts.subtype) == (16_000, 1, "PCM_16")
    assert 5 < facts.duration < 15
    assert CLIP.stat().st_size < 400_000


def test_its_words_are_one_line() -> None:
    assert CLIP_TEXT.read_text().count("\n") == 1
    assert len(CLIP_TEXT.read_text().split()) == 26


def test_its_readme_names_the_origin_and_the_licence() -> None:
    readme = CLIP.with_name("README.md").read_text()
    assert CLIP.name in readme and CLIP_TEXT.name in readme
    assert "LibriVox" in readme and "Public domain" in readme
