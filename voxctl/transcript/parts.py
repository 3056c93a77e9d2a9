"""A transcript in parts that never change again, for whoever writes it down while it grows. Pure.

What is not settled yet is all that is kept, so that hours of speech take no more room than a sentence.
"""

from __future__ import annotations

from dataclasses import dataclass

from voxctl.events import Done, Event, Gap, Progress, Seam, Tail, Word, Words
from voxctl.transcript.cues import LEAST_MS
from voxctl.transcript.transcript import Transcript, goes_on

#: So long after the last word, with nothing in the making, no word will come that belongs to it, in seconds.
QUIET_S = 2.5


@dataclass(frozen=True, slots=True)
class Part:
    """Whole segments, with the gaps and seams among them. All of it is shown between ``since_s`` and ``until_s``."""

    transcript: Transcript
    since_s: float
    until_s: float


class Parts:
    """Give it the events of a session; it gives out parts. ``whole`` is what is known of the session but its words."""

    def __init__(self, source: str | None = None) -> None:
        self.whole = Transcript(source)
        self.n_words = 0
        #: Seconds of sound that nobody will ever hear.
        self.lost_s = 0.0
        self._texts: list[str] = []
        self._words: list[Word] = []
        self._marks: list[Gap | Seam] = []
        self._segment_s = self._since_s = 0.0
        self._tail = ""

    def apply(self, event: Event) -> list[Part]:
        """Take the next event; return what is settled by it."""
        match event:
            case Words():
                return self._add(event)
            case Gap(start_s, end_s):
                self.lost_s += end_s - start_s
                self._marks.append(event)
            case Seam():
                self._marks.append(event)
            case Tail(text):
                self._tail = text
            case _:
                self.whole.apply(event)
        if isinstance(event, Progress) and not self._tail and self._last_s is not None:
            return self._settle(event.acked_s) if event.acked_s - self._last_s >= QUIET_S else []
        return self.finish() if isinstance(event, Done) else []

    def finish(self) -> list[Part]:
        """Return what is left when no more events will come."""
        return self._settle(self.whole.audio_s) if self._last_s is not None else []

    @property
    def _last_s(self) -> float | None:
        """When what is pending ends, ``None`` if nothing is."""
        ends = [gap.end_s if isinstance(gap, Gap) else gap.at_s for gap in self._marks]
        return max([*ends, *(word.end_s for word in self._words[-1:])], default=None)

    def _add(self, event: Words) -> list[Part]:
        settled: list[Part] = []
        n_chars = 0
        for text, word in event.parts():
            if self._words and not goes_on(self._segment_s, self._words[-1], word):
                self._segment_s = word.start_s
                # A part too short for a subtitle waits for more.
                if word.start_s - self._since_s >= LEAST_MS / 1000:
                    settled += self._settle(word.start_s)
            if not self._words:
                self._segment_s = word.start_s
            self._texts.append(text)
            self._words.append(word)
            self.n_words += 1
            n_chars += len(text)
        self._texts.append(event.text[n_chars:])
        return settled

    def _settle(self, until_s: float) -> list[Part]:
        """Give out what is pending; gaps and seams that lie beyond ``until_s`` stay."""
        until_s = max(until_s, self._since_s, *(word.end_s for word in self._words[-1:]))
        part = Transcript(self.whole.source)
        part.apply(Words("".join(self._texts), tuple(self._words)))
        later: list[Gap | Seam] = []
        for mark in self._marks:
            if (mark.start_s if isinstance(mark, Gap) else mark.at_s) < until_s:
                part.apply(mark)
            else:
                later.append(mark)
        until_s = max([until_s, *(gap.end_s for gap in part.gaps)])
        settled = Part(part, self._since_s, until_s)
        self._texts, self._words, self._marks, self._since_s = [], [], later, until_s
        return [settled] if part.words or part.gaps or part.seams else []
