"""A server as a context: it listens when the context is entered, and everything it started has ended when it is left.

It runs in the caller's event loop, leaves signals to the caller and prints nothing.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from voxctl.errors import StreamError, UsageError
from voxctl.serving.app import RealtimeApp
from voxctl.serving.engine import Engine

#: Streams at a time unless told otherwise: the bundled recogniser keeps up with about eight a core; half are left
#: for those who speak without a pause, and for everything else on the machine.
DEFAULT_MAX_STREAMS = 4 * (os.cpu_count() or 1)
#: How long streams may go on after ``stop``.
GRACE_S = 3.0
MAX_MESSAGE_BYTES = 16 * 2**20
PING_INTERVAL_S = 20.0
#: A client that sends faster than we recognise has its pongs queued behind its audio: it is given time to get there.
PING_TIMEOUT_S = 60.0
#: Unread audio that the kernel keeps for one connection, instead of megabytes.
RECEIVE_BUFFER_BYTES = 256 * 1024
CLOSING_S = 5.0
BACKLOG = 128
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class RunningServer:
    """A server that listens. ``url`` is where to connect from this machine: ``ws://host:port``, without a path."""

    def __init__(self, url: str, app: RealtimeApp, uvicorn_server: QuietServer) -> None:
        self.url = url
        self._app = app
        self._uvicorn = uvicorn_server
        self._task = asyncio.create_task(uvicorn_server.serve(), name="voxctl-server")

    @property
    def n_streams(self) -> int:
        """How many streams are open."""
        return self._app.n_streams

    async def wait_listening(self) -> None:
        """Wait until connections are taken; if the server broke instead, say with what."""
        await wait_listening(self._uvicorn, self._task)

    async def wait_closed(self) -> None:
        """Wait until the server has ended; if it broke, say with what."""
        await asyncio.shield(self._task)

    async def stop(self, grace_s: float = GRACE_S) -> None:
        """Take no more streams, let the utterances in progress end for a while, and close all streams with 1012."""
        self._uvicorn.stop_listening()
        await self._app.settle(grace_s)
        self._uvicorn.leave()
        await self.wait_closed()


@asynccontextmanager
async def open_server(
    engine: Engine,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    max_streams: int = DEFAULT_MAX_STREAMS,
    api_key: str | None = None,
) -> AsyncIterator[RunningServer]:
    """Serve ``engine`` on ``host``; port 0 takes a free one.

    The engine is started first and closed last. Raises ``UsageError`` for an address that cannot be, ``StreamError``
    for one that cannot be had, ``EngineUnavailable`` if the recogniser cannot work. Leaving the context normally is
    ``stop``; leaving it with an error gives the streams no grace.
    """
    if max_streams < 1:
        raise UsageError(f"a server for {max_streams} streams serves nobody", hint="give --max-streams 1 or more.")
    listener = await listen_on(host, port)
    try:
        await engine.start()
        app = RealtimeApp(engine, max_streams=max_streams, api_key=api_key)
        server = RunningServer(url_of(listener), app, QuietServer(app.asgi, listener))
        grace_s = 0.0
        try:
            await server.wait_listening()
            yield server
            grace_s = GRACE_S
        finally:
            await server.stop(grace_s)
    finally:
        listener.close()
        await engine.aclose()


class QuietServer(uvicorn.Server):
    """uvicorn without its signal handlers, on a socket of ours; with ``tls`` (PEM files: certificate, key) over TLS."""

    def __init__(
        self,
        app: ASGIApp,
        listener: socket.socket,
        *,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        tls: tuple[Path, Path] | None = None,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http="h11",
                # The one of uvicorn's implementations that stops reading while the application does not receive,
                # and that needs nothing deprecated.
                ws="websockets-sansio",
                ws_max_size=max_message_bytes,
                ws_ping_interval=PING_INTERVAL_S,
                ws_ping_timeout=PING_TIMEOUT_S,
                # Base64 audio does not shrink enough to pay for it.
                ws_per_message_deflate=False,
                lifespan="off",
                log_config=None,
                log_level="critical",
                access_log=False,
                server_header=False,
                date_header=False,
                timeout_graceful_shutdown=int(CLOSING_S),
                ssl_certfile=tls[0] if tls else None,
                ssl_keyfile=tls[1] if tls else None,
            )
        )
        self._listener = listener
        self.listening = asyncio.Event()
        self._leaving = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave Ctrl-C and SIGTERM to whoever runs the event loop."""
        yield

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Run until ``should_exit``."""
        await super().serve(sockets or [self._listener])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to take connections."""
        await super().startup(sockets)
        self.listening.set()

    async def main_loop(self) -> None:
        """Wait for the end; uvicorn would look for it ten times a second."""
        await self._leaving.wait()

    def leave(self) -> None:
        """End the server as soon as it can be."""
        self.should_exit = True
        self._leaving.set()

    def stop_listening(self) -> None:
        """Refuse new connections; those that are open stay."""
        for server in getattr(self, "servers", []):
            server.close()


async def wait_listening(server: QuietServer, task: asyncio.Task[None]) -> None:
    """Wait until ``server``, run by ``task``, takes connections; if it broke instead, raise what broke it."""
    listening = asyncio.create_task(server.listening.wait())
    await asyncio.wait((listening, task), return_when=asyncio.FIRST_COMPLETED)
    listening.cancel()
    if task.done():
        task.result()


async def listen_on(host: str, port: int) -> socket.socket:
    """Bind the first address of ``host`` that can be had."""
    if not 0 <= port <= 65535:
        raise UsageError(f"there is no port {port}", hint="ports run from 1 to 65535; 0 takes a free one.")
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (socket.gaierror, UnicodeError) as exc:
        raise UsageError(
            f"{host!r} is no address of this machine", hint="127.0.0.1 listens for this machine only, 0.0.0.0 for all."
        ) from exc
    failures = []
    for family, kind, protocol, _, address in found:
        try:
            return _bound(socket.socket(family, kind, protocol), address)
        except OSError as exc:
            failures.append(exc)
    raise _renamed(failures[0], host, port) from failures[0]


def _bound(listener: socket.socket, address: tuple[object, ...]) -> socket.socket:
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if listener.family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # Connections inherit it.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # A client that has vanished with deltas on their way to it would keep its slot for a quarter of an hour.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(PING_TIMEOUT_S * 1000))
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _renamed(error: OSError, host: str, port: int) -> StreamError | UsageError:
    where = f"{host}:{port}"
    match error.errno:
        case errno.EADDRINUSE:
            return StreamError(
                f"{where} is in use by another program", hint="choose another --port, or 0 for a free one."
            )
        case errno.EACCES | errno.EPERM:
            return StreamError(f"listening on {where} is not allowed", hint="choose a --port of 1024 or above.")
        case errno.EADDRNOTAVAIL | errno.EAFNOSUPPORT:
            return UsageError(
                f"{host} is no address of this machine",
                hint="127.0.0.1 listens for this machine only, 0.0.0.0 for all.",
            )
        case _:
            return StreamError(
                f"cannot listen on {where}: {error.strerror or error}", hint="choose another --host or --port."
            )


def url_of(listener: socket.socket) -> str:
    """Return the address of a listening socket, as clients are to name it."""
    host, port = listener.getsockname()[:2]
    host = _WILDCARDS.get(host, host)
    return f"ws://[{host}]:{port}" if ":" in host else f"ws://{host}:{port}"
