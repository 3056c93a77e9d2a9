"""One HTTP/2 connection of a client: its streams, and flow control both ways."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from voxctl.serving.standin.inbox import Inbox
from voxctl.serving.standin.limits import Limits

log = logging.getLogger("voxctl.serving.standin")

Headers = Iterable[tuple[str, str]]
#: Answers to pings and settings that a client lets pile up, after which it is hung up on.
_MOST_UNREAD_BYTES = 4 * 2**20
_MOST_HEADER_BYTES = 64 * 1024


class ClientGone(Exception):
    """The client has closed the stream or the connection, or lost it."""


class OpenStream:
    """What a connection knows of a stream: where its body goes, and the task that serves it."""

    def __init__(self, inbox: Inbox, task: asyncio.Task[None]) -> None:
        self.inbox = inbox
        self.task = task


class Connection(asyncio.Protocol):
    """An HTTP/2 connection on the service's side. ``serve`` starts the task of a new stream, ``made``
    says whether there is room for the connection, ``lost`` is called once when it has gone. ``other`` takes over from
    it where a client does not speak HTTP/2.

    ``h2`` and ``transport`` are there for scripts; what they do to them is theirs to answer for.
    """

    transport: asyncio.Transport

    def __init__(
        self,
        limits: Limits,
        serve: Callable[[Connection, int, Headers, Inbox], asyncio.Task[None]],
        made: Callable[[Connection], bool],
        lost: Callable[[Connection], None],
        other: Callable[[], asyncio.Protocol],
    ) -> None:
        self._limits, self._other = limits, other
        self._serve = serve
        self._made = made
        self._lost = lost
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self.streams: dict[int, OpenStream] = {}
        self.closed = asyncio.Event()
        self._moved = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._socket: socket.socket | None = None

    # -- asyncio's side ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the conversation, if the client agreed to HTTP/2."""
        self.transport = cast(asyncio.Transport, transport)
        self._socket = transport.get_extra_info("socket")
        agreed = transport.get_extra_info("ssl_object").selected_alpn_protocol()
        if agreed != "h2":
            other = self._other()
            self.transport.set_protocol(other)
            other.connection_made(transport)
            return
        if not self._made(self):
            self.transport.abort()
            return
        # As initial values they hold from the first frame, not from when the client has confirmed them.
        self.h2.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: self._limits.streams_per_connection,
                SettingCodes.INITIAL_WINDOW_SIZE: self._limits.window_bytes,
                SettingCodes.MAX_HEADER_LIST_SIZE: _MOST_HEADER_BYTES,
            },
        )
        self.h2.initiate_connection()
        # A stream whose model does not read must not hold up the others.
        self.h2.increment_flow_control_window(self._limits.window_bytes * max(1, self._limits.streams_per_connection))
        self.flush()

    def data_received(self, data: bytes) -> None:
        """Take bytes in; what breaks the protocol ends the connection."""
        try:
            for event in self.h2.receive_data(data):
                self._obey(event)
        except ProtocolError as exc:
            log.warning("a client broke HTTP/2: %s", exc)
            self.flush()
            self.transport.close()
            return
        self.flush()
        self._acknowledge_at_once()
        if self.transport.get_write_buffer_size() > _MOST_UNREAD_BYTES:
            self.transport.abort()

    def pause_writing(self) -> None:
        """Note that the client does not read."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Note that it reads again."""
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """End every stream."""
        self.closed.set()
        self._writable.set()
        for stream in self.streams.values():
            stream.task.cancel()
        self._lost(self)

    # -- for streams and scripts -------------------------------------------------------------------------------

    def flush(self) -> None:
        """Write what ``h2`` has to say."""
        data = self.h2.data_to_send()
        if data and not self.transport.is_closing():
            self.transport.write(data)

    def send_headers(self, stream_id: int, headers: Headers) -> None:
        """Begin the answer on a stream. Raises ``ClientGone``."""
        try:
            self.h2.send_headers(stream_id, list(headers))
        except ProtocolError as exc:
            raise ClientGone from exc
        self.flush()

    async def send(self, stream_id: int, data: bytes, *, end: bool = False) -> None:
        """Send a piece of the answer's body, as the client's windows allow. Raises ``ClientGone``."""
        rest = memoryview(data)
        while rest or end:
            await self._writable.wait()
            if self.transport.is_closing():
                raise ClientGone
            try:
                n = min(self.h2.local_flow_control_window(stream_id), self.h2.max_outbound_frame_size, len(rest))
                if rest and n <= 0:
                    self._moved.clear()
                    await self._moved.wait()
                    continue
                last = end and n == len(rest)
                self.h2.send_data(stream_id, bytes(rest[:n]), end_stream=last)
            except ProtocolError as exc:
                raise ClientGone from exc
            self.flush()
            # Nothing above need have waited: the others have their turn, and a client that has gone is noticed.
            await asyncio.sleep(0)
            if last:
                return
            rest = rest[n:]

    def send_now(self, stream_id: int, last: bytes) -> None:
        """End an answer with a few bytes, or, where they do not fit, without them. Raises ``ClientGone``."""
        try:
            self.h2.send_data(stream_id, last, end_stream=True)
        except ProtocolError as exc:
            self.reset(stream_id, ErrorCodes.INTERNAL_ERROR)
            raise ClientGone from exc
        self.flush()

    def reset(self, stream_id: int, code: int = ErrorCodes.NO_ERROR) -> None:
        """End a stream at once, if it has not ended."""
        with suppress(ProtocolError):
            self.h2.reset_stream(stream_id, code)
            self.flush()

    def leave(self) -> None:
        """Say that there will be no more, end every stream, and hang up."""
        if not self.transport.is_closing():
            try:
                self.h2.close_connection()
            except ProtocolError:
                log.debug("a connection had ended already")
            self.flush()
        for stream in self.streams.values():
            stream.task.cancel()
        self.transport.close()

    # -- the protocol ------------------------------------------------------------------------------------------

    def _obey(self, event: Event) -> None:
        match event:
            case RequestReceived(stream_id=int(stream_id), headers=headers):
                self._open(stream_id, [(bytes(k).decode("latin-1"), bytes(v).decode("latin-1")) for k, v in headers])
            case DataReceived(stream_id=int(stream_id), data=data, flow_controlled_length=int(n)):
                if stream := self.streams.get(stream_id):
                    stream.inbox.put(data, n)
                else:
                    self._acknowledge(stream_id, n)
            case StreamEnded(stream_id=int(stream_id)):
                if stream := self.streams.get(stream_id):
                    stream.inbox.put_end()
            case StreamReset(stream_id=int(stream_id)):
                if stream := self.streams.get(stream_id):
                    stream.task.cancel()
            case WindowUpdated() | RemoteSettingsChanged():
                self._moved.set()
            case ConnectionTerminated():
                self.transport.close()

    def _open(self, stream_id: int, headers: Headers) -> None:
        inbox = Inbox(lambda n: self._acknowledge(stream_id, n))
        task = self._serve(self, stream_id, headers, inbox)
        self.streams[stream_id] = OpenStream(inbox, task)
        task.add_done_callback(lambda _: self.streams.pop(stream_id, None))

    def _acknowledge(self, stream_id: int, n: int) -> None:
        if n and not self.transport.is_closing():
            with suppress(ProtocolError):  # it has ended
                self.h2.acknowledge_received_data(n, stream_id)
                self.flush()

    def _acknowledge_at_once(self) -> None:
        # A client that holds back a small segment until its last one is confirmed would wait 40 ms for it. The system
        # forgets the option again and again.
        if self._socket is not None and hasattr(socket, "TCP_QUICKACK"):
            try:
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            except OSError:
                self._socket = None
