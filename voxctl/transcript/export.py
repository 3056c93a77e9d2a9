"""A transcript as text for other programs. Each function returns the whole document; writing it is the caller's."""

from __future__ import annotations

import json
from typing import Any

from voxctl._version import __version__
from voxctl.events import Word
from voxctl.transcript.transcript import Transcript


def export_json(transcript: Transcript, *, target: str) -> str:
    """Return the JSON document of ``transcript``, one line; its schema is ``transcript.schema.json`` beside this file.

    ``target`` says what transcribed it (``embedded`` or the address). Times are seconds with three decimals.
    """
    document: dict[str, Any] = {
        "text": transcript.text,
        "words": [_word(word) for word in transcript.words],
        "segments": [{"text": s.text, "start_s": _s(s.start_s), "end_s": _s(s.end_s)} for s in transcript.segments],
        "gaps": [{"start_s": _s(g.start_s), "end_s": _s(g.end_s), "reason": g.reason} for g in transcript.gaps],
        "seams": [{"at_s": _s(s.at_s), "uncertain": s.uncertain} for s in transcript.seams],
        "usage": {
            "prompt_tokens": transcript.usage.prompt_tokens,
            "completion_tokens": transcript.usage.completion_tokens,
        },
        "model": transcript.model,
        "target": target,
        "audio_s": _s(transcript.audio_s),
        "confidence": transcript.confidence,
        "complete": transcript.complete,
        "version": __version__,
    }
    return json.dumps(document, ensure_ascii=False)


def _word(word: Word) -> dict[str, Any]:
    return {
        "text": word.text,
        "start_s": _s(word.start_s),
        "end_s": _s(word.end_s),
        "estimated": word.estimated,
    }


def _s(seconds: float) -> float:
    return round(seconds, 3)
