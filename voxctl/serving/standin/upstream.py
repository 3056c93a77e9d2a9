"""The model's side of a stream: one WebSocket, as the service would open it to a container."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK, InvalidStatus, InvalidURI, WebSocketException
from websockets.uri import parse_uri

from voxctl.errors import UsageError
from voxctl.serving.standin.limits import Counters, Limits

#: Where a container is asked when neither the address nor the client names a path.
CONTAINER_PATH = "/invocations-bidirectional-stream"
#: Messages of the model that wait for the client, each at most ``message_bytes``.
_READ_AHEAD = 4
_BUFFER_BYTES = 128 * 1024  # the system doubles it


class Rejected(Exception):
    """The model did not accept the WebSocket. ``status`` is its HTTP answer, if it gave one."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Broken(Exception):
    """The model's WebSocket ended, and not well."""


@dataclass(frozen=True, slots=True)
class Model:
    """Where the model is. ``url`` is ``ws://…`` or ``wss://…``; ``api_key`` is sent as a bearer token."""

    url: str
    api_key: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        try:
            parse_uri(self.url)
        except (InvalidURI, ValueError) as exc:
            raise UsageError(
                f"{self.url!r} is no WebSocket address", hint="an address looks like ws://127.0.0.1:8000."
            ) from exc

    def url_for(self, path: str | None, query: str | None) -> str:
        """Return the address for a request: ``path``, written without the slash before it, replaces the model's own."""
        parts = urlsplit(self.url)
        own = parts.path if parts.path not in ("", "/") else CONTAINER_PATH
        queries = "&".join(filter(None, (parts.query, query)))
        return urlunsplit((parts.scheme, parts.netloc, own if path is None else f"/{path}", queries, ""))


class Upstream:
    """One open WebSocket to the model."""

    def __init__(self, websocket: ClientConnection, limits: Limits, counters: Counters) -> None:
        self._websocket = websocket
        self._limits = limits
        self._counters = counters

    async def send(self, message: bytes, *, text: bool) -> bool:
        """Send a message as one frame; waits while the model does not read.

        Return false when the connection is over; whether it ended well, whoever receives learns, after the last words.
        """
        try:
            await self._websocket.send(message, text=text)
        except ConnectionClosed:
            return False
        return True

    async def receive(self) -> AsyncIterator[tuple[str | bytes, bool]]:
        """Yield the parts of the next message, each with whether it is the last. Raises ``Broken``; the end of a
        connection that was closed well yields nothing.
        """
        part: str | bytes | None = None
        try:
            async for following in self._websocket.recv_streaming():
                if part is not None:
                    yield part, False
                part = following
        except ConnectionClosedOK:
            return
        except ConnectionClosed as exc:
            raise _broken(exc) from exc
        if part is not None:
            yield part, True

    async def close(self) -> None:
        """Say goodbye and wait for the answer, not for ever; what the model says meanwhile can be received."""
        await self._websocket.close()

    async def keep_alive(self) -> None:
        """Ping the model for as long as it answers. Raises ``Broken`` when it does not."""
        missed = 0
        await asyncio.sleep(self._limits.ping_s)
        while missed < self._limits.missed_pings:
            self._counters.pings += 1
            next_s = asyncio.get_running_loop().time() + self._limits.ping_s
            try:
                async with asyncio.timeout_at(next_s):
                    await (await self._websocket.ping())
                missed = 0
            except TimeoutError:
                missed += 1
                self._counters.missed_pings += 1
            except ConnectionClosed:
                return  # whoever receives learns why
            await asyncio.sleep(next_s - asyncio.get_running_loop().time())
        raise Broken(f"The model left {missed} pings unanswered.")


@asynccontextmanager
async def open_upstream(model: Model, url: str, limits: Limits, counters: Counters) -> AsyncIterator[Upstream]:
    """Connect to the model at ``url`` for as long as the context is open. Raises ``Rejected``."""
    websocket = await _accepted(model, url, limits)
    try:
        yield Upstream(websocket, limits, counters)
    finally:
        try:
            async with asyncio.timeout(limits.close_s):
                await websocket.close()
        except TimeoutError:
            pass
        finally:
            websocket.transport.abort()


async def _accepted(model: Model, url: str, limits: Limits) -> ClientConnection:
    uri = parse_uri(url)
    dialled = await _dialled(uri.host, uri.port, limits.dial_s)
    try:
        return await connect(
            url,
            sock=dialled,
            additional_headers={"Authorization": f"Bearer {model.api_key}"} if model.api_key else {},
            compression=None,
            open_timeout=limits.accept_s,
            close_timeout=limits.close_s,
            max_size=limits.message_bytes,
            max_queue=_READ_AHEAD,
            ping_interval=None,
            proxy=None,
        )
    except InvalidStatus as exc:
        status = exc.response.status_code
        raise Rejected(f"The model answered HTTP {status} instead of accepting the WebSocket.", status) from exc
    except TimeoutError as exc:
        raise Rejected(f"The model did not accept the WebSocket within {limits.accept_s * 1000:.0f} ms.") from exc
    except (OSError, WebSocketException, ValueError) as exc:  # ValueError: it answered with another address
        raise Rejected("The model did not complete the WebSocket handshake.") from exc


async def _dialled(host: str, port: int, limit_s: float) -> socket.socket:
    """Return a connected socket. How far away the machine is, is not the model's fault."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(limit_s):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            for family, kind, protocol, _, address in found:
                with suppress(ConnectionError):
                    return await _connected(socket.socket(family, kind, protocol), address)
    except OSError as exc:  # TimeoutError and socket.gaierror are OSErrors
        raise Rejected("The model does not take connections.") from exc
    raise Rejected("The model does not take connections.")


async def _connected(sock: socket.socket, address: tuple[object, ...]) -> socket.socket:
    try:
        sock.setblocking(False)
        # What one side does not read is to wait with the other, not in megabytes of the kernel's.
        for buffer in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            sock.setsockopt(socket.SOL_SOCKET, buffer, _BUFFER_BYTES)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


def _broken(closed: ConnectionClosed) -> Broken:
    received = closed.rcvd
    if received is None:
        return Broken("The connection to the model broke.")
    return Broken(f"The model closed the connection with code {received.code}.")
