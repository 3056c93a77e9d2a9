"""Real WebSocket peers on loopback whose every move the test makes."""

from __future__ import annotations

import asyncio
import contextlib
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


@dataclass
class Forwarder:
    """Passes connections on to whatever listens at ``port`` of this machine; without one it hangs up."""

    url: str
    port: int | None

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until either side ends it."""
        try:
            if self.port is not None:
                there = await asyncio.open_connection("127.0.0.1", self.port)
                await asyncio.wait(
                    [asyncio.create_task(_copy(reader, there[1])), asyncio.create_task(_copy(there[0], writer))],
                    return_when=asyncio.FIRST_COMPLETED,
                )
                there[1].transport.abort()
        except ConnectionError:
            return
        finally:
            writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def forwarder(port: int) -> AsyncIterator[Forwarder]:
    """Listen on a free loopback port in front of another one."""
    forward = Forwarder("", port)
    server = await asyncio.start_server(forward.accept, "127.0.0.1", 0)
    forward.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/realtime"
    try:
        yield forward
    finally:
        server.close()
        await server.wait_closed()
