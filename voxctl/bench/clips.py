"""What is said to a server: clips of sound with or without what is said in them."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from voxctl.audio.decode import open_audio
from voxctl.audio.pcm import SAMPLE_RATE_HZ
from voxctl.audio.voice import voice
from voxctl.errors import AudioError, UsageError
from voxctl.realtime.codec import encode
from voxctl.realtime.messages import Append

_SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aiff", ".aif", ".caf")
#: Silence after each clip, so that the last word of one and the first of the next stay apart.
_PAUSE_S = 0.5
#: The sound when none is given: a voice that says vowels.
_VOICE_S = 12.0


@dataclass(frozen=True, slots=True)
class Clip:
    """16 kHz mono PCM16, and the text of what is said, if it is known."""

    pcm: bytes
    text: str | None = None

    @property
    def length_s(self) -> float:
        """How long it is, in seconds."""
        return len(self.pcm) / 2 / SAMPLE_RATE_HZ

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {"pcm": base64.b64encode(self.pcm).decode(), "text": self.text}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Clip:
        """Return what ``to_json`` was made of."""
        return cls(base64.b64decode(fields["pcm"]), fields["text"])


def generated() -> list[Clip]:
    """Return the sound for when none is given: a voice without words."""
    return [Clip(voice(_VOICE_S))]


def load_clips(path: Path) -> list[Clip]:
    """Read the clips of a sound file, a folder of them, or a manifest, before an event loop runs.

    A manifest is a ``.jsonl`` or ``.json`` with an object a line: ``audio_filepath`` and perhaps ``text`` (NeMo's). The
    text of a file is in the ``.txt`` of the same name beside it.
    Raises ``AudioError`` and ``UsageError``.
    """
    if path.suffix in (".jsonl", ".json"):
        entries = list(_manifest(path))
    elif path.is_dir():
        entries = [(file, _beside(file)) for file in sorted(path.iterdir()) if file.suffix.lower() in _SUFFIXES]
        if not entries:
            raise AudioError(f"{path} holds no sound files", hint=f"it may hold {' '.join(_SUFFIXES)}")
    else:
        entries = [(path, _beside(path))]
    return [Clip(asyncio.run(_pcm(file)), text) for file, text in entries]


def _beside(file: Path) -> str | None:
    text = file.with_suffix(".txt")
    return text.read_text("utf-8").strip() or None if text.is_file() else None


def _manifest(path: Path) -> Iterator[tuple[Path, str | None]]:
    hint = 'each line is an object: {"audio_filepath": "a.wav", "text": "what is said"}'
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(f"the manifest {path} cannot be read", hint=hint) from exc
    found = False
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            file, text = path.parent / str(entry["audio_filepath"]), entry.get("text")
        except (ValueError, TypeError, KeyError, AttributeError) as exc:
            raise UsageError(f"line {number} of {path} is no entry of a manifest", hint=hint) from exc
        found = True
        yield file, text if isinstance(text, str) and text.strip() else None
    if not found:
        raise UsageError(f"the manifest {path} is empty", hint=hint)


async def _pcm(file: Path) -> bytes:
    with open_audio(file) as sound:
        return b"".join([chunk.pcm async for chunk in sound.chunks()])


@dataclass(frozen=True, slots=True)
class Script:
    """What one stream says: frames of ``n_samples`` each, encoded beforehand, and the reference if it is known."""

    frames: Sequence[str]
    reference: str | None


class Scripts:
    """Makes scripts. A clip's frames are made once and shared by all streams that say it."""

    def __init__(self, clips: Sequence[Clip], chunk_ms: int) -> None:
        self.n_samples = chunk_ms * SAMPLE_RATE_HZ // 1000
        self._clips = clips
        self._frames = [self._framed(clip.pcm) for clip in clips]

    def script(self, number: int, length_s: float) -> Script:
        """Return the script of a stream: clips one after another, the first chosen by ``number``.

        It lasts ``length_s``; with references it ends with the clip in which that is reached.
        """
        n = len(self._clips)
        wanted = max(1, -(-round(length_s * SAMPLE_RATE_HZ) // self.n_samples))
        chosen: list[int] = []
        n_frames = 0
        while n_frames < wanted:
            chosen.append((number + len(chosen)) % n)
            n_frames += len(self._frames[chosen[-1]])
        texts = [self._clips[i].text for i in chosen]
        frames = chain.from_iterable(self._frames[i] for i in chosen)
        if all(text is not None for text in texts):
            return Script(list(frames), " ".join(text for text in texts if text is not None))
        return Script(list(islice(frames, wanted)), None)

    def _framed(self, pcm: bytes) -> list[str]:
        size = 2 * self.n_samples
        pcm += bytes(round(_PAUSE_S * SAMPLE_RATE_HZ) * 2)
        pcm += bytes(-len(pcm) % size)
        return [encode(Append(pcm[i : i + size])) for i in range(0, len(pcm), size)]
