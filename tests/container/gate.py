"""The gateway around our own server, on a real port, and a bare server whose queue can be looked into."""

from __future__ import annotations

import asyncio
import json
import socket
from base64 import b64decode
from binascii import Error
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any

import uvicorn

from gateway import Gateway
from gateway.account import Bounds
from gateway.asgi import App, Receive, Scope, Send
from gateway.settings import Settings
from tests.contract.wire import RealtimeServerUnderTest
from tests.fakes.scripted import ScriptedEngine
from voxctl.serving.app import RealtimeApp
from voxctl.serving.server import listen_on, url_of

PATH = "/invocations-bidirectional-stream"
#: Nothing beside the streams: no lines on the test's output, no signal taken over.
QUIET = Settings(emf_s=0, drain_s=0)


@dataclass(frozen=True, slots=True)
class Gate:
    """A gateway that listens."""

    gateway: Gateway
    url: str
    model: str

    @property
    def server(self) -> RealtimeServerUnderTest:
        """Its streams under SageMaker's path."""
        return RealtimeServerUnderTest(f"{self.url}{PATH}", self.model, path=PATH)

    async def fetch(self, path: str, method: str = "GET") -> tuple[int, bytes]:
        """The status and the body of an HTTP answer."""

        def get() -> tuple[int, bytes]:
            connection = HTTPConnection(self.url.removeprefix("ws://"), timeout=5)
            try:
                connection.request(method, path)
                answer = connection.getresponse()
                return answer.status, answer.read()
            finally:
                connection.close()

        return await asyncio.to_thread(get)

    async def until(self, **figures: object) -> None:
        """Wait until the gateway has counted so much."""
        for _ in range(1000):
            if all(getattr(self.gateway.figures, name) == value for name, value in figures.items()):
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"wanted {figures}, got {self.gateway.figures}")


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def open_gate(
    engine: ScriptedEngine,
    settings: Settings = QUIET,
    bounds: Bounds | None = None,
    *,
    api_key: str | None = None,
    ready: bool = True,
    **options: Any,
) -> AsyncIterator[Gate]:
    """Serve ``engine`` behind a gateway, with uvicorn's own defaults as vLLM has them; ``options`` are for uvicorn."""
    app = RealtimeApp(engine, max_streams=100, api_key=api_key)
    gateway = Gateway(app.asgi, settings, bounds)
    async with served(gateway, **options) as url:
        gate = Gate(gateway, url, engine.model)
        if ready:
            await gate.until(ready=True)
        yield gate
    await app.settle(0)


def living(app: App) -> App:
    """Give a bare application of streams a lifespan, and nothing else to say over HTTP."""

    async def whole(scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "websocket":
                await app(scope, receive, send)
            case "http":
                await send({"type": "http.response.start", "status": 404, "headers": []})
                await send({"type": "http.response.body", "body": b""})
            case _:
                for event in ("startup", "shutdown"):
                    await receive()
                    await send({"type": f"lifespan.{event}.complete"})

    return whole


@asynccontextmanager
async def served(app: App, **options: Any) -> AsyncIterator[str]:
    """Serve an application on a free port of this machine."""
    listener = await listen_on("127.0.0.1", 0)
    options = {"ws": "websockets-sansio", **options}
    config = uvicorn.Config(app, lifespan="on", log_config=None, log_level="critical", **options)
    server = _Server(config)
    task = asyncio.create_task(server.serve([listener]))
    try:
        await asyncio.wait({task, asyncio.create_task(server.listening.wait())}, return_when=asyncio.FIRST_COMPLETED)
        yield url_of(listener)
    finally:
        server.should_exit = True
        await task
        listener.close()


@dataclass
class QueueServer:
    """An application that does with its queue what vLLM does, mistakes included, and gives empty deltas.

    ``n_put`` is the sound it was given since the last ``done``, in samples; ``most_ahead`` the most that ever waited.
    """

    n_put: int = 0
    n_deltas: int = 0
    most_ahead: int = 0
    most_uncommitted: int = 0
    generating: bool = False
    texts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._knows_model = False
        self._ends: list[int] = []
        self._moved = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["path"] == "/v1/realtime"
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        generation = asyncio.create_task(self._generate(send))
        try:
            while (message := await receive())["type"] == "websocket.receive":
                text = message["text"]
                self.texts.append(text)
                if code := self._obey(text):
                    await _say(send, type="error", error="no", code=code)
        finally:
            generation.cancel()
            await asyncio.gather(generation, return_exceptions=True)

    def _obey(self, text: str) -> str | None:
        try:
            message = json.loads(text)
        except ValueError:
            return "invalid_json"
        match message:
            case {"type": "session.update", "model": str()}:
                self._knows_model = True
            case {"type": "input_audio_buffer.append", "audio": str(audio)}:
                try:
                    sound = b64decode(audio)
                except Error:
                    return "invalid_audio"
                if not sound or len(sound) % 2:
                    return "invalid_audio"
                self.n_put += len(sound) // 2
            case {"type": "input_audio_buffer.commit"} if not self._knows_model:
                return "model_not_validated"
            case {"type": "input_audio_buffer.commit", "final": bool(final)} if final:
                self._ends.append(self.n_put)
            case {"type": "input_audio_buffer.commit"}:
                self.generating = True
            case _:
                return "unknown_event"
        ahead = self.n_put - self.n_deltas * 1280
        if self.generating:
            self.most_ahead = max(self.most_ahead, ahead)
        else:
            self.most_uncommitted = max(self.most_uncommitted, ahead)
        self._moved.set()
        return None

    async def _generate(self, send: Send) -> None:
        while True:
            self._moved.clear()
            ending = bool(self._ends)
            heard = self._ends[0] if ending else self.n_put
            due = (heard - 40) // 1280 + 11 if ending and heard else (heard - 9000) // 1280 + 1
            while self.generating and self.n_deltas < due:
                self.n_deltas += 1
                await _say(send, type="transcription.delta", delta="")
                await asyncio.sleep(0)
            if self.generating and ending:
                self.n_put = self.n_deltas = 0
                self._ends.clear()
                self.generating = False
                await _say(send, type="transcription.done", text="", usage=None)
            elif not self._moved.is_set():
                await self._moved.wait()
            await asyncio.sleep(0)


async def _say(send: Send, **message: object) -> None:
    await send({"type": "websocket.send", "text": json.dumps(message, separators=(",", ":"))})
