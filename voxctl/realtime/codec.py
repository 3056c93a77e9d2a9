"""Messages to text frames and back."""

from __future__ import annotations

import json
from binascii import b2a_base64
from collections.abc import Mapping
from typing import Any

from voxctl.errors import ProtocolError
from voxctl.events import Usage
from voxctl.realtime.messages import (
    Append,
    ClientMessage,
    Commit,
    ErrorMessage,
    ServerMessage,
    SessionCreated,
    SessionUpdate,
    TranscriptionDelta,
    TranscriptionDone,
    Unknown,
)

#: The key under which voxctl's own servers add facts that vLLM's messages have no place for.
EXTENSION_KEY = "voxctl"


def encode(message: ClientMessage) -> str:
    """Return the text frame of ``message``.

    A message that a server would drop or misread (no model, no audio, half a sample) is a ``ValueError``: a bug of
    the caller, found here rather than as lost audio.
    """
    match message:
        case SessionUpdate(model):
            if not model:
                raise ValueError("a session needs a model name: servers accept an empty one and then fail")
            fields: dict[str, object] = {"type": "session.update", "model": model}
        case Append(pcm):
            if not pcm or len(pcm) % 2:
                raise ValueError(f"a chunk holds whole 16-bit samples and at least one, not {len(pcm)} bytes")
            # Nothing in base64 needs escaping, and this is said 12 times a second.
            return f'{{"type":"input_audio_buffer.append","audio":"{b2a_base64(pcm, newline=False).decode("ascii")}"}}'
        case Commit(final):
            fields = {"type": "input_audio_buffer.commit"}
            if final:
                fields["final"] = True
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def decode(text: str) -> ServerMessage:
    """Return the message in a text frame of a server.

    Kinds this version does not know come back as ``Unknown``. What is no JSON object, or a known kind without its
    fields, raises ``ProtocolError``: going on would lose words without a sign.
    """
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise _alien(f"a frame that is no JSON ({len(text)} characters)") from exc
    if not isinstance(fields, dict) or not isinstance(fields.get("type"), str):
        raise _alien("a message without a type")
    return _known(fields) or Unknown(fields["type"], text)


def _known(fields: Mapping[str, Any]) -> ServerMessage | None:
    match fields["type"]:
        case "session.created":
            return SessionCreated(str(fields.get("id", "")), _extension(fields))
        case "transcription.delta":
            return TranscriptionDelta(_string(fields, "delta"))
        case "transcription.done":
            return TranscriptionDone(_string(fields, "text"), _usage(fields), _extension(fields))
        case "error":
            return ErrorMessage(str(fields.get("error") or "no reason given"), str(fields.get("code") or ""))
        case _:
            return None


def _string(fields: Mapping[str, Any], key: str) -> str:
    value = fields.get(key)
    if not isinstance(value, str):
        raise _alien(f"{fields['type']} without its {key}")
    return value


def _usage(fields: Mapping[str, Any]) -> Usage | None:
    usage = fields.get("usage")
    if not isinstance(usage, dict):
        return None
    counts = [usage.get(key) for key in ("prompt_tokens", "completion_tokens")]
    prompt, completion = (n if isinstance(n, int) and not isinstance(n, bool) else 0 for n in counts)
    return Usage(prompt, completion)


def _extension(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    extension = fields.get(EXTENSION_KEY)
    return extension if isinstance(extension, dict) else {}


def _alien(what: str) -> ProtocolError:
    return ProtocolError(
        f"the server sent {what}",
        hint="is this a vLLM Realtime server (vLLM 0.32 or newer, /v1/realtime)? Check --url.",
    )
