"""A server in memory that keeps the token clock to the letter, until it is told to misbehave."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from websockets.exceptions import ConnectionClosed

from tests.fakes.sockets import Peer, peer_server
from voxctl.errors import ConnectionLost
from voxctl.realtime.models import TAIL_TICKS
from voxctl.transport.base import Connector, Transport
from voxctl.transport.memory import MemoryTransport, memory_pair

FIRST_TICK_SAMPLES = 1320  # 82.5 ms; the delay comes on top


@dataclass
class LawfulServer:
    """One connection at a time. ``speak(i)`` is the text of delta *i*. Each other field is one way to misbehave.

    ``silent_after`` deltas nothing more comes; ``ends_after`` deltas the context is full; ``breaks_after`` deltas the
    line is cut; ``refusals`` connections are turned away first, with ``refusal``; ``mute``: not even a greeting.
    """

    speak: Callable[[int], str] = lambda i: f" w{i}" if i % 3 == 0 else ""
    delay_samples: int = 7680
    tick_pause_s: float = 0.0
    silent_after: int | None = None
    ends_after: int | None = None
    breaks_after: int | None = None
    says_at_break: str | None = None
    refusals: int = 0
    refusal: Callable[[], Exception] | None = None
    full: bool = False
    mute: bool = False
    n_connections: int = 0
    models: list[str] = field(default_factory=list)
    n_received: int = 0
    n_deltas: int = 0
    most_ahead: int = 0
    finished: bool = False

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Connector]:
        """Yield what connects to this server; its tasks end with the context."""
        tasks: list[asyncio.Task[None]] = []

        async def connect() -> Transport:
            self.n_connections += 1
            if self.n_connections <= self.refusals and self.refusal:
                raise self.refusal()
            near, far = memory_pair()
            tasks.append(asyncio.create_task(self._serve(far)))
            return near

        yield connect
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result

    @asynccontextmanager
    async def on_a_port(self, ping_s: float = 20) -> AsyncIterator[str]:
        """Yield the address of a real WebSocket at which this server listens; ``ping_s`` as in ``peer_server``."""
        async with peer_server(ping_s=ping_s) as peers:

            async def accept() -> None:
                while True:
                    self.n_connections += 1
                    await self._serve(await peers.accepted.get())

            task = asyncio.create_task(accept())
            yield peers.url
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _serve(self, line: MemoryTransport | Peer) -> None:
        with contextlib.suppress(ConnectionLost, ConnectionClosed):
            if self.mute:
                await asyncio.Event().wait()
            if self.full and self.n_connections <= self.refusals:
                await line.send('{"type":"error","error":"busy","code":"server_full"}')
                await line.close(1013)
                return
            self.n_received = self.n_deltas = 0
            await line.send('{"type":"session.created","id":"s","created":1}')
            while not await self._take(line, json.loads(await line.receive())):
                pass

    async def _take(self, line: MemoryTransport | Peer, message: dict[str, str]) -> bool:
        match message["type"]:
            case "session.update":
                self.models.append(message["model"])
            case "input_audio_buffer.append":
                self.n_received += len(base64.b64decode(message["audio"])) // 2
                due = (self.n_received - FIRST_TICK_SAMPLES - self.delay_samples) // 1280 + 1
                return await self._give(line, due)
            case _ if message.get("final"):
                self.finished = True
                if await self._give(line, (self.n_received - 40) // 1280 + TAIL_TICKS):
                    return True
                await self._done(line)
                return True
        return False

    async def _give(self, line: MemoryTransport | Peer, due: int) -> bool:
        self.most_ahead = max(self.most_ahead, self.n_received - self.n_deltas * 1280)
        while self.n_deltas < due:
            if self.n_deltas == self.silent_after:
                await asyncio.Event().wait()
            if self.n_deltas == self.ends_after:
                await self._done(line)
                return True
            if self.n_deltas == self.breaks_after:
                if self.says_at_break:
                    await line.send(self.says_at_break)
                await line.close(1012)
                return True
            await asyncio.sleep(self.tick_pause_s)
            delta = {"type": "transcription.delta", "delta": self.speak(self.n_deltas)}
            await line.send(json.dumps(delta))
            self.n_deltas += 1
        return False

    async def _done(self, line: MemoryTransport | Peer) -> None:
        text = "".join(self.speak(i) for i in range(self.n_deltas))
        usage = {"prompt_tokens": 39, "completion_tokens": self.n_deltas}
        await line.send(json.dumps({"type": "transcription.done", "text": text, "usage": usage}))
