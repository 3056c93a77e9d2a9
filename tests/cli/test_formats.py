"""The same clip, stored in every way there is, gives the same words."""

from __future__ import annotations

import difflib
import json
from pathlib import Path

import pytest
import soundfile

from tests.audio.formats import VARIANTS, Variant, write
from tests.cli.program import REPOSITORY, run

pytestmark = pytest.mark.real  # half a minute of recognising; tests/audio compares the sound itself

CLIP = REPOSITORY / "tests" / "data" / "ill-disposed.wav"
LOSSY = {"PCM_U8", "ULAW", "ALAW", "IMA_ADPCM", "VORBIS", "OPUS", "MPEG_LAYER_III"}
#: Below this the bundled recogniser, whose model is of wide-band speech, hears other words; the sound itself is right,
#: which tests/audio shows.
NARROW_HZ = 16_000


def is_wide(variant: Variant) -> bool:
    return variant.rate_hz >= NARROW_HZ


async def heard(variants: list[Variant], folder: Path) -> list[dict[str, object]]:
    """Return the documents of all variants of the clip, in one run."""
    samples = soundfile.read(CLIP, dtype="float32")[0]
    done = await run(
        "transcribe", "--format", "json", *(write(variant, samples, folder) for variant in variants), limit_s=110
    )
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def n_different(one: str, other: str) -> int:
    """Return how many words must be put in, taken out or replaced to make one of the other."""
    matcher = difflib.SequenceMatcher(None, one.split(), other.split(), autojunk=False)
    return sum(max(b - a, d - c) for kind, a, b, c, d in matcher.get_opcodes() if kind != "equal")


async def test_every_lossless_format_gives_the_same_words(tmp_path: Path) -> None:
    variants = [v for v in VARIANTS if is_wide(v) and v.subtype not in LOSSY]
    documents = await heard(variants, tmp_path)
    assert len(documents) == len(variants) >= 18
    wrong = {v.label: d["text"] for v, d in zip(variants, documents, strict=True) if d["text"] != documents[0]["text"]}
    assert not wrong, documents[0]["text"]
    assert {d["audio_s"] for d in documents} == {2.99}


async def test_every_lossy_format_gives_the_same_words_within_two(tmp_path: Path) -> None:
    lossy = [v for v in VARIANTS if is_wide(v) and v.subtype in LOSSY]
    reference, *documents = await heard([VARIANTS[0], *lossy], tmp_path)
    assert len(documents) >= 8 and len(str(reference["text"]).split()) >= 7
    wrong = {
        v.label: d["text"]
        for v, d in zip(lossy, documents, strict=True)
        if n_different(str(reference["text"]), str(d["text"])) > 2
    }
    assert not wrong, reference["text"]


async def test_telephone_band_sound_is_transcribed_whole(tmp_path: Path) -> None:
    narrow = [v for v in VARIANTS if not is_wide(v)]
    documents = await heard(narrow, tmp_path)
    assert len(documents) == len(narrow) >= 3
    assert all(d["complete"] and d["words"] and abs(float(str(d["audio_s"])) - 2.99) < 0.01 for d in documents)
