"""The event stream format, against the SDK's own coder."""

from __future__ import annotations

import json
from binascii import crc32
from io import BytesIO
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smithy_aws_event_stream.events import HEADER_VALUE, Byte, Event, EventMessage, Long, Short

from voxctl.serving.standin import events
from voxctl.serving.standin.events import EventBroken, EventReader, StreamEvent

NAMES = st.text("ab:-é€😀", min_size=1, max_size=20)


def read(data: bytes, most_bytes: int = 2**24) -> list[StreamEvent]:
    return list(EventReader(most_bytes).feed(data))


def sdk_reads(data: bytes) -> EventMessage:
    event = Event.decode(BytesIO(data))
    assert event is not None
    return event.message


@given(
    st.dictionaries(NAMES, st.text(max_size=50) | st.binary(max_size=50) | st.booleans(), max_size=4),
    st.binary(max_size=50),
)
def test_what_the_sdk_writes_is_read(headers: dict[str, str | bytes | bool], payload: bytes) -> None:
    data = EventMessage(headers=headers, payload=payload).encode()
    assert read(data) == [StreamEvent(headers, payload)]


def test_every_type_of_header_is_read() -> None:
    from datetime import UTC, datetime

    number = UUID("00112233-4455-6677-8899-aabbccddeeff")
    when = datetime(2026, 1, 31, 12, 0, 0, 250_000, UTC)
    headers: dict[str, HEADER_VALUE] = {
        "a": Byte(-1),
        "b": Short(-2),
        "c": -3,
        "d": Long(-4),
        "e": number,
        "f": when,
        "g": True,
        "h": False,
    }
    [event] = read(EventMessage(headers=headers).encode())
    assert event.headers == {
        "a": -1, "b": -2, "c": -3, "d": -4, "e": number.bytes, "f": int(when.timestamp() * 1000), "g": True, "h": False,
    }  # fmt: skip


@given(st.dictionaries(NAMES, st.text(max_size=200), max_size=5), st.binary(max_size=500))
def test_what_is_written_the_sdk_reads(headers: dict[str, str], payload: bytes) -> None:
    message = sdk_reads(events.encoded(headers, payload))
    assert dict(message.headers) == headers and message.payload == payload


@given(st.lists(st.binary(max_size=300), max_size=6), st.integers(1, 700))
def test_how_the_bytes_are_cut_does_not_matter(payloads: list[bytes], step: int) -> None:
    data = b"".join(EventMessage(headers={"n": str(n)}, payload=p).encode() for n, p in enumerate(payloads))
    reader = EventReader(1000)
    found = [event for at in range(0, len(data), step) for event in reader.feed(data[at : at + step])]
    assert [event.payload for event in found] == payloads and not reader.in_event


@given(st.binary(min_size=1, max_size=60), st.integers(0, 10_000), st.integers(1, 255))
def test_no_flipped_bit_passes(payload: bytes, where: int, flip: int) -> None:
    data = bytearray(EventMessage(headers={"name": "value"}, payload=payload).encode())
    data[where % len(data)] ^= flip
    with pytest.raises(EventBroken):
        read(bytes(data))


@given(st.binary(max_size=80))
def test_headers_of_any_bytes_are_read_or_refused(headers: bytes) -> None:
    lengths = (16 + len(headers)).to_bytes(4) + len(headers).to_bytes(4)
    body = lengths + crc32(lengths).to_bytes(4) + headers
    try:
        [event] = read(body + crc32(body).to_bytes(4))
    except EventBroken:
        return
    assert event.payload == b""


@pytest.mark.parametrize(("n_bytes", "fits"), [(100, True), (101, False)])
def test_an_event_that_is_too_long_is_refused_before_it_has_come(n_bytes: int, fits: bool) -> None:
    begun = EventMessage(payload=bytes(n_bytes)).encode()[:20]
    reader = EventReader(100)
    if fits:
        assert list(reader.feed(begun)) == [] and reader.in_event
    else:
        with pytest.raises(EventBroken, match="not taken"):
            list(reader.feed(begun))


def test_the_events_of_the_service_are_those_of_its_model() -> None:
    text, data = sdk_reads(events.payload_part("é")), sdk_reads(events.payload_part(b"\xff", complete=False))
    assert (text.headers["DataType"], text.headers["CompletionState"], text.payload) == (
        "UTF8",
        "COMPLETE",
        b"\xc3\xa9",
    )
    assert (data.headers["DataType"], data.headers["CompletionState"], data.payload) == ("BINARY", "PARTIAL", b"\xff")
    failure = sdk_reads(events.exception("ModelStreamError", "words", ErrorCode="StreamBroken"))
    assert failure.headers[":message-type"] == "exception" and failure.headers[":exception-type"] == "ModelStreamError"
    assert json.loads(failure.payload) == {"Message": "words", "ErrorCode": "StreamBroken"}
