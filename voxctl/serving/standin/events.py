"""The event stream format: ``application/vnd.amazon.eventstream``. Pure: bytes in, events out, and back.

An event is a prelude (total length, length of the headers, CRC-32 of both), headers, a payload, and a CRC-32 of
everything before it; numbers are big-endian. A signed event has another one, or nothing, as its payload.
"""

from __future__ import annotations

import json
import struct
from binascii import crc32
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

HeaderValue = bool | int | str | bytes

_PRELUDE = struct.Struct("!III")
_CRC = struct.Struct("!I")
_FRAME_BYTES = _PRELUDE.size + _CRC.size
_MOST_HEADER_BYTES = 128 * 1024
#: Header type → how many bytes it takes, and how they are read.
_INTEGERS = {2: struct.Struct("!b"), 3: struct.Struct("!h"), 4: struct.Struct("!i"), 5: struct.Struct("!q")}
_BYTES, _TEXT, _TIMESTAMP, _UUID = 6, 7, 8, 9
_UUID_BYTES = 16


class EventBroken(ValueError):
    """Bytes that are no event, or one that is too long."""


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event. A timestamp among the headers is a number of milliseconds since 1970."""

    headers: Mapping[str, HeaderValue]
    payload: bytes


class EventReader:
    """Cuts a stream of bytes into events. ``most_bytes`` bounds the payload of one."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._data = bytearray()

    @property
    def in_event(self) -> bool:
        """Whether a part of an event is waiting for the rest."""
        return bool(self._data)

    def feed(self, data: bytes) -> Iterator[StreamEvent]:
        """Take bytes in and yield the events that are now complete. Raises ``EventBroken``."""
        self._data += data
        while len(self._data) >= _PRELUDE.size:
            total, n_headers, _ = self._prelude()
            if len(self._data) < total:
                return
            event = bytes(memoryview(self._data)[:total])
            del self._data[:total]
            yield _parsed(event, n_headers)

    def _prelude(self) -> tuple[int, int, int]:
        total, n_headers, crc = _PRELUDE.unpack_from(self._data)
        if crc32(memoryview(self._data)[: _PRELUDE.size - _CRC.size]) != crc:
            raise EventBroken("the checksum of a prelude is wrong")
        n_payload = total - n_headers - _FRAME_BYTES
        if n_headers > _MOST_HEADER_BYTES or not 0 <= n_payload <= self._most_bytes:
            raise EventBroken(f"an event of {total} bytes, {n_headers} of them headers, is not taken")
        return total, n_headers, crc


def _parsed(event: bytes, n_headers: int) -> StreamEvent:
    end = len(event) - _CRC.size
    if crc32(memoryview(event)[:end]) != _CRC.unpack_from(event, end)[0]:
        raise EventBroken("the checksum of an event is wrong")
    headers_end = _PRELUDE.size + n_headers
    return StreamEvent(_headers(event[_PRELUDE.size : headers_end]), event[headers_end:end])


def _headers(data: bytes) -> dict[str, HeaderValue]:
    headers: dict[str, HeaderValue] = {}
    at = 0
    try:
        while at < len(data):
            name_end = at + 1 + data[at]
            name = data[at + 1 : name_end].decode()
            value, at = _value(data, data[name_end], name_end + 1)
            if at > len(data) or name in headers:
                raise EventBroken("the headers of an event cannot be read")
            headers[name] = value
    except (IndexError, struct.error, UnicodeDecodeError) as exc:
        raise EventBroken("the headers of an event cannot be read") from exc
    return headers


def _value(data: bytes, kind: int, at: int) -> tuple[HeaderValue, int]:
    """Return the value that begins at ``at``, and where the next header does."""
    if kind in (0, 1):
        return kind == 0, at
    if number := _INTEGERS.get(5 if kind == _TIMESTAMP else kind):
        return number.unpack_from(data, at)[0], at + number.size
    if kind == _UUID:
        return data[at : at + _UUID_BYTES], at + _UUID_BYTES
    if kind not in (_BYTES, _TEXT):
        raise EventBroken(f"an event has a header of the unknown type {kind}")
    end = at + 2 + int.from_bytes(data[at : at + 2])
    value = data[at + 2 : end]
    return (value.decode() if kind == _TEXT else value), end


def date_header(date_ms: int) -> bytes:
    """Return the header ``:date`` as it is signed."""
    return b"\x05:date" + bytes([_TIMESTAMP]) + date_ms.to_bytes(8, signed=True)


def encoded(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Return an event with these headers, all of them texts."""
    block = b"".join(_text_header(name.encode(), value.encode()) for name, value in headers.items())
    lengths = struct.pack("!II", _FRAME_BYTES + len(block) + len(payload), len(block))
    body = b"".join((lengths, _CRC.pack(crc32(lengths)), block, payload))
    return body + _CRC.pack(crc32(body))


def _text_header(name: bytes, value: bytes) -> bytes:
    return bytes([len(name)]) + name + bytes([_TEXT]) + len(value).to_bytes(2) + value


def payload_part(data: str | bytes, *, complete: bool = True) -> bytes:
    """Return the event that carries a message of the model, or a part of one, to the client."""
    return encoded(
        {
            ":message-type": "event",
            ":event-type": "PayloadPart",
            ":content-type": "application/octet-stream",
            "DataType": "UTF8" if isinstance(data, str) else "BINARY",
            "CompletionState": "COMPLETE" if complete else "PARTIAL",
        },
        data.encode() if isinstance(data, str) else data,
    )


def exception(kind: str, message: str, **members: str) -> bytes:
    """Return the event that ends a stream with one of the operation's own errors."""
    return encoded(
        {":message-type": "exception", ":exception-type": kind, ":content-type": "application/json"},
        json.dumps({"Message": message, **members}).encode(),
    )


def error(code: str, message: str) -> bytes:
    """Return the event that ends a stream with an error the operation does not name."""
    return encoded({":message-type": "error", ":error-code": code, ":error-message": message}, b"")
