"""One stream of a load: sound on an absolute schedule, and the moment of everything that comes back."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass

from voxctl.bench.clips import Script
from voxctl.bench.measures import Measures, needed_samples
from voxctl.bench.slope import Slope
from voxctl.errors import HandshakeRefused, ProtocolError, ServerFull, Stalled, VoxError
from voxctl.realtime.codec import decode, encode
from voxctl.realtime.faults import server_error
from voxctl.realtime.messages import (
    Commit,
    ErrorMessage,
    SessionCreated,
    SessionUpdate,
    TranscriptionDelta,
    TranscriptionDone,
)
from voxctl.realtime.models import DEFAULT_MODEL, SAMPLE_RATE_HZ
from voxctl.transport.base import Connector, Transport

_READY_S = 30.0
#: How long the last words may take after the last chunk.
_DRAIN_S = 30.0
_REFUSED = "refused"


@dataclass(slots=True)
class Window:
    """Between these moments of the loop's clock what is due is counted; ``lags_ms`` are those since somebody looked."""

    from_s: float
    until_s: float
    lags_ms: list[float]


class Stream:
    """``run`` it once. What it sees goes into ``measures``; nothing is raised but bugs."""

    def __init__(
        self,
        connect: Connector,
        script: Script,
        chunk_samples: int,
        *,
        delay_s: float,
        model: str | None,
        window: Window,
        measures: Measures,
        clock: Callable[[], float],
    ) -> None:
        self.text: str | None = None
        self.reference = script.reference
        self._connect = connect
        self._frames = script.frames
        self._chunk_samples = chunk_samples
        self._chunk_s = chunk_samples / SAMPLE_RATE_HZ
        self._delay_s = delay_s
        self._model = model
        self._window = window
        self._measures = measures
        self._clock = clock
        self._start_s = self._last_s = 0.0
        self._n_deltas = 0
        self._heard_text = False
        self._slope = Slope()

    async def run(self, start_s: float) -> None:
        """Connect so that the first chunk can be due ``start_s``, say everything, and wait for the end."""
        measures = self._measures
        measures.n_streams += 1
        try:
            await self._connected(start_s)
            measures.n_finished += 1
        except VoxError as exc:
            measures.errors[cause_of(exc)] += 1
        slope = self._slope.value
        if slope is not None:
            measures.slopes_ms_s.append(slope)

    async def _connected(self, start_s: float) -> None:
        began_s = self._clock()
        transport = await self._connect()
        try:
            self._count("connect_ms", self._clock() - began_s)
            await transport.send(encode(SessionUpdate(await model_of(transport, self._model))))
            self._count("ready_ms", self._clock() - began_s)
            self._start_s = max(start_s, self._clock())
            await self._say_and_hear(transport)
        finally:
            await transport.aclose()

    async def _say_and_hear(self, transport: Transport) -> None:
        length_s = len(self._frames) * self._chunk_s
        saying = asyncio.create_task(self._say(transport))
        try:
            async with asyncio.timeout_at(self._start_s + length_s + _DRAIN_S):
                await self._hear(transport)
        except TimeoutError as exc:
            raise Stalled(f"no end came within {_DRAIN_S:g} s of the last sound") from exc
        finally:
            saying.cancel()
            await asyncio.wait({saying})
        if not saying.cancelled() and (error := saying.exception()):
            raise error

    async def _say(self, transport: Transport) -> None:
        clock, window, late = self._clock, self._window, self._measures.distributions["send_late_ms"]
        free_s = self._start_s
        for i, frame in enumerate(self._frames):
            due_s = self._start_s + (i + 1) * self._chunk_s
            wait_s = due_s - clock()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            if window.from_s <= due_s <= window.until_s:
                # A server that does not read makes the next chunk late too: that is its doing, not ours.
                late.add(1000 * (clock() - max(due_s, free_s)))
            await transport.send(frame)
            free_s = clock()
            if not i:
                await transport.send(encode(Commit()))
        await transport.send(encode(Commit(final=True)))

    async def _hear(self, transport: Transport) -> None:
        while True:
            text = await transport.receive()
            now_s = self._clock()
            match decode(text):
                case TranscriptionDelta(delta):
                    self._delta(delta, now_s)
                case TranscriptionDone(said):
                    self._done(said, now_s)
                    return
                case ErrorMessage(error, code):
                    raise server_error(error, code, self._model or DEFAULT_MODEL)

    def _delta(self, text: str, now_s: float) -> None:
        self._n_deltas += 1
        if not self._heard_text and text.strip():
            self._heard_text = True
            self._count("first_text_ms", now_s - self._start_s - self._chunk_s)
        needed = needed_samples(self._n_deltas, self._delay_s)
        n_chunks = -(-needed // self._chunk_samples)
        due_s = self._start_s + n_chunks * self._chunk_s
        if n_chunks <= len(self._frames) and self._window.from_s <= due_s <= self._window.until_s:
            lag_ms = 1000 * (now_s - due_s)
            measures = self._measures
            measures.lag(due_s - self._window.from_s, lag_ms)
            measures.add("capture_lag_ms", 1000 * (now_s - self._start_s - needed / SAMPLE_RATE_HZ))
            if self._last_s:
                measures.add("delta_gap_ms", 1000 * (now_s - self._last_s))
            self._slope.add(due_s - self._window.from_s, lag_ms)
            self._window.lags_ms.append(lag_ms)
        self._last_s = now_s

    def _done(self, text: str, now_s: float) -> None:
        end_s = self._start_s + len(self._frames) * self._chunk_s
        if now_s < end_s:
            raise ProtocolError("the server ended before the sound did: the model's context is full")
        self.text = text
        self._measures.audio_s += len(self._frames) * self._chunk_s
        self._count("final_ms", now_s - end_s)

    def _count(self, metric: str, seconds: float) -> None:
        self._measures.add(metric, 1000 * seconds)


async def model_of(transport: Transport, asked: str | None) -> str:
    """Wait for the server's first message and return the model: ``asked``, the server's own, or Voxtral.

    Raises ``Stalled`` and what a server may say.
    """
    try:
        async with asyncio.timeout(_READY_S):
            while True:
                match decode(await transport.receive()):
                    case SessionCreated(_, extension):
                        named = extension.get("model")
                        return asked or (named if isinstance(named, str) and named else DEFAULT_MODEL)
                    case ErrorMessage(error, code):
                        raise server_error(error, code, asked or DEFAULT_MODEL)
    except TimeoutError as exc:
        hint = "is this a vLLM Realtime server? Check the path in --url."
        raise Stalled(f"the server accepted the connection and said nothing for {_READY_S:g} s", hint=hint) from exc


def cause_of(error: VoxError) -> str:
    """Return the name under which an error is counted: ``refused``, or what kind it is."""
    if isinstance(error, ServerFull | HandshakeRefused):
        return _REFUSED
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).lower()
