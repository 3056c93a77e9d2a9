"""Every message of the wire as a frozen value, the unknown one too.

Source of the shapes: vLLM's realtime endpoint, measured against vLLM 0.32. They are flat JSON objects with a ``type``;
they are not those of OpenAI's or Mistral's hosted services.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from voxctl.events import Usage


@dataclass(frozen=True, slots=True)
class SessionUpdate:
    """``session.update``: names the model; the server does not answer when it agrees."""

    model: str


@dataclass(frozen=True, slots=True)
class Append:
    """``input_audio_buffer.append``: PCM16 little endian, 16 kHz, mono; never empty, never an odd byte count."""

    pcm: bytes


@dataclass(frozen=True, slots=True)
class Commit:
    """``input_audio_buffer.commit``: the plain one starts generation, the ``final`` one ends the utterance."""

    final: bool = False


@dataclass(frozen=True, slots=True)
class SessionCreated:
    """``session.created``: the first message of a server. ``extension`` is what our own servers add."""

    session_id: str
    extension: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TranscriptionDelta:
    """``transcription.delta``: one 80 ms token; the empty string is a token too."""

    delta: str


@dataclass(frozen=True, slots=True)
class TranscriptionDone:
    """``transcription.done``: the whole text of the utterance and what it cost."""

    text: str
    usage: Usage | None
    extension: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ErrorMessage:
    """``error``: ``code`` is for programs, ``error`` for people. It does not close the connection."""

    error: str
    code: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """A message of a kind this version does not know; kept, never fatal."""

    kind: str
    raw: str


ClientMessage = SessionUpdate | Append | Commit
ServerMessage = SessionCreated | TranscriptionDelta | TranscriptionDone | ErrorMessage | Unknown
