"""A stand-in for the SageMaker runtime as a context: it listens while open, and all it started has ended after it.

It runs in the caller's event loop, leaves signals to the caller and prints nothing.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from voxctl.errors import UsageError
from voxctl.serving.server import listen_on
from voxctl.serving.standin.limits import Counters, Limits
from voxctl.serving.standin.loopback import is_loopback

try:
    from voxctl.serving.standin.connection import Connection, Headers
    from voxctl.serving.standin.folder import default_folder, kept_in
except ImportError as exc:
    raise UsageError(
        f"the stand-in for SageMaker needs the package {exc.name}, which is not installed",
        hint="type: pip install 'voxctl[stand-in]'",
    ) from exc
from voxctl.serving.standin.inbox import Inbox
from voxctl.serving.standin.plain import PlainHttp
from voxctl.serving.standin.script import Script
from voxctl.serving.standin.signature import Gate, Key
from voxctl.serving.standin.stream import Service, Stream
from voxctl.serving.standin.upstream import Model

log = logging.getLogger("voxctl.serving.standin")

REGION = "us-east-1"
_HANDSHAKE_S = 10.0


class RunningStandIn:
    """A stand-in that listens. ``endpoint_url`` is ``https://localhost:PORT``, ``ca_bundle`` the PEM file to trust.

    The key is the first of those it takes; ``counters`` are read as they are.
    """

    def __init__(self, port: int, ca_bundle: Path, key: Key, service: Service) -> None:
        self.port = port
        self.endpoint_url = f"https://localhost:{port}"
        self.ca_bundle = ca_bundle
        self.region = service.gate.region
        self.access_key_id = key.access_key_id
        self.secret_access_key = key.secret_access_key
        self.session_token = key.session_token
        self._service = service

    @property
    def counters(self) -> Counters:
        """What has happened since the start."""
        return self._service.counters


@asynccontextmanager
async def open_stand_in(
    upstream: str,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    folder: Path | None = None,
    limits: Limits | None = None,
    region: str = REGION,
    keys: Sequence[Key] = (),
    api_key: str | None = None,
    script: Script | None = None,
    say: Callable[[str], None] = log.info,
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[RunningStandIn]:
    """Bridge bidirectional streams of SageMaker clients to the WebSocket server ``upstream``, on a loopback ``host``.

    ``upstream`` is ``ws://host:port`` with the path for requests that name none; without one it is a container's.
    ``api_key`` is for it. ``folder`` is where certificates and the local key are kept; ``keys`` are taken instead of
    that key. Port 0 takes a free one. ``say`` gets a line about every stream that goes wrong. Raises ``UsageError``
    for what cannot be, ``StreamError`` for an address that cannot be had.
    """
    _check_loopback(host)
    model = Model(upstream, api_key)
    listener = await listen_on(host, port)
    try:
        kept = await asyncio.to_thread(kept_in, folder or default_folder())
        keys = keys or (kept.key,)
        limits = limits or Limits()
        service = Service(Gate(keys, region, limits.skew_s), model, limits, script or Script(), say, clock)
        in_use = await asyncio.to_thread(kept.server.read_bytes)
        front, tls = _Front(service), _tls(kept.server)
        server = await asyncio.get_running_loop().create_server(
            front.connection, sock=listener, ssl=tls, ssl_handshake_timeout=_HANDSHAKE_S
        )
        renewing = asyncio.create_task(_renew(tls, kept.server, in_use, limits.renewal_s))
        try:
            yield RunningStandIn(listener.getsockname()[1], kept.authority, keys[0], service)
        finally:
            renewing.cancel()
            server.close()
            await front.leave(limits.close_s)
            # Those that have not shaken hands yet. Before Python 3.13 they have until the handshake's deadline.
            if hasattr(server, "abort_clients"):
                server.abort_clients()
    finally:
        listener.close()


async def check_address(host: str, port: int) -> None:
    """Raise what ``open_stand_in`` would raise of this address now."""
    _check_loopback(host)
    (await listen_on(host, port)).close()


class _Front:
    """All connections of a stand-in, and the tasks of their streams."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def connection(self) -> asyncio.Protocol:
        """Return what takes a new connection."""
        service = self._service
        return Connection(
            service.limits, self._serve, self._made, self._connections.discard, lambda: PlainHttp(service.clock)
        )

    def _made(self, connection: Connection) -> bool:
        if len(self._connections) >= self._service.limits.connections:
            log.warning("all %d connections are taken", len(self._connections))
            return False
        self._connections.add(connection)
        self._service.counters.connections += 1
        return True

    def _serve(self, connection: Connection, stream_id: int, headers: Headers, inbox: Inbox) -> asyncio.Task[None]:
        stream = Stream(self._service, connection, stream_id, headers, inbox)
        task = asyncio.get_running_loop().create_task(stream.run(), name="voxctl-stand-in-stream")
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._served(task, stream))
        return task

    def _served(self, task: asyncio.Task[None], stream: Stream) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (bug := task.exception()):
            log.error("a stream broke", exc_info=bug)
            stream.fail()

    async def leave(self, limit_s: float) -> None:
        """End every stream and hang up on every client, within ``limit_s``."""
        connections = list(self._connections)
        for connection in connections:
            connection.leave()
        waits = [asyncio.ensure_future(connection.closed.wait()) for connection in connections]
        if waiting := [*self._tasks, *waits]:
            await asyncio.wait(waiting, timeout=limit_s)
        for connection in connections:
            connection.transport.abort()
        await asyncio.gather(*self._tasks, *waits, return_exceptions=True)


def _tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(["h2"])
    return context


async def _renew(context: ssl.SSLContext, certificate: Path, in_use: bytes, every_s: float) -> None:
    """Have new connections get the certificate of the folder, which is made anew in time, for ever."""
    while True:
        await asyncio.sleep(every_s)
        try:
            found = await asyncio.to_thread(lambda: kept_in(certificate.parent).server.read_bytes())
            if found != in_use:
                context.load_cert_chain(certificate)
                in_use = found
        except (UsageError, OSError) as exc:  # ssl.SSLError is one
            log.warning("the stand-in's certificate cannot be renewed: %s", exc)


def _check_loopback(host: str) -> None:
    if not is_loopback(host):
        raise UsageError(
            f"the stand-in for SageMaker does not listen on {host or 'every address'}",
            hint="its certificate is for this machine only: leave out --host.",
        )
