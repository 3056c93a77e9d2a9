"""A transcript as text for people and other programs. Each form is a whole document; writing it is the caller's."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from voxctl._version import __version__
from voxctl.events import Gap, Seam, Word
from voxctl.transcript.cues import Cue, cues, gap_text
from voxctl.transcript.text import encodable, json_line, one_line
from voxctl.transcript.transcript import Segment, Transcript


class Format(StrEnum):
    """The forms of a transcript."""

    TXT = "txt"
    JSON = "json"
    JSONL = "jsonl"
    SRT = "srt"
    VTT = "vtt"

    @property
    def suffix(self) -> str:
        """What names of such files end with, the dot included."""
        return f".{self.value}"


def export(transcript: Transcript, fmt: Format, *, target: str, timestamps: bool = False) -> str:
    """Return the whole document, its final newline included.

    ``target`` says what transcribed it (``embedded`` or the address). ``timestamps`` concerns ``txt`` alone, which
    is then one line per segment and per gap.
    """
    match fmt:
        case Format.TXT:
            return _timed_text(transcript) if timestamps else encodable(transcript.text.lstrip()) + "\n"
        case Format.JSON:
            return export_json(transcript, target=target) + "\n"
        case Format.JSONL:
            return "".join(json_line(value) + "\n" for value in _json_values(transcript, target))
        case Format.SRT:
            return "\n".join(_srt_cue(number, cue) for number, cue in enumerate(_cues(transcript), 1))
        case Format.VTT:
            return "WEBVTT\n" + "".join(map(_vtt_cue, _cues(transcript)))


def export_json(transcript: Transcript, *, target: str) -> str:
    """Return the JSON document of ``transcript``, one line; its schema is ``transcript.schema.json`` beside this file.

    ``target`` says what transcribed it (``embedded`` or the address). Times are seconds with three decimals.
    """
    document: dict[str, Any] = {
        "text": transcript.text,
        "words": [_word(word) for word in transcript.words],
        "segments": [{"text": s.text, "start_s": _s(s.start_s), "end_s": _s(s.end_s)} for s in transcript.segments],
        "gaps": [_gap(gap) for gap in transcript.gaps],
        "seams": [_seam(seam) for seam in transcript.seams],
        **_summary(transcript, target),
    }
    return json_line(document)


def _json_values(transcript: Transcript, target: str) -> Iterator[dict[str, Any]]:
    """Yield what the lines of the JSON Lines form hold, in the order of time, the summary last."""
    for part in _in_order(transcript):
        match part:
            case Segment(text, start_s, end_s, words):
                times = {"start_s": _s(start_s), "end_s": _s(end_s)}
                yield {"type": "segment", **times, "text": text, "words": [_word(word) for word in words]}
            case Gap():
                yield {"type": "gap", **_gap(part)}
            case Seam():
                yield {"type": "seam", **_seam(part)}
    yield {"type": "summary", **_summary(transcript, target)}


def _in_order(transcript: Transcript) -> list[Segment | Gap | Seam]:
    """Return what happened by its beginning; a gap or a seam before the segment that begins with it."""
    marks: list[tuple[float, Segment | Gap | Seam]] = [(gap.start_s, gap) for gap in transcript.gaps]
    marks += [(seam.at_s, seam) for seam in transcript.seams]
    parts = marks + [(segment.start_s, segment) for segment in transcript.segments]
    return [part for _, part in sorted(parts, key=lambda part: part[0])]


def _timed_text(transcript: Transcript) -> str:
    lines = []
    for part in _in_order(transcript):
        match part:
            case Segment(text, start_s):
                lines.append(f"[{_clock(start_s, '.', 2)}] {one_line(text)}\n")
            case Gap(start_s):
                lines.append(f"[{_clock(start_s, '.', 2)}] {gap_text(part)}\n")
    return "".join(lines)


def _cues(transcript: Transcript) -> list[Cue]:
    audio_s = max([transcript.audio_s, *(gap.end_s for gap in transcript.gaps)])
    if not transcript.complete:  # words may have come after the last word of how much was sent
        audio_s = max([audio_s, *(word.end_s for word in transcript.words)])
    return cues(transcript.text, transcript.words, transcript.gaps, audio_s)


# SRT has no way to escape. Players take <…> and {\…} for commands and show nothing, and read --> as a time line.
_SRT = str.maketrans({"<": "‹", ">": "›"})
_VTT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def _srt_cue(number: int, cue: Cue) -> str:
    text = "\n".join(cue.lines).translate(_SRT).replace("{\\", "{⧵")
    return f"{number}\n{_clock(cue.start_s, ',', 3)} --> {_clock(cue.end_s, ',', 3)}\n{text}\n"


def _vtt_cue(cue: Cue) -> str:
    text = "\n".join(cue.lines).translate(_VTT)
    return f"\n{_clock(cue.start_s, '.', 3)} --> {_clock(cue.end_s, '.', 3)}\n{text}\n"


def _clock(seconds: float, point: str, decimals: int) -> str:
    """Return ``hh:mm:ss`` and a fraction; hours grow beyond two digits when they must."""
    whole, part = divmod(round(seconds * 10**decimals), 10**decimals)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{point}{part:0{decimals}}"


def _summary(transcript: Transcript, target: str) -> dict[str, Any]:
    return {
        "usage": {
            "prompt_tokens": transcript.usage.prompt_tokens,
            "completion_tokens": transcript.usage.completion_tokens,
        },
        "model": transcript.model,
        "source": transcript.source,
        "target": target,
        "audio_s": _s(transcript.audio_s),
        "confidence": transcript.confidence,
        "complete": transcript.complete,
        "version": __version__,
    }


def _word(word: Word) -> dict[str, Any]:
    return {"text": word.text, "start_s": _s(word.start_s), "end_s": _s(word.end_s), "estimated": word.estimated}


def _gap(gap: Gap) -> dict[str, Any]:
    return {"start_s": _s(gap.start_s), "end_s": _s(gap.end_s), "reason": gap.reason}


def _seam(seam: Seam) -> dict[str, Any]:
    return {"at_s": _s(seam.at_s), "uncertain": seam.uncertain}


def _s(seconds: float) -> float:
    return round(seconds, 3)
