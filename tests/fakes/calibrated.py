"""A Realtime server whose deltas are late by as much as a test says: what measures must find exactly that."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from websockets.exceptions import ConnectionClosed

from tests.fakes.sockets import Peer, PeerServer, peer_server
from voxctl.errors import ConnectionLost
from voxctl.realtime.models import LOOK_AHEAD_SAMPLES, SAMPLE_RATE_HZ, TAIL_TICKS, TICK_SAMPLES
from voxctl.transport.base import Connector, Transport
from voxctl.transport.memory import MemoryTransport, memory_pair

_WORDS = (" every", " good", " boy", " does", " fine")


@dataclass
class CalibratedServer:
    """``lag_ms(k, n_open)`` is how much later than it could a stream's delta ``k`` comes, ``n_open`` being the streams
    that are open. Deltas keep their order, so one that is late holds up those behind it. With ``says`` it says that
    text, word by word, whatever it hears; beyond ``places`` streams it says that it is full."""

    lag_ms: Callable[[int, int], float] = lambda k, n_open: 0.0
    delay_s: float = 0.48
    says: str | None = None
    places: int | None = None
    n_open: int = 0
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    #: Set once two streams are open.
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def on_a_port(self) -> AsyncIterator[str]:
        """Listen on a free loopback port and yield the address."""
        async with peer_server() as peers:
            accepting = asyncio.create_task(self._accept_all(peers))
            try:
                yield peers.url
            finally:
                self.tasks.append(accepting)
                await self._end()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Connector]:
        """Yield what connects to this server in memory; its tasks end with the context."""

        async def connect() -> Transport:
            near, far = memory_pair()
            self.tasks.append(asyncio.create_task(self._serve(far)))
            return near

        try:
            yield connect
        finally:
            await self._end()

    async def _end(self) -> None:
        tasks, self.tasks = self.tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept_all(self, peers: PeerServer) -> None:
        while True:
            self.tasks.append(asyncio.create_task(self._serve(await peers.accepted.get())))

    async def _serve(self, line: MemoryTransport | Peer) -> None:
        with contextlib.suppress(ConnectionLost, ConnectionClosed):
            if self.places is not None and self.n_open >= self.places:
                await line.send(json.dumps({"type": "error", "error": "no place", "code": "server_full"}))
                await line.close(1013)
                return
            self.n_open += 1
            if self.n_open == 2:
                self.opened.set()
            try:
                await _Said(self, line).run()
            finally:
                self.n_open -= 1


class _Said:
    """One stream of the server."""

    def __init__(self, server: CalibratedServer, line: MemoryTransport | Peer) -> None:
        self._server = server
        self._line = line
        self._due: asyncio.Queue[tuple[float, str] | None] = asyncio.Queue()
        self._n_samples = self._n_deltas = 0
        self._text: list[str] = []
        self._words = server.says.split() if server.says else []

    async def run(self) -> None:
        await self._line.send(json.dumps({"type": "session.created", "id": "c", "created": 1}))
        sending = asyncio.create_task(self._send())
        try:
            while True:
                message = json.loads(await self._line.receive())
                if message["type"] == "input_audio_buffer.append":
                    self._n_samples += len(base64.b64decode(message["audio"])) // 2
                    self._answer((self._n_samples - LOOK_AHEAD_SAMPLES) // TICK_SAMPLES - self._delay_ticks)
                elif message.get("final"):
                    self._answer((self._n_samples - LOOK_AHEAD_SAMPLES) // TICK_SAMPLES + TAIL_TICKS)
                    self._due.put_nowait(None)
                    await sending
                    await self._line.receive()  # its end
        finally:
            sending.cancel()

    @property
    def _delay_ticks(self) -> int:
        return round(self._server.delay_s * SAMPLE_RATE_HZ / TICK_SAMPLES)

    def _answer(self, n_deltas: int) -> None:
        while self._n_deltas < n_deltas:
            self._n_deltas += 1
            lag_s = self._server.lag_ms(self._n_deltas, self._server.n_open) / 1000
            self._due.put_nowait((asyncio.get_running_loop().time() + lag_s, self._word()))

    def _word(self) -> str:
        if self._server.says is not None:
            return " " + self._words.pop(0) if self._words else ""
        return _WORDS[self._n_deltas // 5 % len(_WORDS)] if self._n_deltas % 5 == 0 else ""

    async def _send(self) -> None:
        while (due := await self._due.get()) is not None:
            at_s, text = due
            await asyncio.sleep(max(0.0, at_s - asyncio.get_running_loop().time()))
            self._text.append(text)
            await self._line.send(json.dumps({"type": "transcription.delta", "delta": text}))
        usage = {"prompt_tokens": 1, "completion_tokens": self._n_deltas, "total_tokens": 1 + self._n_deltas}
        await self._line.send(json.dumps({"type": "transcription.done", "text": "".join(self._text), "usage": usage}))
