"""Reading a client's messages as leniently and as strictly as vLLM."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxctl.serving import wire


@pytest.mark.parametrize("yes", [True, 1, 1.0, "true", "TRUE", "1", "yes", "on", "t", "y"])
def test_a_commit_is_final_by_any_word_for_yes(yes: object) -> None:
    assert wire.is_final({"final": yes})


@pytest.mark.parametrize("no", [False, 0, 0.0, "false", "0", "no", "off", "n"])
def test_a_commit_is_not_final_by_any_word_for_no(no: object) -> None:
    assert not wire.is_final({"final": no})
    assert not wire.is_final({})


@pytest.mark.parametrize("neither", [None, 2, -1, 0.5, "", "maybe", [], {}, [True]])
def test_anything_else_is_refused(neither: object) -> None:
    with pytest.raises(wire.Refused) as refused:
        wire.is_final({"final": neither})
    assert refused.value.code == "processing_error"


@pytest.mark.parametrize(("audio", "pcm"), [("QUJD\nQUJD", b"ABCABC"), ("Q U I=", b"AB")])
def test_base64_with_something_else_in_it_is_read(audio: str, pcm: bytes) -> None:
    assert wire.audio_of({"audio": audio}) == pcm


@pytest.mark.parametrize("audio", ["__--", "QQ==", "QUI", "é", "", "\ud800"])
def test_audio_that_holds_no_samples_is_refused(audio: str) -> None:
    with pytest.raises(wire.Refused) as refused:
        wire.audio_of({"audio": audio})
    assert refused.value.code == "invalid_audio"


def test_a_frame_nested_a_hundred_thousand_deep_is_refused() -> None:
    with pytest.raises(wire.Refused):
        wire.parse("[" * 100_000)


@given(st.text())
def test_no_text_frame_does_worse_than_be_refused(text: str) -> None:
    try:
        assert isinstance(wire.parse(text), dict)
    except wire.Refused as refused:
        assert refused.code in ("invalid_json", "processing_error")


@given(st.text(), st.text())
def test_what_is_said_is_one_line_of_json_whatever_is_in_it(message: str, code: str) -> None:
    frame = wire.error(message, code)
    assert json.loads(frame) == {"type": "error", "error": message, "code": code}
    assert frame.encode("utf-8").count(b"\n") == 0


def test_done_carries_a_confidence_only_if_there_is_one() -> None:
    assert "voxctl" not in json.loads(wire.transcription_done("", 39, 10, None))
    done = json.loads(wire.transcription_done("a b", 63, 10, 0.63291))
    assert done["voxctl"] == {"confidence": 0.633}
    assert done["usage"]["total_tokens"] == 73
