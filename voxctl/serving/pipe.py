"""What the server and a recogniser process say to each other: length-prefixed messages over a pair of pipes.

A message is one byte of kind, four of length, and the payload. Requests and replies alternate; the worker speaks
first, with ``READY`` or ``FAILED``.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence

from voxctl.serving.engine import HeardWord, Tick

READY, FAILED, FEED, FINISH, WORDS = b"R", b"X", b"F", b"E", b"W"
HEADER = struct.Struct("!cI")
_COUNT = struct.Struct("!I")
_TICK = struct.Struct("!dI")


def packed(kind: bytes, payload: bytes = b"") -> bytes:
    """Return a whole message."""
    return HEADER.pack(kind, len(payload)) + payload


def packed_ticks(ticks: Sequence[Tick]) -> bytes:
    """Return the payload of ``FEED``."""
    heads = (_TICK.pack(tick.until_s, len(tick.pcm)) for tick in ticks)
    return b"".join((_COUNT.pack(len(ticks)), *heads, *(tick.pcm for tick in ticks)))


def unpacked_ticks(payload: bytes) -> list[Tick]:
    """Return the ticks in the payload of ``FEED``."""
    (n_ticks,) = _COUNT.unpack_from(payload)
    start = _COUNT.size + n_ticks * _TICK.size
    ticks = []
    for until_s, n_bytes in _TICK.iter_unpack(payload[_COUNT.size : start]):
        ticks.append(Tick(payload[start : start + n_bytes], until_s))
        start += n_bytes
    return ticks


def packed_words(words: Sequence[Sequence[HeardWord]], confidence: float | None) -> bytes:
    """Return the payload of ``WORDS``: a list of words for each tick."""
    lists = [[(word.text, word.end_s) for word in ended] for ended in words]
    return json.dumps({"words": lists, "confidence": confidence}).encode()


def unpacked_words(payload: bytes) -> tuple[list[list[HeardWord]], float | None]:
    """Return the words and the confidence in the payload of ``WORDS``."""
    reply = json.loads(payload)
    return [[HeardWord(text, end_s) for text, end_s in ended] for ended in reply["words"]], reply["confidence"]
