"""A document that is written while somebody speaks: whole cues are appended, and at every moment it is valid. Pure."""

from __future__ import annotations

from dataclasses import replace

from voxctl.transcript.cues import Cue, cues
from voxctl.transcript.export import Format, export, srt_cue, vtt_cue
from voxctl.transcript.parts import Part
from voxctl.transcript.transcript import Transcript


class Growing:
    """The pieces of one document, to be written one after the other: ``head``, a ``part`` for each part, ``foot``.

    ``target`` and ``timestamps`` are those of ``export``; a txt without them has a line for each part. JSON cannot.
    """

    def __init__(self, fmt: Format, *, target: str, timestamps: bool = False) -> None:
        if fmt is Format.JSON:
            raise ValueError("a JSON document is written when all is known")
        self._format = fmt
        self._target = target
        self._timestamps = timestamps
        self._n_cues = 0

    def head(self) -> str:
        """Return what comes before everything else."""
        return export(Transcript(), Format.VTT, target=self._target) if self._format is Format.VTT else ""

    def part(self, part: Part) -> str:
        """Return what the next part adds."""
        match self._format:
            case Format.SRT:
                return "".join(self._srt(cue) for cue in _cues(part))
            case Format.VTT:
                return "".join(vtt_cue(None, cue) for cue in _cues(part))
            case Format.JSONL:
                *lines, _summary = export(part.transcript, Format.JSONL, target=self._target).splitlines(keepends=True)
                return "".join(lines)
        text = export(part.transcript, Format.TXT, target=self._target, timestamps=self._timestamps)
        return text if text.strip() else ""

    def foot(self, whole: Transcript) -> str:
        """Return what comes at the end, of a transcript that knows all but its words."""
        return export(whole, Format.JSONL, target=self._target) if self._format is Format.JSONL else ""

    def _srt(self, cue: Cue) -> str:
        self._n_cues += 1
        return ("\n" if self._n_cues > 1 else "") + srt_cue(self._n_cues, cue)


def _cues(part: Part) -> list[Cue]:
    """Return the cues of a part, within its time: to the rules of cues, its beginning is that of the sound."""
    since_s, heard = part.since_s, part.transcript
    words = [replace(word, start_s=word.start_s - since_s, end_s=word.end_s - since_s) for word in heard.words]
    gaps = [replace(gap, start_s=gap.start_s - since_s, end_s=gap.end_s - since_s) for gap in heard.gaps]
    made = cues(heard.text, words, gaps, part.until_s - since_s)
    return [replace(cue, start_s=cue.start_s + since_s, end_s=cue.end_s + since_s) for cue in made]
