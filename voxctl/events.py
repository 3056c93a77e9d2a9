"""The narrow waist: everything that anything above a session ever sees.

A session is an asynchronous iterator of these frozen values, in this order::

    Reconnecting*  Opened
    (Words | Tail | Progress | Notice | Reconnecting | Resumed | Rotated | StreamEnded | Seam | Gap)*  Done

``Words`` alone carry transcript text, and their ``text`` joined is the transcript. All times are seconds from the
start of the audio.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Word:
    """One committed word. ``text`` has no white space around it; ``start_s`` is always an estimate.

    ``estimated`` says that ``end_s`` is one too: the word shared its 80 ms token group with an earlier word, or the
    model has no token clock.
    """

    text: str
    start_s: float
    end_s: float
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """What the server counted, summed over the connections of a session."""

    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.prompt_tokens + other.prompt_tokens, self.completion_tokens + other.completion_tokens)


@dataclass(frozen=True, slots=True)
class Opened:
    """A server accepted the session. ``engine`` is its recogniser when it names one (ours does)."""

    model: str
    engine: str | None = None


@dataclass(frozen=True, slots=True)
class Words:
    """Committed text that never changes again, verbatim with its white space, and the words in it."""

    text: str
    words: tuple[Word, ...]

    def parts(self) -> Iterator[tuple[str, Word]]:
        """Yield each word with its own share of ``text``: from the white space before it to its end."""
        rest = self.text
        for word in self.words:
            end = rest.index(word.text) + len(word.text)
            yield rest[:end], word
            rest = rest[end:]


@dataclass(frozen=True, slots=True)
class Tail:
    """Text heard since the last committed word; it replaces the previous tail and may still change."""

    text: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the server has listened (``acked_s``), how far we have sent (``sent_s``) and how much sound the source
    has given (``source_s``). While sound waits for a connection, only the last one grows."""

    acked_s: float
    sent_s: float
    source_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person should be told once, in one line; nothing is lost."""

    text: str


@dataclass(frozen=True, slots=True)
class Reconnecting:
    """A connection attempt failed for ``reason``; attempt number ``attempt`` follows after ``delay_s``."""

    attempt: int
    delay_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class Resumed:
    """A new connection took over from one that failed; it hears the sound again from ``at_s`` on."""

    at_s: float


@dataclass(frozen=True, slots=True)
class Rotated:
    """A new connection took over at ``at_s`` from one that had lasted long enough and is still good."""

    at_s: float


@dataclass(frozen=True, slots=True)
class Seam:
    """Two connections were joined at ``at_s``; ``uncertain`` when only their clocks said where."""

    at_s: float
    uncertain: bool = False


@dataclass(frozen=True, slots=True)
class Gap:
    """Audio from ``start_s`` to ``end_s`` is not in the transcript, because of ``reason``."""

    start_s: float
    end_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """One connection is over, well or not: what its server counted, and its engine's ``confidence`` (0 to 1)."""

    usage: Usage
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """All audio that was sent is transcribed. ``usage`` is the sum over all connections.

    Not ``complete``: the session was asked to finish before its source had ended.
    """

    usage: Usage
    audio_s: float
    confidence: float | None = None
    complete: bool = True


Event = Opened | Words | Tail | Progress | Notice | Reconnecting | Resumed | Rotated | StreamEnded | Seam | Gap | Done
