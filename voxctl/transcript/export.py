"""A transcript as text for people and other programs. Each form is a whole document; writing it is the caller's."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from voxctl._version import __version__
from voxctl.events import Gap, Seam, Word
from voxctl.transcript.conversation import Conversation
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


def export(transcript: Transcript | Conversation, fmt: Format, *, target: str, timestamps: bool = False) -> str:
    """Return the whole document, its final newline included.

    ``target`` says what transcribed it (``embedded`` or the address). ``timestamps`` concerns ``txt`` alone, which
    is then one line per segment and per gap. A conversation says with each part who speaks; subtitles of two speakers
    overlap where they talk at the same time.
    """
    match fmt:
        case Format.TXT:
            return _text(transcript, timestamps)
        case Format.JSON:
            return export_json(transcript, target=target) + "\n"
        case Format.JSONL:
            return "".join(json_line(value) + "\n" for value in _json_values(transcript, target))
        case Format.SRT:
            return "\n".join(srt_cue(number, cue) for number, (_, cue) in enumerate(_cues(transcript, labels=True), 1))
        case Format.VTT:
            return "WEBVTT\n" + "".join(vtt_cue(speaker, cue) for speaker, cue in _cues(transcript))


def export_json(transcript: Transcript | Conversation, *, target: str) -> str:
    """Return the JSON document of ``transcript``, one line; its schema is ``transcript.schema.json`` beside this file.

    ``target`` says what transcribed it (``embedded`` or the address). Times are seconds with three decimals. That of a
    conversation holds one such document for each channel.
    """
    if isinstance(transcript, Transcript):
        return json_line(_document(transcript, target))
    document = {
        "channels": [_document(channel, target) for channel in transcript.channels],
        "source": transcript.source,
        "target": target,
        "audio_s": _s(transcript.audio_s),
        "complete": transcript.complete,
        "version": __version__,
    }
    return json_line(document)


def _document(transcript: Transcript, target: str) -> dict[str, Any]:
    return {
        **_whose(transcript),
        "text": transcript.text,
        "words": [_word(word) for word in transcript.words],
        "segments": [{"text": s.text, "start_s": _s(s.start_s), "end_s": _s(s.end_s)} for s in transcript.segments],
        "gaps": [_gap(gap) for gap in transcript.gaps],
        "seams": [_seam(seam) for seam in transcript.seams],
        **_summary(transcript, target),
    }


def _json_values(transcript: Transcript | Conversation, target: str) -> Iterator[dict[str, Any]]:
    """Yield what the lines of the JSON Lines form hold, in the order of time, the summaries last."""
    for channel, part in _in_order(transcript):
        match part:
            case Segment(text, start_s, end_s, words):
                value = {"type": "segment", "start_s": _s(start_s), "end_s": _s(end_s), "text": text}
                yield {**value, "words": [_word(word) for word in words], **_whose(channel)}
            case Gap():
                yield {"type": "gap", **_gap(part), **_whose(channel)}
            case Seam():
                yield {"type": "seam", **_seam(part), **_whose(channel)}
    for channel in _channels(transcript):
        yield {"type": "summary", **_whose(channel), **_summary(channel, target)}


def _channels(transcript: Transcript | Conversation) -> list[Transcript]:
    return transcript.channels if isinstance(transcript, Conversation) else [transcript]


def _in_order(transcript: Transcript | Conversation) -> list[tuple[Transcript, Segment | Gap | Seam]]:
    """Return what happened by its beginning; a gap or a seam before the segment that begins with it."""
    marks: list[tuple[float, Transcript, Segment | Gap | Seam]] = []
    for channel in _channels(transcript):
        marks += [(gap.start_s, channel, gap) for gap in channel.gaps]
        marks += [(seam.at_s, channel, seam) for seam in channel.seams]
        marks += [(segment.start_s, channel, segment) for segment in channel.segments]
    return [(channel, part) for _, channel, part in sorted(marks, key=lambda mark: mark[0])]


def _text(transcript: Transcript | Conversation, timestamps: bool) -> str:
    if isinstance(transcript, Transcript) and not timestamps:
        return encodable(transcript.text.lstrip()) + "\n"
    lines = []
    for channel, part in _in_order(transcript):
        if isinstance(part, Seam):
            continue
        text = one_line(part.text) if isinstance(part, Segment) else gap_text(part)
        who = f"{channel.speaker}: " if channel.speaker else ""
        when = f"[{_clock(part.start_s, '.', 2)}] " if timestamps else ""
        lines.append(f"{when}{who}{text}\n")
    return "".join(lines)


def _cues(transcript: Transcript | Conversation, *, labels: bool = False) -> list[tuple[str | None, Cue]]:
    """Return every cue and who speaks, in the order of time; with ``labels`` the text says it too."""
    found = []
    for channel in _channels(transcript):
        audio_s = max([channel.audio_s, *(gap.end_s for gap in channel.gaps)])
        if not channel.complete:  # words may have come after the last word of how much was sent
            audio_s = max([audio_s, *(word.end_s for word in channel.words)])
        label = f"{one_line(channel.speaker)}:" if labels and channel.speaker else ""
        made = cues(channel.text, channel.words, channel.gaps, audio_s, label)
        found += [(channel.speaker, cue) for cue in made]
    return sorted(found, key=lambda speaker_and_cue: speaker_and_cue[1].start_s)


# SRT has no way to escape. Players take <…> and {\…} for commands and show nothing, and read --> as a time line.
_SRT = str.maketrans({"<": "‹", ">": "›"})
_VTT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def srt_cue(number: int, cue: Cue) -> str:
    """Return a cue of SRT, counted from 1; an empty line belongs between two."""
    text = "\n".join(cue.lines).translate(_SRT).replace("{\\", "{⧵")
    return f"{number}\n{_clock(cue.start_s, ',', 3)} --> {_clock(cue.end_s, ',', 3)}\n{text}\n"


def vtt_cue(speaker: str | None, cue: Cue) -> str:
    """Return a cue of WebVTT and the empty line before it."""
    voice = f"<v {one_line(speaker).translate(_VTT)}>" if speaker else ""
    text = voice + "\n".join(cue.lines).translate(_VTT)
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


def _whose(transcript: Transcript) -> dict[str, Any]:
    """Return what tells one channel of a recording from the others, nothing for a transcript that stands alone."""
    if transcript.speaker is None:
        return {}
    return {"channel": transcript.channel, "speaker": transcript.speaker}


def _word(word: Word) -> dict[str, Any]:
    return {"text": word.text, "start_s": _s(word.start_s), "end_s": _s(word.end_s), "estimated": word.estimated}


def _gap(gap: Gap) -> dict[str, Any]:
    return {"start_s": _s(gap.start_s), "end_s": _s(gap.end_s), "reason": gap.reason}


def _seam(seam: Seam) -> dict[str, Any]:
    return {"at_s": _s(seam.at_s), "uncertain": seam.uncertain}


def _s(seconds: float) -> float:
    return round(seconds, 3)
