"""What looks healthy and is not: a server behind the speaker, and one that hears no words in speech. Pure but for the
speech detector."""

from __future__ import annotations

from collections.abc import Callable

from voxctl.audio.speech import speech_s
from voxctl.events import Event, Notice
from voxctl.realtime.models import SAMPLE_RATE_HZ, TICK_S
from voxctl.session.feed import Feed

#: Empty deltas in a row, 16 s, that are too many over speech.
BLANK_DELTAS = 200
#: Empty deltas in a row, 2 s, after which one may be the beginning of such a rut.
FEW_BLANK_DELTAS = 25
#: The part of such a stretch that must be speech.
_SPEECH_SHARE = 0.25
#: Behind by so much, for so long, in seconds, is worth a word.
_BEHIND_S, _BEHIND_FOR_S = 6.0, 3.0
#: Speech in a whole run without a word that makes it a failure, in seconds.
WORDLESS_SPEECH_S = 10.0


class Watch:
    """Is asked several times a second."""

    def __init__(self) -> None:
        self.most_behind_s = 0.0
        self._since_s: float | None = None
        self._warned = False
        self._looked = 0
        self._speech_s = 0.0

    def behind(self, now_s: float, behind_s: float) -> Notice | None:
        """Take by how much the server is behind the source, its own delay apart; warn once when that stays so."""
        self.most_behind_s = max(self.most_behind_s, behind_s)
        if behind_s < _BEHIND_S:
            self._since_s = None
            return None
        if self._since_s is None:
            self._since_s = now_s
        if self._warned or now_s - self._since_s < _BEHIND_FOR_S:
            return None
        self._warned = True
        return Notice(f"the server is {behind_s:.0f} s behind: it is slower than the speaker")

    def tell_the_worst(self, emit: Callable[[Event], None]) -> None:
        """Emit how far behind the server has been, if that was warned of."""
        if self._warned:
            emit(Notice(f"at worst the server was {self.most_behind_s:.0f} s behind"))

    def wordless_speech_s(self, feed: Feed, heard_s: float, n_words: int) -> float:
        """Return how much speech was heard so far without a single word; nothing once there is one."""
        if n_words:
            self._speech_s = 0.0
            return 0.0
        end = round(heard_s * SAMPLE_RATE_HZ)
        if end - self._looked >= SAMPLE_RATE_HZ:
            self._speech_s += speech_s(feed.stretch(max(self._looked, feed.first), end))
            self._looked = end
        return self._speech_s


class Blank:
    """Finds stretches of speech for which the server gives nothing but empty deltas: it is in a rut, or it is music."""

    def __init__(self) -> None:
        self._tried = self._told = False
        self._next = BLANK_DELTAS

    def over(self) -> None:
        """There are words again."""
        self._tried = self._told = False

    def look(self, feed: Feed, acked_s: float, n_blank: int) -> int | Notice | None:
        """Take the empty deltas in a row up to ``acked_s``; return the position from which to try again with another
        connection, once. If that is no better: what to tell, once."""
        if self._told or n_blank < BLANK_DELTAS:
            self._next = BLANK_DELTAS
            return None
        if n_blank < self._next:  # it was looked at not long ago
            return None
        self._next = n_blank + BLANK_DELTAS
        if (start := spoken_over(feed, acked_s, n_blank)) is None:
            return None
        if self._tried:
            self._told = True
            return Notice("the sound seems to be speech, and the server hears no words in it")
        self._tried = True
        return start


def spoken_over(feed: Feed, acked_s: float, n_blank: int) -> int | None:
    """Return where the empty deltas in a row up to ``acked_s`` began, if it was speech that they were given for."""
    start, end = (max(feed.first, round(at_s * SAMPLE_RATE_HZ)) for at_s in (acked_s - n_blank * TICK_S, acked_s))
    if end <= start or speech_s(feed.stretch(start, end)) < _SPEECH_SHARE * (end - start) / SAMPLE_RATE_HZ:
        return None
    return start
