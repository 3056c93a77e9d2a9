"""A transcript that grows with the events of a session."""

from __future__ import annotations

from dataclasses import dataclass

from voxctl.events import Done, Event, Gap, Opened, Progress, Seam, StreamEnded, Usage, Word, Words

#: A pause between words from which a new segment begins, in seconds.
SEGMENT_PAUSE_S = 0.8
#: A segment is ended after this much speech even without a pause or a full stop, in seconds.
SEGMENT_MOST_S = 15.0

_SENTENCE_END = (".", "?", "!", "…", "。", "？", "！")


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech: a sentence, or what lies between two pauses. Times in seconds, ``text`` without padding."""

    text: str
    start_s: float
    end_s: float
    words: tuple[Word, ...]


class Transcript:
    """Folds events in with ``apply``; what it holds is right at any moment, an unfinished session included.

    ``source`` is the name of what was heard, for people; ``channel``, counted from 1, is set when it is one channel of
    a recording, and ``speaker`` when it is one side of a conversation.
    """

    def __init__(self, source: str | None = None, *, channel: int | None = None, speaker: str | None = None) -> None:
        self.source = source
        self.channel = channel
        self.speaker = speaker
        self.words: list[Word] = []
        self.segments: list[Segment] = []
        self.gaps: list[Gap] = []
        self.seams: list[Seam] = []
        self.usage = Usage()
        self.model: str | None = None
        self.engine: str | None = None
        self.audio_s = 0.0
        self.confidence: float | None = None
        self.complete = False
        #: Whether the last segment may still grow.
        self.mid_segment = False
        self._text: list[str] = []

    @property
    def text(self) -> str:
        """The committed text, verbatim."""
        return "".join(self._text)

    def apply(self, event: Event) -> None:
        """Take the next event. Those that say nothing about the transcript are ignored."""
        match event:
            case Words():
                self._add(event)
            case Progress(_, sent_s):
                self.audio_s = max(self.audio_s, sent_s)
            case Opened(model, engine):
                self.model, self.engine = model, engine
            case Gap():
                self.gaps.append(event)
            case Seam():
                self.seams.append(event)
            case StreamEnded(usage, confidence):
                self.usage += usage
                self.confidence = confidence
            case Done():
                self.usage, self.audio_s, self.confidence = event.usage, event.audio_s, event.confidence
                self.complete = event.complete

    def _add(self, event: Words) -> None:
        self._text.append(event.text)
        self.words.extend(event.words)
        for text, word in event.parts():
            self._grow(text, word)

    def _grow(self, text: str, word: Word) -> None:
        last = self.segments[-1] if self.segments else None
        if last and goes_on(last.start_s, last.words[-1], word):
            self.segments[-1] = Segment(last.text + text, last.start_s, word.end_s, (*last.words, word))
        else:
            self.segments.append(Segment(text.strip(), word.start_s, word.end_s, (word,)))
        self.mid_segment = not word.text.endswith(_SENTENCE_END)


def goes_on(start_s: float, last: Word, word: Word) -> bool:
    """Whether the segment that began at ``start_s`` and has ``last`` as its last word goes on with ``word``."""
    if last.text.endswith(_SENTENCE_END):
        return False
    return word.start_s - last.end_s < SEGMENT_PAUSE_S and word.end_s - start_s <= SEGMENT_MOST_S
