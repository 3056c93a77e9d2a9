"""The page as a context: it is served while the context is open; all it started has ended when that is left."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from ipaddress import ip_address
from pathlib import Path

from voxctl.demo import wire
from voxctl.demo.app import DemoApp
from voxctl.demo.recordings import Bounds, Recordings
from voxctl.errors import UsageError
from voxctl.serving.server import QuietServer, listen_on, url_of, wait_listening
from voxctl.serving.standin.loopback import is_loopback
from voxctl.session.policy import Policy
from voxctl.transport.base import Connector

#: How long recordings may go on after the end was asked for.
GRACE_S = 3.0


class RunningDemo:
    """A page that is served. ``url`` opens it on this machine; its token is good for this run only."""

    def __init__(self, url: str, port: int, recordings: Recordings, server: QuietServer) -> None:
        self.url = url
        self.port = port
        self._recordings = recordings
        self._server = server
        self._task = asyncio.create_task(server.serve(), name="voxctl-demo")

    @property
    def n_recordings(self) -> int:
        """How many recordings are under way."""
        return self._recordings.n_running

    async def wait_listening(self) -> None:
        """Wait until connections are taken; if the server broke instead, say with what."""
        await wait_listening(self._server, self._task)

    async def wait_closed(self) -> None:
        """Wait until the server has ended; if it broke, say with what."""
        await asyncio.shield(self._task)

    async def stop(self, grace_s: float = GRACE_S) -> None:
        """Take no more pages, let what was said become text for a while, and close all sockets with 1012."""
        self._server.stop_listening()
        await self._recordings.aclose(grace_s)
        self._server.leave()
        await self.wait_closed()


@asynccontextmanager
async def open_demo(
    connect: Connector,
    *,
    target: str = "",
    host: str = "127.0.0.1",
    port: int = 0,
    tls: tuple[Path, Path] | None = None,
    insecure: bool = False,
    model: str | None = None,
    policy: Policy | None = None,
    bounds: Bounds | None = None,
) -> AsyncIterator[RunningDemo]:
    """Serve a page on ``host`` that transcribes what is said to it over connections made by ``connect``.

    ``target`` names what transcribes, for people and documents; port 0 takes a free one. ``tls`` are the PEM files of a
    certificate and its key. Raises ``UsageError`` for an address that cannot be, and for one beyond this machine
    without TLS unless ``insecure`` says that this is meant; ``StreamError`` for one that cannot be had.
    """
    check_reach(host, bool(tls), insecure)
    listener = await listen_on(host, port)
    async with AsyncExitStack() as stack:
        stack.callback(listener.close)
        token = secrets.token_urlsafe(24)
        recordings = Recordings(connect, bounds or Bounds(), model=model, policy=policy)
        app = DemoApp(recordings, target=target, token=token, names=names_of(host))
        server = QuietServer(app.asgi, listener, max_message_bytes=wire.MOST_BYTES, tls=tls)
        address = url_of(listener).removeprefix("ws://")
        url = f"{'https' if tls else 'http'}://{address}/?token={token}"
        running = RunningDemo(url, listener.getsockname()[1], recordings, server)
        grace_s = 0.0
        try:
            await running.wait_listening()
            yield running
            grace_s = GRACE_S
        finally:
            await running.stop(grace_s)


def check_reach(host: str, secure: bool, insecure: bool) -> None:
    """Raise ``UsageError`` for a page that others could reach and overhear."""
    if not (secure or insecure or is_loopback(host)):
        raise UsageError(
            f"on {host or 'every address'} without TLS others can read along, and browsers give no microphone there",
            hint="add --tls; or leave --host out and tunnel: ssh -L 8765:127.0.0.1:8765 HOST. --insecure overrides.",
        )


def names_of(host: str) -> frozenset[str]:
    """Return the host names, beside addresses, under which a page on ``host`` may be opened."""
    if is_loopback(host):
        return frozenset({"localhost"})
    own = socket.gethostname().lower()
    return frozenset({"localhost", host.lower(), own, own.partition(".")[0], f"{own.partition('.')[0]}.local"})


def addresses_of(host: str) -> frozenset[str]:
    """Return the addresses at which a page on ``host`` is reached, as far as this machine knows them."""
    found = {"127.0.0.1", "::1"}
    with suppress(ValueError):  # a name has its own place in a certificate
        found.add(str(ip_address(host)))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):  # no network, no address
        probe.connect(("192.0.2.1", 9))  # nothing is sent; it only asks which address would be used
        found.add(probe.getsockname()[0])
    return frozenset(found - {"0.0.0.0", "::"})
