"""An engine that hears what a script says, and fails when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from voxctl.errors import EngineUnavailable
from voxctl.serving.engine import HeardWord, Tick

type Script = Sequence[tuple[str, float]]

BYTES_PER_S = 32_000


def a_word_every(step_s: float, until_s: float) -> Script:
    """A script of numbered words, so that none can go missing or come twice unseen."""
    return [(f"w{i}", round(i * step_s, 3)) for i in range(1, int(until_s / step_s) + 1)]


@dataclass
class ScriptedEngine:
    """Hears the words of ``script`` whose end lies within the audio; every stream hears them from the start.

    ``open_streams`` are the streams that were not closed; ``n_opened`` counts all there ever were.
    """

    script: Script = ()
    delay_s: float = 0.48
    name: str = "scripted"
    model: str = "scripted-model"
    confidence: float | None = None
    open_streams: set[ScriptedStream] = field(default_factory=set)
    n_opened: int = 0
    is_running: bool = False
    # The faults, each set by its context manager.
    _reason: str | None = None
    _dies_after_ticks: int | None = None
    _stalls_after_ticks: int | None = None

    async def start(self) -> None:
        self._check()
        self.is_running = True

    def problem(self) -> str | None:
        return self._reason

    async def open_stream(self) -> ScriptedStream:
        self._check()
        self.n_opened += 1
        stream = ScriptedStream(self)
        self.open_streams.add(stream)
        return stream

    async def aclose(self) -> None:
        self.is_running = False

    @contextmanager
    def broken(self, reason: str = "no model on this machine") -> Iterator[None]:
        """While open, the engine can neither be started nor asked for a stream."""
        self._reason = reason
        yield
        self._reason = None

    @contextmanager
    def die_after(self, n_ticks: int) -> Iterator[None]:
        """While open, a stream dies when it is given its tick number ``n_ticks``, counted from 0, or finished."""
        self._dies_after_ticks = n_ticks
        yield
        self._dies_after_ticks = None

    @contextmanager
    def stall_after(self, n_ticks: int) -> Iterator[None]:
        """While open, a stream does not answer from its tick number ``n_ticks`` on."""
        self._stalls_after_ticks = n_ticks
        yield
        self._stalls_after_ticks = None

    def _check(self) -> None:
        if self._reason is not None:
            raise EngineUnavailable(self._reason, hint="mend the fake")

    async def misbehave(self, n_ticks: int) -> None:
        """Fail as ordered, a stream having had ``n_ticks``."""
        if self._dies_after_ticks is not None and n_ticks > self._dies_after_ticks:
            raise EngineUnavailable("the recogniser has died", hint="mend the fake")
        if self._stalls_after_ticks is not None and n_ticks > self._stalls_after_ticks:
            await asyncio.Event().wait()


class ScriptedStream:
    """One utterance of a script."""

    def __init__(self, engine: ScriptedEngine) -> None:
        self._engine = engine
        self._left = [HeardWord(text, end_s) for text, end_s in engine.script]
        self._heard_s = 0.0
        self._n_ticks = 0

    @property
    def confidence(self) -> float | None:
        return self._engine.confidence

    async def feed(self, ticks: Sequence[Tick]) -> Sequence[Sequence[HeardWord]]:
        heard = []
        for tick in ticks:
            self._n_ticks += 1
            await self._engine.misbehave(self._n_ticks)
            self._heard_s += len(tick.pcm) / BYTES_PER_S
            heard.append(self._until(tick.until_s))
        return heard

    async def finish(self, pcm: bytes) -> Sequence[HeardWord]:
        await self._engine.misbehave(self._n_ticks + 1)
        self._heard_s += len(pcm) / BYTES_PER_S
        return self._until(self._heard_s)

    async def aclose(self) -> None:
        self._engine.open_streams.discard(self)

    def _until(self, end_s: float) -> list[HeardWord]:
        words = [word for word in self._left if word.end_s <= end_s]
        del self._left[: len(words)]
        return words
