"""The seam between the server and whatever recognises speech.

The server cuts the audio of an utterance into ticks, at exactly the sample counts where a delta becomes due, and an
engine answers each tick with the words that are now final. So what an engine says is a function of the audio alone,
however the audio was cut into messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class HeardWord:
    """One recognised word; ``end_s`` is when it was over, in seconds from the start of the utterance."""

    text: str
    end_s: float


@dataclass(frozen=True, slots=True)
class Tick:
    """A piece of PCM16, and the time up to which words are then to be final.

    ``until_s`` lies the engine's delay behind the end of the audio given so far.
    """

    pcm: bytes
    until_s: float


class EngineStream(Protocol):
    """One utterance. Every method raises ``EngineUnavailable`` once the recogniser has died or does not answer."""

    @property
    def confidence(self) -> float | None:
        """How sure the engine is of its words so far, 0 to 1; ``None`` if it cannot say."""
        ...

    async def feed(self, ticks: Sequence[Tick]) -> Sequence[Sequence[HeardWord]]:
        """Take audio and return, for each tick, the words that ended by its ``until_s`` and were not returned before.

        A word once returned is final; words that are not may still change. Several ticks in one call give what they
        would have given one by one: audio that comes faster than real time costs one round trip, not dozens.
        """
        ...

    async def finish(self, pcm: bytes) -> Sequence[HeardWord]:
        """Take the last audio, which may be none, and return all the words that were not returned before."""
        ...

    async def aclose(self) -> None:
        """Let go of everything the stream holds, at any time and any number of times."""
        ...


class Engine(Protocol):
    """A recogniser that can serve several streams at a time."""

    @property
    def name(self) -> str:
        """What recognises, for people and for the greeting."""
        ...

    @property
    def model(self) -> str:
        """The name under which the model is served."""
        ...

    @property
    def delay_s(self) -> float:
        """How much audio after a word the engine wants to have heard before the word is final; a multiple of 80 ms."""
        ...

    async def start(self) -> None:
        """Get ready, or raise ``EngineUnavailable`` if the engine cannot work here."""
        ...

    def problem(self) -> str | None:
        """Say in one line why no stream could be opened now, ``None`` if one could. Being busy is no problem."""
        ...

    async def open_stream(self) -> EngineStream:
        """Begin an utterance, or raise ``EngineUnavailable``."""
        ...

    async def aclose(self) -> None:
        """End everything the engine started."""
        ...
