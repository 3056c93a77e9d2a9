"""Signatures of a SageMaker stream's events: AWS Signature Version 4, each over the one before it. Pure.

The SDK's own signer makes the same bytes in three times the time; a test compares the two.
"""

from __future__ import annotations

import hmac
import struct
import time
from collections.abc import Mapping
from hashlib import sha256
from zlib import crc32

_SERVICE = "sagemaker"
#: The length of an event and of its headers; a checksum.
_LENGTHS, _SUM = struct.Struct("!II"), struct.Struct("!I")
_FRAME_BYTES = 16
_TEXT = 7
#: Names and types of the two headers of a signed event: the date in milliseconds, and 32 bytes.
_DATE, _SIGNATURE = b"\x05:date\x08", b"\x10:chunk-signature\x06\x00\x20"


def text_headers(headers: Mapping[str, str]) -> bytes:
    """Return headers whose values are texts as they stand in an event."""
    pairs = ((name.encode(), value.encode()) for name, value in headers.items())
    return b"".join(
        b"".join((bytes([len(name)]), name, bytes([_TEXT]), len(value).to_bytes(2), value)) for name, value in pairs
    )


def encoded(headers: bytes, payload: bytes) -> bytes:
    """Return an event."""
    lengths = _LENGTHS.pack(_FRAME_BYTES + len(headers) + len(payload), len(headers))
    body = b"".join((lengths, _SUM.pack(crc32(lengths)), headers, payload))
    return body + _SUM.pack(crc32(body))


class EventSigner:
    """Signs the events of one stream, in their order. ``first`` is the signature of the request, in hexadecimal."""

    def __init__(self, secret_access_key: str, region: str, first: str) -> None:
        self._secret = secret_access_key
        self._region = region
        self._prior = first
        self._day = ""
        self._scope = ""
        self._key = b""

    def signed(self, payload: bytes, now_s: float) -> bytes:
        """Return the event that carries ``payload``, an event itself or nothing, signed as of ``now_s``."""
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_s))
        if moment[:8] != self._day:
            self._begin_day(moment[:8])
        date = _DATE + int(now_s * 1000).to_bytes(8)
        hashes = f"{sha256(date).hexdigest()}\n{sha256(payload).hexdigest()}"
        text = f"AWS4-HMAC-SHA256-PAYLOAD\n{moment}\n{self._scope}\n{self._prior}\n{hashes}"
        signature = hmac.digest(self._key, text.encode(), "sha256")
        self._prior = signature.hex()
        return encoded(b"".join((date, _SIGNATURE, signature)), payload)

    def _begin_day(self, day: str) -> None:
        self._day, self._scope = day, f"{day}/{self._region}/{_SERVICE}/aws4_request"
        self._key = f"AWS4{self._secret}".encode()
        for part in self._scope.split("/"):
            self._key = hmac.digest(self._key, part.encode(), "sha256")
