"""The stand-in for SageMaker with faults on command: the service a client must survive.

    async with open_sagemaker() as service:            # in front of a model that echoes; or upstream="ws://…"
        service.endpoint_url, service.ca_bundle, …     # service.stand_in has everything, its counters too
        with service.refuses(429, "ThrottlingException", "slow down"):
            ...                                        # every stream that begins here is refused

A fault holds for streams that reach its moment while the block is open; ``times=1`` lets it strike only once. Its
moment is ``after=0``: the request, before anything is answered; ``after=n``: the client's n-th message of that stream
has been passed on to the model; ``before_reply=n``: the model's n-th message is about to be passed on.

    refuses(status, error_type, message)     an answer in the service's form
    refuses_with_html(status)                an answer of a proxy
    never_answers()                          takes the request and says nothing, as port 443 does
    aborts(after)                            TCP reset
    hangs_up(after)                          FIN, after TLS's goodbye
    drops(after)                             FIN, without it
    resets(after, code=INTERNAL_ERROR)       RST_STREAM
    goes_away(after)                         GOAWAY that lets this stream go on
    goes_away_at_once(after)                 GOAWAY that does not, then FIN
    goes_away_and_stays(after)               the same, and the connection stays open
    ends(after)                              END_STREAM, though the model has not ended; after=0: with headers
    stops_reading(after)                     no WINDOW_UPDATE any more
    freezes(after)                           reads nothing and says nothing, the connection open
    falls_silent(before_reply=1)             reads on, never says anything again
    sends(data, end, after)                  any bytes; made of it:
    breaks_a_checksum(after), cuts_an_event(after), sends_unknown_exception(after),
    fails_the_model(after), fails_internally(after)

A connection on which no stream may be opened: ``open_sagemaker(limits=replace(QUICK, streams_per_connection=0))``.
``silent_listener()`` takes TCP connections and says nothing; ``https_without_http2(folder)`` speaks HTTP/1.1 only.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from h2.errors import ErrorCodes
from hyperframe.frame import GoAwayFrame
from websockets.asyncio.server import ServerConnection, serve

from voxctl.serving.standin import events
from voxctl.serving.standin.folder import kept_in
from voxctl.serving.standin.limits import Counters, Limits
from voxctl.serving.standin.refusal import Refused
from voxctl.serving.standin.script import Script
from voxctl.serving.standin.server import RunningStandIn, open_stand_in
from voxctl.serving.standin.stream import Stream

#: A machine that runs tests may take longer than a container has.
QUICK = Limits(accept_s=10.0, close_s=0.5)

Strike = Callable[[Stream], Awaitable[bool]]
Fault = AbstractContextManager[None]


@dataclass
class _Planned:
    strike: Strike
    after: int | None
    before_reply: int | None
    times: int | None
    n_struck: int = 0

    async def __call__(self, stream: Stream) -> bool:
        if self.times is not None and self.n_struck >= self.times:
            return False
        self.n_struck += 1
        return await self.strike(stream)


@dataclass
class _Faults(Script):
    """The faults that hold at the moment."""

    active: list[_Planned] = field(default_factory=list)

    async def at_request(self, stream: Stream) -> bool:
        return await self._strike(stream, after=0)

    async def at_message(self, stream: Stream, n: int) -> bool:
        return await self._strike(stream, after=n)

    async def at_reply(self, stream: Stream, n: int) -> bool:
        return await self._strike(stream, before_reply=n)

    async def _strike(self, stream: Stream, **moment: int) -> bool:
        for fault in list(self.active):
            if moment in ({"after": fault.after}, {"before_reply": fault.before_reply}) and await fault(stream):
                return True
        return False


class FakeSageMaker:
    """A stand-in that listens, and what can be made to go wrong with it."""

    def __init__(self, stand_in: RunningStandIn, faults: _Faults) -> None:
        self.stand_in = stand_in
        self._faults = faults

    @property
    def endpoint_url(self) -> str:
        return self.stand_in.endpoint_url

    @property
    def ca_bundle(self) -> Path:
        return self.stand_in.ca_bundle

    @property
    def counters(self) -> Counters:
        return self.stand_in.counters

    @contextmanager
    def strikes(
        self,
        strike: Strike,
        *,
        after: int | None = None,
        before_reply: int | None = None,
        times: int | None = None,
    ) -> Iterator[None]:
        """Call ``strike`` with a stream at the moment; what it returns is what ``Script`` says of its methods."""
        assert (after is None) != (before_reply is None), "a fault has one moment"
        fault = _Planned(strike, after, before_reply, times)
        self._faults.active.append(fault)
        try:
            yield
        finally:
            self._faults.active.remove(fault)

    def refuses(self, status: int, error_type: str, message: str, **moment: int) -> Fault:
        async def strike(stream: Stream) -> bool:
            raise Refused(status, error_type, {"Message": message})

        return self._at(strike, moment)

    def refuses_with_html(self, status: int, body: bytes = b"<html>502 Bad Gateway</html>", **moment: int) -> Fault:
        async def strike(stream: Stream) -> bool:
            stream.begin(status, [("content-type", "text/html")])
            await stream.end(body)
            return True

        return self._at(strike, moment)

    def never_answers(self, **moment: int) -> Fault:
        return self._at(_forever, moment)

    def aborts(self, **moment: int) -> Fault:
        async def strike(stream: Stream) -> bool:
            connected = stream.connection.transport.get_extra_info("socket")
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            stream.connection.transport.abort()
            return True

        return self._at(strike, moment)

    def drops(self, **moment: int) -> Fault:
        async def strike(stream: Stream) -> bool:
            stream.connection.transport.abort()
            return True

        return self._at(strike, moment)

    def hangs_up(self, **moment: int) -> Fault:
        async def strike(stream: Stream) -> bool:
            stream.connection.transport.close()
            return True

        return self._at(strike, moment)

    def resets(self, code: int = ErrorCodes.INTERNAL_ERROR, **moment: int) -> Fault:
        async def strike(stream: Stream) -> bool:
            stream.connection.reset(stream.stream_id, code)
            return True

        return self._at(strike, moment)

    def goes_away(self, **moment: int) -> Fault:
        async def strike(stream: Stream) -> bool:
            frame = GoAwayFrame(0, last_stream_id=stream.stream_id, error_code=ErrorCodes.NO_ERROR)
            stream.connection.transport.write(frame.serialize())
            return False

        return self._at(strike, moment)

    def goes_away_at_once(self, **moment: int) -> Fault:
        async def strike(stream: Stream) -> bool:
            stream.connection.h2.close_connection(ErrorCodes.ENHANCE_YOUR_CALM, last_stream_id=0)
            stream.connection.flush()
            stream.connection.transport.close()
            return True

        return self._at(strike, moment)

    def goes_away_and_stays(self, **moment: int) -> Fault:
        async def strike(stream: Stream) -> bool:
            frame = GoAwayFrame(0, last_stream_id=0, error_code=ErrorCodes.NO_ERROR)
            stream.connection.transport.write(frame.serialize())
            return await _forever(stream)

        return self._at(strike, moment)

    def stops_reading(self, **moment: int) -> Fault:
        async def strike(stream: Stream) -> bool:
            stream.inbox.withholding = True
            return False

        return self._at(strike, moment)

    def freezes(self, **moment: int) -> Fault:
        async def strike(stream: Stream) -> bool:
            stream.connection.transport.pause_reading()
            stream.connection.pause_writing()
            return await _forever(stream)

        return self._at(strike, moment)

    def falls_silent(self, before_reply: int = 1, **moment: int) -> Fault:
        return self._at(_forever, {"before_reply": before_reply} | moment)

    def ends(self, **moment: int) -> Fault:
        return self.sends(b"", True, **moment)

    def sends(self, data: bytes, end: bool = False, /, **moment: int) -> Fault:
        async def strike(stream: Stream) -> bool:
            if not stream.answered:
                stream.begin()
            if end:
                await stream.end(data)
                return True
            await stream.send(data)
            return False if _has_model(moment) else await _forever(stream)

        return self._at(strike, moment)

    def breaks_a_checksum(self, **moment: int) -> Fault:
        event = bytearray(events.payload_part("x" * 50))
        event[-1] ^= 0xFF
        return self.sends(bytes(event), **moment)

    def cuts_an_event(self, **moment: int) -> Fault:
        return self.sends(events.payload_part("x" * 50)[:30], True, **moment)

    def sends_unknown_exception(self, **moment: int) -> Fault:
        return self.sends(events.exception("BrandNewException", "never heard of"), True, **moment)

    def fails_the_model(self, code: str = "ModelInvocationTimeExceeded", **moment: int) -> Fault:
        event = events.exception("ModelStreamError", "the model fell over", ErrorCode=code)
        return self.sends(event, True, **moment)

    def fails_internally(self, **moment: int) -> Fault:
        return self.sends(events.exception("InternalStreamFailure", "something broke"), True, **moment)

    def _at(self, strike: Strike, moment: dict[str, int]) -> Fault:
        named = moment if {"after", "before_reply"} & set(moment) else moment | {"after": 0}
        return self.strikes(strike, **named)


def _has_model(moment: dict[str, int]) -> bool:
    """Whether there is a model behind the stream yet."""
    return moment.get("after") != 0


async def _forever(stream: Stream) -> bool:
    await asyncio.Event().wait()
    return True


@asynccontextmanager
async def open_sagemaker(
    upstream: str | None = None, *, folder: Path | None = None, limits: Limits = QUICK, **settings: Any
) -> AsyncIterator[FakeSageMaker]:
    """Open a stand-in in front of ``upstream``, or of a model that echoes; ``settings`` are ``open_stand_in``'s."""
    faults = _Faults()
    with TemporaryDirectory() as kept:
        where = folder or Path(kept)
        if upstream is not None:
            async with open_stand_in(upstream, folder=where, limits=limits, script=faults, **settings) as stand_in:
                yield FakeSageMaker(stand_in, faults)
            return
        async with (
            echo_model() as model,
            open_stand_in(model.url, folder=where, limits=limits, script=faults, **settings) as stand_in,
        ):
            yield FakeSageMaker(stand_in, faults)


@dataclass
class EchoModel:
    """A model that says what it hears. ``paths`` are those it was asked for; ``closes`` its close codes received."""

    url: str = ""
    paths: list[str] = field(default_factory=list)
    closes: list[int | None] = field(default_factory=list)
    n_open: int = 0


@asynccontextmanager
async def echo_model() -> AsyncIterator[EchoModel]:
    """Listen on a free loopback port."""
    model = EchoModel()

    async def echo(connection: ServerConnection) -> None:
        assert connection.request is not None
        model.paths.append(connection.request.path)
        model.n_open += 1
        try:
            async for message in connection:
                await connection.send(message)
        finally:
            model.n_open -= 1
            model.closes.append(connection.close_code)

    async with serve(echo, "127.0.0.1", 0, compression=None, max_size=None, close_timeout=0.5) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        model.url = f"ws://127.0.0.1:{port}"
        yield model


@asynccontextmanager
async def silent_listener() -> AsyncIterator[int]:
    """Take TCP connections on a free loopback port, which is yielded, and say nothing."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read()
        except ConnectionError:
            return
        finally:
            writer.close()

    async with _listening(accept) as port:
        yield port


@asynccontextmanager
async def https_without_http2(folder: Path) -> AsyncIterator[int]:
    """Speak HTTP/1.1 on a free loopback port, which is yielded, with the stand-in's certificate of ``folder``."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(kept_in(folder).server)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(1)
            writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()

    async with _listening(accept, tls) as port:
        yield port


@asynccontextmanager
async def _listening(
    accept: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    writers: list[asyncio.StreamWriter] = []

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await accept(reader, writer)

    server = await asyncio.start_server(accepted, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await server.wait_closed()
