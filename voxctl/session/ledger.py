"""What a session has so far: its words, how far it has heard, and what its servers counted."""

from __future__ import annotations

from collections.abc import Callable

from voxctl.events import Event, Gap, Progress, StreamEnded, Usage, Words
from voxctl.realtime.machine import Ended
from voxctl.realtime.models import SAMPLE_RATE_HZ
from voxctl.session.feed import Feed
from voxctl.session.joiner import Joiner
from voxctl.session.lane import Lane

#: A word may still come for sound that was acknowledged so recently, in seconds.
_LATE_S = 1.5
#: How far everything is, is told when it is so much further, in seconds: whoever is told wakes up for it.
_TOLD_EVERY_S = 0.24


class Ledger:
    """Folds in what the leading connection reports, and emits it. Nothing in it ever goes back."""

    def __init__(self, feed: Feed, emit: Callable[[Event], None]) -> None:
        self.joiner = Joiner()
        self.usage = Usage()
        self.confidence: float | None = None
        #: Up to where all words are known, in seconds.
        self.heard_s = 0.0
        self.sent_s = 0.0
        self.emit = emit
        self._feed = feed
        self._acked_s = self._lost_s = self._told_s = 0.0

    @property
    def base_s(self) -> float:
        """Up to where the sound is surely in the transcript."""
        return max(self.joiner.end_s, self.heard_s - _LATE_S, self._lost_s)

    def say(self, words: Words) -> None:
        """Take words of the connection that leads."""
        if said := self.joiner.append(words):
            self.emit(said)

    def hear(self, lane: Lane, *, leads: bool) -> None:
        """Take how far a connection is; one that does not lead yet only shows that sound is on its way."""
        self.sent_s = max(self.sent_s, lane.sent_s)
        if leads:
            self.heard_s = max(self.heard_s, lane.settled_s)
            self._acked_s = max(self._acked_s, lane.acked_s)
        if self._acked_s + self.sent_s - self._told_s >= 2 * _TOLD_EVERY_S:
            self._tell()

    def _tell(self) -> None:
        self._told_s = self._acked_s + self.sent_s
        self.emit(Progress(self._acked_s, self.sent_s, self._feed.end / SAMPLE_RATE_HZ))

    def count(self, ended: Ended) -> None:
        """Take what a server counted over one connection."""
        self.usage += ended.usage
        self.confidence = ended.confidence
        if self._acked_s + self.sent_s > self._told_s:
            self._tell()
        self.emit(StreamEnded(ended.usage, ended.confidence))

    def lose(self, start_s: float, end_s: float, reason: str) -> None:
        """Take that nobody will ever hear a stretch of the sound, if there is one between the two."""
        if end_s > start_s:
            self.emit(Gap(start_s, end_s, reason))
            self.heard_s, self._lost_s = max(self.heard_s, end_s), end_s
