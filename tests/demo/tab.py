"""A tab without a browser: it says exactly what a test says, and reads what a page would."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from websockets.asyncio.client import ClientConnection, connect

from tests.fakes.scripted import ScriptedEngine, ScriptedStream, a_word_every
from voxctl.connect import websocket
from voxctl.demo.recordings import Bounds
from voxctl.demo.server import RunningDemo, open_demo
from voxctl.demo.wire import HEADER
from voxctl.serving.engine import HeardWord, Tick
from voxctl.serving.server import open_server

PIECE_BYTES = 1024
DEADLINE_S = 20.0

type Message = dict[str, Any]


@dataclass
class Listener(ScriptedEngine):
    """A scripted engine that keeps the sound of each of its streams, in the order in which they were opened."""

    heard: list[bytearray] = field(default_factory=list)

    async def open_stream(self) -> ScriptedStream:
        await super().open_stream()
        sound = bytearray()
        self.heard.append(sound)
        return _Keeping(self, sound)


class _Keeping(ScriptedStream):
    def __init__(self, engine: ScriptedEngine, sound: bytearray) -> None:
        super().__init__(engine)
        self._sound = sound

    async def feed(self, ticks: Sequence[Tick]) -> Sequence[Sequence[HeardWord]]:
        for tick in ticks:
            self._sound += tick.pcm
        return await super().feed(ticks)

    async def finish(self, pcm: bytes) -> Sequence[HeardWord]:
        self._sound += pcm
        return await super().finish(pcm)


@dataclass(frozen=True, slots=True)
class Demo:
    """A page that is served, and the engine behind it."""

    page: RunningDemo
    engine: Listener

    @property
    def address(self) -> str:
        return urlsplit(self.page.url).netloc

    @property
    def token(self) -> str:
        return parse_qs(urlsplit(self.page.url).query)["token"][0]

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers (their names in lower case) and body."""
        connection = http.client.HTTPConnection(self.address, timeout=5)
        try:
            connection.request("GET", path, headers=dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    async def fetch(self, path: str, **headers: str) -> tuple[int, Mapping[str, str], bytes]:
        return await asyncio.to_thread(self.get, path, {"Authorization": f"Bearer {self.token}", **headers})

    def live(self, headers: Mapping[str, str] | None = None, /, **query: str | int) -> connect:
        """Connect as a page does, but for what ``query`` and ``headers`` say."""
        values = {"token": self.token, **query}
        given = {"Origin": f"http://{self.address}", **(headers or {})}
        return connect(f"ws://{self.address}/live?{urlencode(values)}", additional_headers=given, proxy=None)

    @asynccontextmanager
    async def tab(self, **query: str | int) -> AsyncIterator[Tab]:
        async with self.live(None, **query) as socket:
            yield Tab(socket, Listened())


@dataclass
class Listened:
    """What a tab was told so far."""

    id: str = ""
    next: int = 0
    acked: list[int] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    news: Message = field(default_factory=dict)


@dataclass
class Tab:
    """One connection of a page."""

    socket: ClientConnection
    told: Listened

    async def receive(self) -> Message:
        message: Message = json.loads(await asyncio.wait_for(self.socket.recv(), DEADLINE_S))
        match message["type"]:
            case "ready":
                self.told.id, self.told.next = message["id"], message["next"]
            case "ack":
                self.told.acked.append(message["number"])
                self.told.next = message["next"]
            case "news":
                assert message["from"] == len(self.told.pieces), "nothing is told twice"
                self.told.pieces += [text for text, _, _ in message["words"]]
                self.told.news = message
        return message

    async def until(self, kind: str, **values: object) -> Message:
        """Receive until a message of this kind says so."""
        while True:
            message = await self.receive()
            if message["type"] == kind and all(message[name] == value for name, value in values.items()):
                return message

    async def send(self, number: int, pcm: bytes) -> None:
        await self.socket.send(HEADER.pack(number, 0, 0.0) + pcm)

    async def stop(self, count: int) -> None:
        await self.socket.send(json.dumps({"type": "stop", "count": count}))

    @property
    def text(self) -> str:
        return "".join(self.told.pieces)


async def ended(demo: Demo) -> None:
    """Wait until no recording is under way."""
    for _ in range(1000):
        if not demo.page.n_recordings:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("a recording does not end")


def pieces(pcm: bytes) -> list[bytes]:
    """Cut sound as the page does."""
    return [pcm[at : at + PIECE_BYTES] for at in range(0, len(pcm), PIECE_BYTES)]


@asynccontextmanager
async def serving(bounds: Bounds | None = None, **options: Any) -> AsyncIterator[Demo]:
    """Serve a page in front of a server that hears a numbered word each half second."""
    engine = Listener(a_word_every(0.5, 60))
    async with (
        open_server(engine) as server,
        open_demo(websocket(server.url), target="scripted", bounds=bounds, **options) as page,
    ):
        yield Demo(page, engine)
