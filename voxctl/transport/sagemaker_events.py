"""Events of a SageMaker stream to text frames: parts are joined, ends are told from text. Pure: the SDK stays out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from zlib import crc32

from voxctl.transport.sagemaker_faults import ended, garbled
from voxctl.transport.sagemaker_target import SageMakerTarget

PAYLOAD_PART = "PayloadPart"
UTF8, BINARY = "UTF8", "BINARY"
PARTIAL, COMPLETE = "PARTIAL", "COMPLETE"

#: Headers of the event that carries one whole text frame.
TEXT_HEADERS: Mapping[str, str] = {
    ":message-type": "event",
    ":event-type": PAYLOAD_PART,
    "DataType": UTF8,
    "CompletionState": COMPLETE,
    ":content-type": "application/octet-stream",
}
#: A frame of many parts is no longer than the longest WebSocket frame that the other transport takes.
MOST_BYTES = 16 * 1024 * 1024
#: The length of an event and of its headers, and their checksum.
PRELUDE_BYTES = 12
_MOST_EVENT_BYTES = MOST_BYTES + 256 * 1024


def next_length(buffer: bytearray) -> int | None:
    """Return how many bytes the first event takes, ``None`` while some of them are missing.

    For bytes that are no event it is the length of its beginning, which whoever reads it will refuse.
    """
    if len(buffer) < PRELUDE_BYTES:
        return None
    length = int.from_bytes(buffer[:4], "big")
    if crc32(buffer[:8]) != int.from_bytes(buffer[8:12], "big") or not PRELUDE_BYTES < length <= _MOST_EVENT_BYTES:
        return PRELUDE_BYTES
    return length if len(buffer) >= length else None


class Frames:
    """Takes events in their order and gives each frame when its last part is there."""

    def __init__(self, target: SageMakerTarget, request_id: str | None) -> None:
        self._target = target
        self._request_id = request_id
        self._parts: list[bytes] = []
        self._n_bytes = 0

    def take(self, headers: Mapping[str, object], payload: bytes) -> str | None:
        """Return the frame that this event completes, if it does.

        Raises ``ConnectionLost`` for an end that SageMaker announces, ``ProtocolError`` for what is no text.
        """
        kind = headers.get(":message-type")
        if kind == "exception":
            name, document = str(headers.get(":exception-type")), _document(payload)
            code = document.get("ErrorCode") or document.get("errorCode")
            text = document.get("Message") or document.get("message") or ""
            raise ended(name, None if code is None else str(code), str(text), self._target, self._request_id)
        if kind == "error":  # a failure that the service's model does not describe
            name, text = str(headers.get(":error-code")), str(headers.get(":error-message", ""))
            raise ended(name, None, text, self._target, self._request_id)
        if kind != "event" or headers.get(":event-type") != PAYLOAD_PART:
            return None  # an event of a later version: nothing of ours is in it
        self._n_bytes += len(payload)
        if self._n_bytes > MOST_BYTES:
            raise garbled(self._target, f"a frame of more than {MOST_BYTES >> 20} MiB")
        self._parts.append(payload)
        if headers.get("CompletionState") == PARTIAL:
            return None
        whole, self._parts, self._n_bytes = b"".join(self._parts), [], 0
        try:
            return whole.decode()
        except UnicodeDecodeError as exc:
            raise garbled(self._target, "a binary frame") from exc


def _document(payload: bytes) -> dict[str, object]:
    try:
        document = json.loads(payload)
    except ValueError:
        return {"Message": payload.decode("utf-8", "replace")}
    return document if isinstance(document, dict) else {}
