"""A call: the transcripts of its channels side by side, and what was said in the order of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from voxctl.events import Done, Event, Notice, Opened, Progress, Reconnecting, Tail, Usage, Word, Words
from voxctl.transcript.transcript import SEGMENT_PAUSE_S, Transcript

#: How much earlier than what the server has heard so far a word may still begin, in seconds: a word is given late, and
#: its beginning is an estimate.
_LATE_S = 2.0


class Conversation:
    """One ``Transcript`` for each of ``speakers``, channel 1 first. ``source`` is the name of the recording."""

    def __init__(self, speakers: Sequence[str], source: str | None = None) -> None:
        self.source = source
        self.channels = [Transcript(source, channel=n, speaker=name) for n, name in enumerate(speakers, 1)]

    @property
    def words(self) -> list[Word]:
        """The words of all channels, one channel after the other."""
        return [word for channel in self.channels for word in channel.words]

    @property
    def audio_s(self) -> float:
        """Seconds of the recording that were sent."""
        return max((channel.audio_s for channel in self.channels), default=0.0)

    @property
    def confidence(self) -> float | None:
        """The mean of the channels' confidences, where there are any."""
        known = [channel.confidence for channel in self.channels if channel.confidence is not None]
        return sum(known) / len(known) if known else None

    @property
    def complete(self) -> bool:
        """Whether every channel is."""
        return all(channel.complete for channel in self.channels)


@dataclass(slots=True)
class _Lane:
    """How far one channel is, and how much of it was given out: ``n_chars`` of the segment number ``index``."""

    transcript: Transcript
    index: int = 0
    n_chars: int = 0
    tail: str = ""
    tail_since_s: float = 0.0
    acked_s: float = 0.0
    sent_s: float = 0.0
    done: Done | None = None

    def pending(self) -> str:
        """Return the text of the segment that follows, as far as it is known, without what was given of it."""
        segments = self.transcript.segments
        if self.index < len(segments) and self.n_chars == len(segments[self.index].text):
            if self.index + 1 == len(segments):
                return ""
            self.index, self.n_chars = self.index + 1, 0
        return segments[self.index].text[self.n_chars :] if self.index < len(segments) else ""

    def next_s(self) -> float:
        """Return when what follows begins, or the earliest moment at which it could."""
        if self.pending():
            segment = self.transcript.segments[self.index]
            return segment.end_s if self.n_chars else segment.start_s
        if self.done:
            return float("inf")
        return (min(self.acked_s, self.tail_since_s) if self.tail else self.acked_s) - _LATE_S

    def settled(self) -> bool:
        """Whether what is pending is a whole segment. Silence ends one too: nobody waits for the next word."""
        if not self.pending():
            return False
        last = self.index == len(self.transcript.segments) - 1
        silent_s = self.acked_s - self.transcript.segments[self.index].end_s
        return not last or self.done is not None or not self.transcript.mid_segment or silent_s > _SILENT_S

    def take(self) -> str:
        text = self.pending()
        self.n_chars += len(text)
        return text.strip()


_SILENT_S = SEGMENT_PAUSE_S + _LATE_S


class Turns:
    """Makes one stream of events of those of all channels, for somebody who reads along.

    A line for each segment, ``speaker: text``, in the order of time: a segment waits until no channel can have an
    earlier one. What is not settled yet is the ``Tail``. Folds the events into the conversation on the way.
    """

    def __init__(self, conversation: Conversation) -> None:
        self._lanes = [_Lane(transcript) for transcript in conversation.channels]
        self._opened = False
        self._tail = ""

    def apply(self, number: int, event: Event) -> list[Event]:
        """Take an event of channel ``number``, 0 being the first; return what a reader sees of it."""
        lane = self._lanes[number]
        lane.transcript.apply(event)
        shown: list[Event] = []
        match event:
            case Words():
                pass
            case Tail(text):
                lane.tail_since_s = lane.tail_since_s if lane.tail and text else lane.acked_s
                lane.tail = text
            case Progress(acked_s, sent_s, source_s):
                lane.acked_s, lane.sent_s = acked_s, sent_s
                heard_s, given_s = min(x.acked_s for x in self._lanes), min(x.sent_s for x in self._lanes)
                shown.append(Progress(heard_s, given_s, max(given_s, source_s)))
            case Opened():
                shown, self._opened = [] if self._opened else [event], True
            case Notice(text):
                shown.append(Notice(f"{lane.transcript.speaker}: {text}"))
            case Reconnecting(attempt, delay_s, reason):
                shown.append(Reconnecting(attempt, delay_s, f"{lane.transcript.speaker}: {reason}"))
            case Done():
                lane.done, lane.tail, lane.acked_s = event, "", event.audio_s
            case _:
                shown.append(event)
        return [*shown, *self._settle(), *self._finale(event)]

    def finish(self) -> list[Event]:
        """Return what was still held back, when no more events will come."""
        for lane in self._lanes:
            lane.done = lane.done or Done(Usage(), lane.acked_s, complete=False)
        return self._settle()

    def _settle(self) -> list[Event]:
        events: list[Event] = []
        while (lane := min(self._lanes, key=_Lane.next_s)).settled():
            events.append(Words(f"\n{lane.transcript.speaker}: {lane.take()}", ()))
        open_text = [f"\n{lane.transcript.speaker}: {text}" for lane in self._lanes if (text := self._unsettled(lane))]
        if (tail := "".join(open_text)) != self._tail:
            self._tail = tail
            events.append(Tail(tail))
        return events

    def _unsettled(self, lane: _Lane) -> str:
        return (lane.pending() + lane.tail).strip()

    def _finale(self, event: Event) -> list[Event]:
        ends = [lane.done for lane in self._lanes if lane.done]
        if not isinstance(event, Done) or len(ends) < len(self._lanes):
            return []
        usage = sum((end.usage for end in ends), Usage())
        known = [end.confidence for end in ends if end.confidence is not None]
        confidence = sum(known) / len(known) if known else None
        return [Done(usage, max(end.audio_s for end in ends), confidence, all(end.complete for end in ends))]
