"""The messages of the vLLM Realtime protocol as a server sees them: what it says, and how it reads what it is told.

The reading is as lenient and as strict as vLLM 0.32, whose API models are pydantic's and whose base64 skips what is
outside the alphabet.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any

from voxctl.audio.pcm import BYTES_PER_SAMPLE
from voxctl.realtime.codec import EXTENSION_KEY
from voxctl.serving.engine import Engine

_TRUE_WORDS = frozenset({"true", "t", "yes", "y", "on", "1"})
_FALSE_WORDS = frozenset({"false", "f", "no", "n", "off", "0"})


class Refused(Exception):
    """A message is answered with an ``error`` of this ``code``; the connection goes on."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


def session_created(engine: Engine) -> str:
    """Return the greeting; beside vLLM's fields it names the recogniser."""
    return _frame(
        "session.created",
        id=f"sess-{secrets.token_hex(8)}",
        created=int(time.time()),
        **{EXTENSION_KEY: {"engine": engine.name, "model": engine.model}},
    )


def transcription_delta(text: str) -> str:
    """Return the message of one token."""
    return _frame("transcription.delta", delta=text)


def transcription_done(text: str, prompt_tokens: int, n_deltas: int, confidence: float | None) -> str:
    """Return the end of an utterance; ``confidence`` is added if there is one."""
    usage = {
        "prompt_tokens": prompt_tokens,
        "total_tokens": prompt_tokens + n_deltas,
        "completion_tokens": n_deltas,
        "prompt_tokens_details": None,
        "completion_tokens_details": None,
    }
    extension = {} if confidence is None else {EXTENSION_KEY: {"confidence": round(confidence, 3)}}
    return _frame("transcription.done", text=text, usage=usage, **extension)


def error(message: str, code: str) -> str:
    """Return the message of a failure."""
    return _frame("error", error=message, code=code)


def parse(text: str) -> Mapping[str, Any]:
    """Return the message in a text frame, any JSON object."""
    try:
        message = json.loads(text)
    except ValueError as exc:
        raise Refused("Invalid JSON", "invalid_json") from exc
    except RecursionError as exc:
        raise Refused("The message is nested too deeply.", "processing_error") from exc
    if not isinstance(message, dict):
        raise Refused(f"A message is a JSON object, not a {type(message).__name__}.", "processing_error")
    return message


def audio_of(message: Mapping[str, Any]) -> bytes:
    """Return the PCM16 of an append, whole samples and at least one."""
    audio = message.get("audio")
    if not isinstance(audio, str):
        raise Refused("The field `audio` must be a string of base64.", "processing_error")
    try:
        pcm = base64.b64decode(audio)
    except ValueError as exc:
        raise Refused("Invalid audio data", "invalid_audio") from exc
    if not pcm or len(pcm) % BYTES_PER_SAMPLE:
        raise Refused("Invalid audio data", "invalid_audio")
    return pcm


def is_final(message: Mapping[str, Any]) -> bool:
    """Return whether a commit ends the utterance."""
    final = message.get("final", False)
    if isinstance(final, bool | int | float) and final in (0, 1):
        return bool(final)
    if isinstance(final, str) and final.lower() in _TRUE_WORDS | _FALSE_WORDS:
        return final.lower() in _TRUE_WORDS
    raise Refused("The field `final` must be true or false.", "processing_error")


def _frame(kind: str, **fields: object) -> str:
    return json.dumps({"type": kind, **fields}, separators=(",", ":"))
