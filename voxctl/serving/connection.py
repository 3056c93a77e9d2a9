"""One connection of a client: reading its messages, and recognising one utterance after another.

Two coroutines share it: the reader takes messages and fills the backlog, the recognition of an utterance empties it
and sends the deltas. As in vLLM no mistake of a client closes the socket.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from voxctl.errors import EngineUnavailable
from voxctl.serving import wire
from voxctl.serving.backlog import Backlog
from voxctl.serving.cadence import Cadence
from voxctl.serving.engine import Engine, EngineStream, HeardWord

log = logging.getLogger("voxctl.serving")

#: Close code "service restart": the engine under the stream has gone; another connection may find a new one.
SERVICE_RESTART = 1012
#: Close code "internal error", which uvicorn gives for a ping without a pong.
NO_PONG = 1011
#: Audio read but not recognised, from which on the socket is left alone until the recogniser has caught up.
READ_AHEAD_S = 30.0
#: Audio kept while nobody has asked for its recognition, when not reading would mean never reading the question.
UNCOMMITTED_S = 600.0
#: Audio given to the engine at a time: large enough to make round trips cheap, small enough for deltas to flow.
BITE_S = 1.0


class Connection:
    """A stream from its acceptance to its end."""

    def __init__(self, socket: WebSocket, engine: Engine) -> None:
        self._socket = socket
        self._engine = engine
        self._backlog = Backlog(READ_AHEAD_S)
        self._tasks = asyncio.TaskGroup()
        #: The utterance that is being recognised, or the last one that was.
        self.recognition: asyncio.Task[None] | None = None
        self._knows_model = False

    @property
    def is_busy(self) -> bool:
        """Whether an utterance is being recognised."""
        return self.recognition is not None and not self.recognition.done()

    async def run(self) -> None:
        """Greet, and serve until either side ends the connection; nothing of it is left when this returns."""
        async with self._tasks:
            try:
                await _send(self._socket, wire.session_created(self._engine))
                await self._read()
            except WebSocketDisconnect:
                log.debug("the client has gone")
            finally:
                if self.recognition is not None:
                    self.recognition.cancel()

    async def _read(self) -> None:
        while (text := await self._receive()) is not None:
            try:
                await self._obey(wire.parse(text))
            except wire.Refused as refused:
                await _send(self._socket, wire.error(refused.message, refused.code))

    async def _receive(self) -> str | None:
        """The next text frame; ``None`` at the end, and at a binary frame, on which vLLM hangs up without a word."""
        if self._socket.application_state is WebSocketState.DISCONNECTED:
            return None
        message = await self._socket.receive()
        text = message.get("text")
        return text if isinstance(text, str) else None

    async def _obey(self, message: Mapping[str, Any]) -> None:
        match message.get("type"):
            case "session.update":
                self._choose_model(message.get("model"))
            case "input_audio_buffer.append":
                await self._append(wire.audio_of(message))
            case "input_audio_buffer.commit":
                self._commit(message)
            case kind:
                raise wire.Refused(f"Unknown event type: {kind}", "unknown_event")

    def _choose_model(self, model: object) -> None:
        if model is None:
            raise wire.Refused("Missing required field: model", "invalid_event")
        if model and model != self._engine.model:
            raise wire.Refused(f"The model `{model}` does not exist.", "model_not_found")
        self._knows_model = True

    async def _append(self, pcm: bytes) -> None:
        if not self.is_busy and self._backlog.held_s >= UNCOMMITTED_S:
            message = f"{UNCOMMITTED_S:.0f} s of audio wait for a commit; this chunk is dropped."
            raise wire.Refused(message, "invalid_audio")
        self._backlog.put(pcm)
        if self.is_busy:
            await self._backlog.room()

    def _commit(self, message: Mapping[str, Any]) -> None:
        if not self._knows_model:
            reason = "Model not validated. Name the model in a session.update message first."
            raise wire.Refused(reason, "model_not_validated")
        if wire.is_final(message):
            self._backlog.put_end()
        elif not self.is_busy:
            self.recognition = self._tasks.create_task(self._recognise(), name="voxctl-recognition")

    async def _recognise(self) -> None:
        """Recognise one utterance and say so; failing is said too."""
        try:
            stream = await self._engine.open_stream()
            try:
                done = await _Utterance(self._socket, self._engine, stream).run(self._backlog)
            finally:
                await stream.aclose()
            # Nothing may take time after this: the client's next utterance is on its way once it has read it.
            await _send(self._socket, done)
        except EngineUnavailable as exc:
            log.warning("a stream lost its recogniser: %s", exc.message)
            with suppress(WebSocketDisconnect):
                await _send(self._socket, wire.error(f"{exc.message}. Connect again.", "processing_error"))
                await self._socket.close(SERVICE_RESTART, "the recogniser has stopped")
        except WebSocketDisconnect:
            log.debug("the client has gone in mid-utterance")
        finally:
            # As in vLLM, what arrived after the end of this utterance is lost; and a waiting reader goes on.
            self._backlog.clear()


class _Utterance:
    """Audio in, deltas out, from a commit to ``transcription.done``."""

    def __init__(self, socket: WebSocket, engine: Engine, stream: EngineStream) -> None:
        self._socket = socket
        self._stream = stream
        self._cadence = Cadence(engine.delay_s)
        self._text = ""

    async def run(self, backlog: Backlog) -> str:
        """Recognise until the end of the utterance and return its ``transcription.done``."""
        cadence = self._cadence
        while (pcm := await backlog.take(BITE_S)) is not None:
            if ticks := cadence.feed(pcm):
                for words in await self._stream.feed(ticks):
                    await self._send_delta(words)
        if cadence.n_samples:
            for words in cadence.tail(await self._stream.finish(cadence.finish())):
                await self._send_delta(words)
        prompt_tokens = cadence.prompt_tokens if cadence.n_samples else 0
        return wire.transcription_done(self._text, prompt_tokens, cadence.n_deltas, self._stream.confidence)

    async def _send_delta(self, words: Sequence[HeardWord]) -> None:
        delta = "".join(f" {word.text}" for word in words)
        if not self._text:
            delta = delta.removeprefix(" ")
        self._text += delta
        await _send(self._socket, wire.transcription_delta(delta))


async def _send(socket: WebSocket, text: str) -> None:
    """Send a frame; ``WebSocketDisconnect`` when the connection is over, whoever ended it."""
    if socket.application_state is WebSocketState.DISCONNECTED:
        raise WebSocketDisconnect(SERVICE_RESTART)
    try:
        await socket.send_text(text)
    except RuntimeError as exc:
        # What uvicorn says of a socket that it closed itself, as it does when a ping stays unanswered.
        raise WebSocketDisconnect(NO_PONG) from exc
