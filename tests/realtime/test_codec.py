"""Messages to frames and back."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxctl.errors import ProtocolError
from voxctl.events import Usage
from voxctl.realtime.codec import decode, encode
from voxctl.realtime.messages import (
    Append,
    Commit,
    ErrorMessage,
    SessionCreated,
    SessionUpdate,
    TranscriptionDelta,
    TranscriptionDone,
    Unknown,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
KINDS = st.sampled_from(["session.created", "transcription.delta", "transcription.done", "error", "new.kind"])


def test_the_frames_are_those_vllm_reads() -> None:
    assert json.loads(encode(SessionUpdate("m"))) == {"type": "session.update", "model": "m"}
    assert json.loads(encode(Commit())) == {"type": "input_audio_buffer.commit"}
    assert json.loads(encode(Commit(final=True))) == {"type": "input_audio_buffer.commit", "final": True}


@given(st.binary(min_size=2).filter(lambda b: len(b) % 2 == 0))
def test_audio_survives_the_wire(pcm: bytes) -> None:
    frame = json.loads(encode(Append(pcm)))
    assert frame["type"] == "input_audio_buffer.append"
    assert base64.b64decode(frame["audio"], validate=True) == pcm


@pytest.mark.parametrize("message", [Append(b""), Append(b"abc"), SessionUpdate("")])
def test_what_a_server_would_drop_is_refused_here(message: Append | SessionUpdate) -> None:
    with pytest.raises(ValueError, match=r"chunk|model"):
        encode(message)


def test_every_server_message_is_read() -> None:
    assert decode('{"type":"session.created","id":"s1","created":1}') == SessionCreated("s1", {})
    assert decode('{"type":"transcription.delta","delta":" a"}') == TranscriptionDelta(" a")
    done = (
        '{"type":"transcription.done","text":"a","usage":{"prompt_tokens":39,"completion_tokens":9,"total_tokens":48}}'
    )
    assert decode(done) == TranscriptionDone("a", Usage(39, 9), {})
    assert decode('{"type":"error","error":"no","code":"model_not_found"}') == ErrorMessage("no", "model_not_found")


def test_what_our_own_server_adds_is_kept_apart() -> None:
    message = decode('{"type":"session.created","id":"s","voxctl":{"engine":"pocketsphinx"}}')
    assert message == SessionCreated("s", {"engine": "pocketsphinx"})


def test_an_unknown_kind_is_kept_whole() -> None:
    raw = '{"type":"transcription.segment","text":"x"}'
    assert decode(raw) == Unknown("transcription.segment", raw)


@pytest.mark.parametrize(
    "frame", ["", "hello", "[]", "1", "{}", '{"type":3}', '{"type":"transcription.delta"}', "[" * 100_000]
)
def test_what_is_no_message_is_a_protocol_error(frame: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode(frame)
    assert caught.value.hint


@given(KINDS, st.dictionaries(st.sampled_from(["id", "delta", "text", "usage", "error", "code", "voxctl"]), JSON))
def test_no_server_message_crashes_us(kind: str, fields: dict[str, object]) -> None:
    try:
        message = decode(json.dumps({**fields, "type": kind}))
    except ProtocolError:
        return
    assert message is not None


@given(st.text())
def test_no_frame_crashes_us(frame: str) -> None:
    try:
        decode(frame)
    except ProtocolError as exc:
        assert frame[:50] not in exc.message or len(frame) < 20  # nobody's words end up in a log
