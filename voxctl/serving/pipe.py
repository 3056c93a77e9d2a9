"""What the server and a recogniser process say to each other: length-prefixed messages over a pair of pipes.

A message is one byte of kind, four of length, and the payload. Requests and replies alternate; the worker speaks
first, with ``READY`` or ``FAILED``.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from voxctl.serving.engine import HeardWord, Tick

READY, FAILED, VOICE, FEED, FINISH, WORDS = b"R", b"X", b"V", b"F", b"E", b"W"
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


@dataclass(frozen=True, slots=True)
class Reply:
    """What a worker answers: the words that ended with each tick, how sure it is so far, what it knows of the voice.

    ``voice`` is for another worker's ``VOICE`` request.
    """

    words: list[list[HeardWord]]
    confidence: float | None
    voice: str


def packed_reply(reply: Reply) -> bytes:
    """Return the payload of ``WORDS``."""
    lists = [[(word.text, word.end_s) for word in ended] for ended in reply.words]
    return json.dumps({"words": lists, "confidence": reply.confidence, "voice": reply.voice}).encode()


def unpacked_reply(payload: bytes) -> Reply:
    """Return what is in the payload of ``WORDS``."""
    reply = json.loads(payload)
    words = [[HeardWord(text, end_s) for text, end_s in ended] for ended in reply["words"]]
    return Reply(words, reply["confidence"], reply["voice"])
