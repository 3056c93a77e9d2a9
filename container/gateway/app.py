"""The middleware itself: who is let in, what ``/ping`` says, and what goes on beside the streams."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from contextlib import ExitStack
from typing import Any

from gateway import emf
from gateway.account import RATE_HZ, Bounds, Model
from gateway.asgi import App, Message, Receive, Scope, Send
from gateway.drain import Drain
from gateway.exposition import exposed
from gateway.figures import Figures
from gateway.frames import error
from gateway.probe import REALTIME, NoAnswer, transcribe_once
from gateway.settings import Settings, SettingWrong
from gateway.stream import Stream

#: SageMaker's name for the path of a stream.
SAGEMAKER = "/invocations-bidirectional-stream"
_STREAMS = frozenset({SAGEMAKER, REALTIME})
_RESTART, _TRY_AGAIN_LATER = 1012, 1013
#: Between two looks for streams whose client is gone, and how many looks such a stream has to end by itself.
_SWEEP_S, _LOOKS = 2.0, 3
#: Lags are summed up this often where no lines are written.
_PERIOD_S = 60
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0

# A child of vLLM's logger, so that it looks like vLLM's own lines and obeys its level.
log = logging.getLogger("vllm.gateway")


class Gateway:
    """ASGI middleware around vLLM's application: ``--middleware gateway.Gateway``.

    Without ``settings`` it reads the environment; what is wrong there ends the server's start with a line about it.
    """

    def __init__(self, app: App, settings: Settings | None = None, bounds: Bounds | None = None) -> None:
        self._app = app
        self._problem = ""
        try:
            self._settings = settings or Settings.read(os.environ)
        except SettingWrong as exc:
            self._settings, self._problem = Settings(), str(exc)
        self._bounds = bounds or Bounds()
        self.model = Model()
        self.figures = Figures()
        self._streams: set[Stream] = set()
        self._chores: list[asyncio.Task[None]] = []
        self._drain = Drain(self._streams, self._settings.drain_s)

    @property
    def waiting_s(self) -> float:
        """The most sound that waits in any one stream, in seconds."""
        return max((stream.account.waiting_s for stream in self._streams), default=0.0)

    @property
    def sound_s(self) -> float:
        """All the sound that was taken since the start, in seconds."""
        n_samples = self.figures.n_sound + sum(stream.account.n_sound for stream in self._streams)
        return n_samples / RATE_HZ

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a stream, answer ``/ping``, or leave it to the application."""
        match scope["type"]:
            case "websocket" if scope["path"] in _STREAMS:
                await self._stream(scope, receive, send)
            case "http" if scope["path"] == "/ping" and self._drain.begun:
                await _not_now("the server is being restarted", send)
            case "http" if scope["path"] == "/ping" and not self.figures.ready:
                await _not_now("no utterance has been transcribed yet", send)
            case "lifespan":
                await self._live(scope, receive, send)
            case _:
                await self._app(scope, receive, send)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        figures, most = self.figures, self._settings.max_streams
        if self._drain.begun:
            await _turn_away("It is being restarted.", _RESTART, receive, send)
            return
        if most is not None and figures.n_active >= most:
            figures.n_refused += 1
            said = f"It serves {most} stream{'s' if most > 1 else ''} at a time."
            await _turn_away(said, _TRY_AGAIN_LATER, receive, send)
            return
        if scope["path"] == SAGEMAKER:
            scope = {**scope, "path": REALTIME, "raw_path": REALTIME.encode()}
        stream = Stream(receive, send, self.model, self._bounds, figures)
        self._streams.add(stream)
        figures.n_active += 1
        figures.n_opened += 1
        end = "server"
        try:
            end = await stream.run(self._app, scope)
        finally:
            figures.n_active -= 1
            figures.ends[end] += 1
            self._streams.discard(stream)
            figures.n_sound += stream.account.n_sound

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Live as long as the server: what goes on beside the streams begins once the application is up."""
        if self._problem:
            await receive()
            await send({"type": "lifespan.startup.failed", "message": self._problem})
            return

        async def watched(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                self._begin(scope.get("app"))
            await send(message)

        with ExitStack() as stack:
            stack.enter_context(exposed(self, self._settings.max_streams))
            stack.callback(self._drain.forget)
            try:
                await self._app(scope, receive, watched)
            finally:
                for chore in self._chores:
                    chore.cancel()
                await asyncio.gather(*self._chores, return_exceptions=True)

    def _begin(self, owner: Any) -> None:
        self._drain.watch()
        for chore in (self._get_ready(owner), self._sweep(), self._report()):
            self._chores.append(asyncio.create_task(chore))

    async def _get_ready(self, owner: Any) -> None:
        """Have one utterance transcribed, however often it takes."""
        pause_s, started_s = _FIRST_PAUSE_S, time.monotonic()
        while True:
            try:
                await transcribe_once(self._app, owner, self.model)
                break
            except NoAnswer as exc:
                log.warning("the first utterance was not transcribed: %s; trying again in %.0f s", exc, pause_s)
            except Exception:  # whatever the application raises, as long as it lives it may yet get well
                log.exception("the first utterance was not transcribed; trying again in %.0f s", pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        self.figures.ready = True
        clock = f"delay {self.model.delay_samples / 16:.0f} ms" if self.model.clocked else "no token clock"
        most = self._settings.max_streams or "any number of"
        log.info("ready after %.1f s: %s streams, %s", time.monotonic() - started_s, most, clock)

    async def _sweep(self) -> None:
        """End streams whose client is gone while the application waits to be read by it."""
        while True:
            await asyncio.sleep(_SWEEP_S)
            for stream in list(self._streams):
                if stream.line.over:
                    stream.n_looks_over += 1
                    if stream.n_looks_over > _LOOKS:
                        stream.give_up()

    async def _report(self) -> None:
        """Sum up each period, and write the lines of it."""
        period, before = emf.Period(), self.figures.lag.copy()
        while True:
            await asyncio.sleep(self._settings.emf_s or _PERIOD_S)
            self.figures.lately = self.figures.lag.since(before)
            before = self.figures.lag.copy()
            if self._settings.emf_s:
                emf.write(period.lines(self.figures, self.sound_s, self._settings.endpoint, time.time()))


async def _turn_away(said: str, code: int, receive: Receive, send: Send) -> None:
    """Refuse for want of room in words: a bare handshake error reaches a SageMaker client as a 424 without any."""
    await receive()
    try:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": error(said, "server_full")})
        await send({"type": "websocket.close", "code": code, "reason": "server full"})
    except OSError:
        log.debug("a client did not wait to be turned away")


async def _not_now(reason: str, send: Send) -> None:
    body = json.dumps({"error": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})
