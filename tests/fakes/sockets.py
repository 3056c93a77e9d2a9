"""Real WebSocket peers on loopback whose every move the test makes."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed


@dataclass
class Peer:
    """The far end of one connection."""

    connection: ServerConnection

    async def send(self, text: str) -> None:
        await self.connection.send(text)

    async def send_binary(self, data: bytes) -> None:
        await self.connection.send(data)

    async def receive(self) -> str:
        frame = await self.connection.recv()
        assert isinstance(frame, str)
        return frame

    async def close(self, code: int) -> None:
        await self.connection.close(code, "a reason")

    async def abort(self) -> None:
        self.connection.transport.abort()


@dataclass
class PeerServer:
    """A listening server; ``accepted`` gives the far end of each connection in turn."""

    url: str
    accepted: asyncio.Queue[Peer] = field(default_factory=asyncio.Queue)


@asynccontextmanager
async def peer_server(tls: ssl.SSLContext | None = None, ping_s: float = 20) -> AsyncIterator[PeerServer]:
    """Listen on a free loopback port; hang up on a client that leaves a ping unanswered for ``ping_s``."""
    peers = PeerServer("")

    async def accept(connection: ServerConnection) -> None:
        await peers.accepted.put(Peer(connection))
        try:
            await connection.wait_closed()
        except ConnectionClosed:
            return

    listening = serve(
        accept,
        "127.0.0.1",
        0,
        ssl=tls,
        compression=None,
        close_timeout=0.5,
        ping_interval=ping_s,
        ping_timeout=ping_s,
    )
    async with listening as server:
        port = next(iter(server.sockets)).getsockname()[1]
        peers.url = f"{'wss' if tls else 'ws'}://127.0.0.1:{port}/v1/realtime"
        yield peers


@asynccontextmanager
async def raw_server(answer: bytes, close: bool = True) -> AsyncIterator[str]:
    """Listen on a free port, answer any request with ``answer``, and hang up or hold the line."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
            if not close:
                await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/realtime"
    finally:
        server.close()
        await server.wait_closed()
