"""What the page and its server say to each other. Pure: bytes and text in, values out.

The page sends sound as binary messages: a little-endian header of 16 bytes (the message's number from 0, four bytes of
zero, the time its last sample was captured in milliseconds since 1970 on the page's clock), then PCM16 at 16 kHz. Each
is acknowledged by number, and those that were not are sent again over the next connection. Its only text is ``stop``.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from voxctl.audio.pcm import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ
from voxctl.errors import ProtocolError

HEADER = struct.Struct("<IId")
#: The longest message that is taken: a second of sound.
MOST_BYTES = HEADER.size + SAMPLE_RATE_HZ * BYTES_PER_SAMPLE

#: Close codes: those of RFC 6455, and ours for a socket whose place another one took and for a recording long gone.
DONE, GOING_AWAY, PROTOCOL_ERROR, TRY_AGAIN_LATER = 1000, 1001, 1002, 1013
TAKEN_OVER, GONE = 4409, 4410


@dataclass(frozen=True, slots=True)
class Sound:
    """One message of sound. ``captured_ms`` is on the page's clock."""

    number: int
    captured_ms: float
    pcm: bytes


@dataclass(frozen=True, slots=True)
class Stop:
    """No more sound is coming: there were ``count`` messages in all."""

    count: int


def parse(data: bytes | str) -> Sound | Stop:
    """Return what the page said. Raises ``ProtocolError`` for what no page of ours says."""
    if isinstance(data, bytes):
        return _sound(data)
    try:
        match json.loads(data):
            case {"type": "stop", "count": int(count)} if count >= 0:
                return Stop(count)
    except ValueError:
        pass  # what is no JSON is no message of ours either
    raise ProtocolError("a message that is neither sound nor a stop")


def _sound(data: bytes) -> Sound:
    n_bytes = len(data) - HEADER.size
    if n_bytes <= 0 or n_bytes % BYTES_PER_SAMPLE or len(data) > MOST_BYTES:
        raise ProtocolError(f"a sound message of {len(data)} bytes")
    number, reserved, captured_ms = HEADER.unpack_from(data)
    if reserved:
        raise ProtocolError("a sound message of another version")
    return Sound(number, captured_ms, data[HEADER.size :])


def message(kind: str, values: Mapping[str, object]) -> str:
    """Return one message to the page."""
    return json.dumps({"type": kind, **values}, ensure_ascii=False, separators=(",", ":"))
