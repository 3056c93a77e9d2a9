"""WebSocket to a vLLM Realtime server, ours or vLLM's. The only file that imports websockets."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.protocol import State

from voxctl.errors import ProtocolError, UsageError
from voxctl.transport.faults import REALTIME_PATH, lost, renamed
from voxctl.transport.tls import tls_context

#: The text of a ``done`` grows with the audio; vLLM's own limit for a frame is the same.
_MAX_FRAME_BYTES = 16 * 1024 * 1024
#: What one read from the network takes at most. A delta is 100 bytes; a long ``done`` takes several reads.
_READ_BYTES = 16 * 1024
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
    if "@" in url:  # before anything is said of it
        raise UsageError(
            "--url holds a user name or password", hint="give the key with VOXCTL_API_KEY or --api-key instead."
        )
    try:
        parts = urlsplit(url if "://" in url else f"ws://{url}")
        _ = parts.port
        host = (parts.hostname or "").encode("idna").decode("ascii")
    except ValueError as exc:  # UnicodeError is one
        raise UsageError(f"--url {url!r} is not an address", hint=example) from exc
    if parts.scheme not in _SCHEMES or not host or host in _SCHEMES:
        raise UsageError(f"--url {url!r} is not a WebSocket address", hint=example)
    path = parts.path if parts.path not in ("", "/") else REALTIME_PATH
    return urlunsplit((_SCHEMES[parts.scheme], parts.netloc, path, parts.query, ""))


def public_url(url: str) -> str:
    """Return ``url`` as it may be shown and stored: without its query, which may hold a token."""
    return urlunsplit(urlsplit(url)._replace(query="", fragment=""))


class _Connection(ClientConnection, asyncio.BufferedProtocol):
    """The library's connection, reading into one buffer of its own.

    For any other protocol asyncio has the system give it 256 KiB for every read, and take them back: a fifth of the
    time of a stream goes there.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._buffer = memoryview(bytearray(_READ_BYTES))
        super().connection_made(transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(bytes(self._buffer[:nbytes]))

    def send_at_once(self, text: str) -> bool:
        """Send a frame if nothing is in its way; otherwise do nothing and return ``False``.

        The library's ``send`` enters a context for each frame that is ready for everything that may go wrong, which is
        a tenth of the time of a stream. A frame that fills the write buffer is the last that goes out this way.
        """
        if self.paused or self.protocol.state is not State.OPEN or self.transport.is_closing():
            return False
        self.protocol.send_text(text.encode())
        for data in self.protocol.data_to_send():
            self.transport.write(data)
        return True


class WebSocketTransport:
    """One open WebSocket; see ``transport.base`` for what each method promises."""

    def __init__(self, connection: _Connection, where: str, close_s: float) -> None:
        self._connection = connection
        self._where = where
        self._close_s = close_s

    async def send(self, text: str) -> None:
        """Send one text frame."""
        try:
            if not self._connection.send_at_once(text):
                await self._connection.send(text)
        except ConnectionClosed as exc:
            raise lost(exc, self._where) from exc

    async def receive(self) -> str:
        """Return the next text frame."""
        try:
            frame = await self._connection.recv()
        except ConnectionClosed as exc:
            raise lost(exc, self._where) from exc
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
            return
        finally:
            # Nothing is left open, not even when the goodbye itself is cut short.
            self._connection.transport.abort()


async def open_websocket(target: WebSocketTarget) -> WebSocketTransport:
    """Connect to ``target``. Raises ``ConnectFailed`` or ``HandshakeRefused`` within ``open_s``."""
    parts = urlsplit(target.url)
    key = checked_key(target.api_key)
    where = public_url(target.url)
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    try:
        connection = await connect(
            target.url,
            create_connection=_Connection,
            additional_headers={"Authorization": f"Bearer {key}"} if key else {},
            compression=None,  # base64 audio does not shrink enough to pay for the time
            ssl=tls_context(target.ca_bundle) if parts.scheme == "wss" else None,
            open_timeout=target.open_s,
            close_timeout=target.close_s,
            max_size=_MAX_FRAME_BYTES,
            ping_interval=None,  # the session knows better when a silent server is a dead one
            proxy=None if local else True,
        )
    except (OSError, WebSocketException, ImportError) as exc:  # TimeoutError and ssl.SSLError are OSErrors
        raise renamed(exc, where) from exc
    assert isinstance(connection, _Connection)
    _log.debug("connected to %s", where)
    return WebSocketTransport(connection, where, target.close_s)


def checked_key(api_key: str | None) -> str | None:
    """Return the key without white space around it (a file's end of line, say), ``None`` if nothing is left.

    Raises ``UsageError``, which does not show the key, for one that no header can carry.
    """
    key = (api_key or "").strip()
    if not (key.isascii() and key.isprintable()):
        raise UsageError(
            "the API key holds characters that a header cannot carry",
            hint="check VOXCTL_API_KEY or --api-key: a key is plain ASCII without spaces.",
        )
    return key or None
