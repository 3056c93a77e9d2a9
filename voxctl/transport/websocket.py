"""WebSocket to a vLLM Realtime server, ours or vLLM's. The only file that imports websockets."""

from __future__ import annotations

import asyncio
import logging
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidMessage,
    InvalidProxy,
    InvalidStatus,
    InvalidURI,
    ProxyError,
    WebSocketException,
)
from websockets.frames import CloseCode

from voxctl.errors import (
    ConnectFailed,
    ConnectionLost,
    HandshakeRefused,
    ProtocolError,
    StreamError,
    UsageError,
)

REALTIME_PATH = "/v1/realtime"
#: The text of a ``done`` grows with the audio; vLLM's own limit for a frame is the same.
_MAX_FRAME_BYTES = 16 * 1024 * 1024
_SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WebSocketTarget:
    """Where to connect and how. ``url`` is complete; ``ca_bundle`` replaces the system's trusted certificates.

    ``open_s`` bounds the connection's set-up and ``close_s`` its closing handshake, in seconds.
    """

    url: str
    api_key: str | None = field(default=None, repr=False)
    ca_bundle: Path | None = None
    open_s: float = 10.0
    close_s: float = 2.0


def realtime_url(url: str) -> str:
    """Return the address to connect to: ``url`` verbatim if it has a path, else with ``/v1/realtime``.

    ``http`` and ``https`` are taken for ``ws`` and ``wss``. Raises ``UsageError`` for what is no such address.
    """
    example = "an address looks like ws://127.0.0.1:8000 or wss://host/v1/realtime."
    try:
        parts = urlsplit(url if "://" in url else f"ws://{url}")
        _ = parts.port
    except ValueError as exc:
        raise UsageError(f"--url {url!r} is not an address: {exc}", hint=example) from exc
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise UsageError(f"--url {url!r} is not a WebSocket address", hint=example)
    if parts.username or parts.password:
        raise UsageError(
            "--url holds a user name or password",
            hint="give the key with VOXCTL_API_KEY or --api-key instead.",
        )
    path = parts.path if parts.path not in ("", "/") else REALTIME_PATH
    return urlunsplit((_SCHEMES[parts.scheme], parts.netloc, path, parts.query, ""))


class WebSocketTransport:
    """One open WebSocket; see ``transport.base`` for what each method promises."""

    def __init__(self, connection: ClientConnection, where: str, close_s: float) -> None:
        self._connection = connection
        self._where = where
        self._close_s = close_s

    async def send(self, text: str) -> None:
        """Send one text frame."""
        try:
            await self._connection.send(text)
        except ConnectionClosed as exc:
            raise _lost(exc, self._where) from exc

    async def receive(self) -> str:
        """Return the next text frame."""
        try:
            frame = await self._connection.recv()
        except ConnectionClosed as exc:
            raise _lost(exc, self._where) from exc
        if isinstance(frame, bytes):
            raise ProtocolError(
                f"{self._where} sent a binary frame", hint="is this a vLLM Realtime server? Check --url."
            )
        return frame

    async def send_eof(self) -> None:
        """Do nothing: WebSocket has no half-close, the final commit of the protocol stands for it."""

    async def aclose(self) -> None:
        """Do the closing handshake; the connection is dropped if the peer does not answer in time."""
        # The library's own time limit does not cover a peer that reads nothing: the goodbye waits behind the audio.
        try:
            async with asyncio.timeout(self._close_s):
                await self._connection.close()
        except TimeoutError:
            self._connection.transport.abort()


async def open_websocket(target: WebSocketTarget) -> WebSocketTransport:
    """Connect to ``target``. Raises ``ConnectFailed`` or ``HandshakeRefused`` within ``open_s``."""
    parts = urlsplit(target.url)
    where = f"{parts.scheme}://{parts.netloc}"
    headers = {"Authorization": f"Bearer {target.api_key}"} if target.api_key else {}
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    try:
        connection = await connect(
            target.url,
            additional_headers=headers,
            compression=None,  # base64 audio does not shrink enough to pay for the time
            ssl=_tls(target.ca_bundle) if parts.scheme == "wss" else None,
            open_timeout=target.open_s,
            close_timeout=target.close_s,
            max_size=_MAX_FRAME_BYTES,
            proxy=None if local else True,
        )
    except (OSError, WebSocketException) as exc:  # TimeoutError and ssl.SSLError are OSErrors
        raise renamed(exc, where) from exc
    _log.debug("connected to %s", where)
    return WebSocketTransport(connection, where, target.close_s)


def _tls(ca_bundle: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_bundle)
    except (OSError, ssl.SSLError) as exc:
        raise UsageError(
            f"the CA bundle {str(ca_bundle)!r} cannot be used: {exc.strerror or exc}",
            hint="--ca-bundle takes a PEM file of certificates.",
        ) from exc


def renamed(exc: Exception, where: str) -> StreamError:
    """Return our error for one of the WebSocket library's or the system's while connecting to ``where``."""
    match exc:
        case ConnectionClosed():
            return _lost(exc, where)
        case InvalidStatus():
            return _refused(exc.response.status_code, where)
        case InvalidMessage():
            return ConnectFailed(f"{where} does not speak HTTP", hint="check the port in --url.")
        case InvalidProxy() | ProxyError():
            return ConnectFailed(
                f"the proxy did not let us through to {where}: {exc}", hint="check HTTPS_PROXY and NO_PROXY."
            )
        case InvalidURI():
            return ConnectFailed(f"{where} is not a WebSocket address", hint="check --url.")
        case InvalidHandshake() | WebSocketException():
            return ConnectFailed(
                f"{where} did not complete a WebSocket handshake: {exc}",
                hint="is something between you and the server that does not pass WebSockets?",
            )
        case TimeoutError():
            return ConnectFailed(
                f"{where} did not answer in time",
                hint="is the server up, and do firewalls let you through?",
                timed_out=True,
            )
        case ssl.SSLError():
            return ConnectFailed(
                f"no secure connection to {where}: {getattr(exc, 'reason', None) or exc}",
                hint="name the certificate authority with --ca-bundle, or use ws:// if the server has no TLS.",
            )
        case _:
            return _unreachable(exc, where)


def _unreachable(exc: Exception, where: str) -> ConnectFailed:
    if isinstance(exc, ConnectionRefusedError) or "Connect call failed" in str(exc):
        return ConnectFailed(
            f"nobody is listening at {where}",
            hint="start a server (`voxctl serve`, or `vllm serve …`), or check --url.",
        )
    reason = getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
    return ConnectFailed(f"{where} cannot be reached: {reason}", hint="check the host name and port in --url.")


_STATUS_HINTS = {
    401: "give the server's key with VOXCTL_API_KEY or --api-key.",
    403: "the key or the address is not allowed there; check VOXCTL_API_KEY.",
    404: f"the path is wrong: vLLM serves {REALTIME_PATH}; leave the path out of --url to use it.",
    429: "the server asks for patience; try again later.",
    503: "the server is not ready yet; try again in a moment.",
}


def _refused(status: int, where: str) -> HandshakeRefused:
    hint = _STATUS_HINTS.get(status, "look at the server's log for the reason.")
    return HandshakeRefused(f"{where} answered HTTP {status}, not a WebSocket", status=status, hint=hint)


def _lost(exc: ConnectionClosed, where: str) -> ConnectionLost:
    code = exc.rcvd.code if exc.rcvd else None
    how = f"closed the connection (code {code})" if code else "dropped the connection"
    if code is None and exc.sent and exc.sent.code == CloseCode.INTERNAL_ERROR:  # the library's own keepalive
        how = "did not answer a ping in time"
    reason = f": {exc.rcvd.reason}" if exc.rcvd and exc.rcvd.reason else ""
    return ConnectionLost(f"{where} {how}{reason}", code=code, hint="look at the server's log for the reason.")
