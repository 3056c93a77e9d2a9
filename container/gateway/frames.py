"""What a message of the Realtime protocol means, found out without parsing the ones that carry sound. Pure.

Nearly every message a client sends is an ``append`` of a few kilobytes of base64, written the same way each time. Its
two ends are looked at, and its length says how much sound it holds. Whatever is written otherwise is parsed.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

BYTES_PER_SAMPLE = 2
_APPENDS = (
    '{"type":"input_audio_buffer.append","audio":"',
    '{"type": "input_audio_buffer.append", "audio": "',
)
_DELTAS = ('{"type":"transcription.delta"', '{"type": "transcription.delta"')
_DONES = ('{"type":"transcription.done"', '{"type": "transcription.done"')
_ERRORS = ('{"type":"error"', '{"type": "error"')
_NO_BASE64 = re.compile("[^A-Za-z0-9+/]+")
_COMPACT, _SPACED = map(len, _APPENDS)
# As lenient as the models of vLLM's protocol.
_TRUE = frozenset({"true", "t", "yes", "y", "on", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "off", "0"})


@dataclass(frozen=True, slots=True)
class Commit:
    """The client begins an utterance or, ``final``, ends it."""

    final: bool


def sound_bytes(text: str) -> int | None:
    """Return how many bytes of PCM an ``append`` carries, by its length alone.

    ``None`` for a message that is not an ``append``, or not written in one of the usual two ways. It is never less than
    what the server takes: what it skips counts, and what it refuses, which it says.
    """
    if not text.startswith(_APPENDS):
        return None
    start = _COMPACT if text[8] == '"' else _SPACED
    end = len(text) - 2
    # Were there a quote or a backslash inside, the string would end sooner, or be longer than what it says.
    if text.find('"', start) != end or text[-1] != "}" or text.find("\\", start, end) >= 0:
        return None
    n_chars = end - start
    if n_chars % 4:
        return None
    return n_chars // 4 * 3 - text.count("=", end - 2, end) if n_chars else 0


def parsed(text: str) -> int | Commit | None:
    """Return what a message of any form is: sound in bytes, as above, a commit, or ``None`` for all else."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict):
        return None
    match message:
        case {"type": "input_audio_buffer.append", "audio": str(audio)}:
            return len(_NO_BASE64.sub("", audio)) * 3 // 4
        case {"type": "input_audio_buffer.commit"}:
            return _commit(message.get("final", False))
    return None


def _commit(final: object) -> Commit | None:
    if isinstance(final, str):
        final = final.lower()
        return Commit(final in _TRUE) if final in _TRUE | _FALSE else None
    if isinstance(final, bool | int | float) and final in (0, 1):
        return Commit(bool(final))
    return None


def is_delta(text: str) -> bool:
    """Whether the server gives a token."""
    return text.startswith(_DELTAS)


def is_done(text: str) -> bool:
    """Whether the server ends an utterance."""
    return text.startswith(_DONES)


def error_code(text: str) -> str | None:
    """Return the code of a server's ``error`` message, ``None`` for any other message."""
    if not text.startswith(_ERRORS):
        return None
    return str(json.loads(text).get("code"))


def error(said: str, code: str) -> str:
    """Return an ``error`` message as the server would write it."""
    return json.dumps({"type": "error", "error": said, "code": code}, separators=(",", ":"))
