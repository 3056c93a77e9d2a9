"""A client of the stand-in down to the HTTP/2 frame, which does what no SDK would; it signs with the SDK's signers."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aws_sdk_signers import URI, AsyncEventSigner, AsyncSigV4Signer, AWSRequest, Field, Fields, SigV4SigningProperties
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, Event, ResponseReceived, StreamEnded, StreamReset
from smithy_aws_core.identity import AWSCredentialsIdentity
from smithy_aws_event_stream.events import EventHeaderEncoder, EventMessage

from tests.fakes.sagemaker_sdk import Address
from voxctl.serving.standin.events import EventReader, StreamEvent
from voxctl.serving.standin.signature import Key

LIMIT_S = 10.0
PATH = "/endpoints/my-endpoint/invocations-bidirectional-stream"


@dataclass
class Answer:
    """What came back on one stream so far."""

    headers: dict[str, str] = field(default_factory=dict)
    events: list[StreamEvent] = field(default_factory=list)
    body: bytes = b""
    ended: bool = False
    reset: int | None = None
    reader: EventReader = field(default_factory=lambda: EventReader(2**24))

    @property
    def status(self) -> int:
        return int(self.headers.get(":status", 0))

    @property
    def document(self) -> Any:
        return json.loads(self.body)


class WireStream:
    """One stream: what is to be sent on it, signed or not, and what came back."""

    def __init__(self, wire: Wire, stream_id: int, signer: AsyncEventSigner, identity: AWSCredentialsIdentity) -> None:
        self.wire = wire
        self.id = stream_id
        self.answer = wire.answers[stream_id] = Answer()
        self._signer = signer
        self._identity = identity

    async def signed(self, payload: bytes | None, **headers: str) -> EventMessage:
        """Return a signed event: around a message with these headers, or the empty one at the end."""
        properties = SigV4SigningProperties(region=self.wire.address.region, service="sagemaker")
        event, sign = EventMessage(), self._signer.sign_empty
        if payload is not None:
            inner = {":message-type": "event", ":event-type": "PayloadPart"} | headers
            event, sign = EventMessage(headers=inner, payload=payload), self._signer.sign
        await sign(event=event, identity=self._identity, properties=properties)
        return event

    async def send(self, text: str, **headers: str) -> None:
        event = await self.signed(text.encode(), DataType="UTF8", **headers)
        await self.write(event.encode())

    async def write(self, data: bytes, *, end: bool = False) -> None:
        """Send bytes of the body, as far as the windows allow at once."""
        connection = self.wire.h2
        for at in range(0, max(1, len(data)), connection.max_outbound_frame_size):
            piece = data[at : at + connection.max_outbound_frame_size]
            connection.send_data(self.id, piece, end_stream=end and at + len(piece) >= len(data))
        await self.wire.flush()

    def window(self) -> int:
        return self.wire.h2.local_flow_control_window(self.id)

    async def texts(self, n: int) -> list[str]:
        """Wait for so many messages and return all there are."""
        await self.wire.until(lambda: len(self.answer.events) >= n or self.answer.ended)
        return [event.payload.decode() for event in self.answer.events]

    async def ended(self) -> Answer:
        """Wait for the end of the answer."""
        await self.wire.until(lambda: self.answer.ended or self.answer.reset is not None)
        return self.answer


class Wire:
    """One connection."""

    def __init__(self, address: Address, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.address = address
        self.h2 = H2Connection(H2Configuration(header_encoding="utf-8"))
        self.answers: dict[int, Answer] = {}
        self.gone = False
        #: While set, no window is opened again for the server.
        self.withholding = False
        self._reader = reader
        self.writer = writer

    async def request(
        self,
        path: str = PATH,
        *,
        key: Key | None = None,
        date: str | None = None,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        replaced: Mapping[str, str | None] | None = None,
        service: str = "sagemaker",
        region: str | None = None,
    ) -> WireStream:
        """Send the headers of a signed request; ``replaced`` are changed, or left out, after signing."""
        identity = _identity(key or self.address.key)
        authority = self.address.endpoint_url.removeprefix("https://")
        host, port = authority.split(":")
        fields = {"content-type": "application/vnd.amazon.eventstream", **(headers or {})}
        request = AWSRequest(
            destination=URI(
                scheme="https", host=host, port=int(port), path=path.partition("?")[0], query=path.partition("?")[2]
            ),
            method=method,
            body=None,
            fields=Fields([Field(name=name, values=[value]) for name, value in fields.items()]),
        )
        properties = SigV4SigningProperties(region=region or self.address.region, service=service)
        if date:
            properties["date"] = date
        signed = await AsyncSigV4Signer().sign(request=request, identity=identity, properties=properties)
        sent = {one.name.lower(): one.as_string() for one in signed.fields} | dict(replaced or {})
        signature = (sent.get("authorization") or "").rpartition("Signature=")[2]
        stream_id = self.h2.get_next_available_stream_id()
        pseudo = [(":method", method), (":scheme", "https"), (":path", path), (":authority", authority)]
        self.h2.send_headers(stream_id, pseudo + [(name, value) for name, value in sent.items() if value is not None])
        await self.flush()
        signer = AsyncEventSigner(initial_signature=signature.encode(), event_encoder_cls=EventHeaderEncoder)
        return WireStream(self, stream_id, signer, identity)

    async def flush(self) -> None:
        self.writer.write(self.h2.data_to_send())
        await self.writer.drain()

    async def until(self, reached: Any) -> None:
        """Read until it is so, or the connection has gone."""
        async with asyncio.timeout(LIMIT_S):
            while not reached() and not self.gone:
                await self.read()

    async def read(self) -> None:
        """Take in what comes next."""
        try:
            data = await self._reader.read(65_536)
        except (ConnectionError, ssl.SSLError):
            data = b""
        if not data:
            self.gone = True
            return
        for event in self.h2.receive_data(data):
            self._take(event)
        if not self.writer.is_closing():
            await self.flush()

    def _take(self, event: Event) -> None:
        match event:
            case ResponseReceived(stream_id=int(stream_id), headers=headers):
                self.answers[stream_id].headers = {str(name): str(value) for name, value in headers}
            case DataReceived(stream_id=int(stream_id), data=bytes(data), flow_controlled_length=int(n)):
                answer = self.answers[stream_id]
                if answer.headers.get("content-type") == "application/vnd.amazon.eventstream":
                    answer.events += answer.reader.feed(data)
                else:
                    answer.body += data
                if not self.withholding:
                    self.h2.acknowledge_received_data(n, stream_id)
            case StreamEnded(stream_id=int(stream_id)):
                self.answers[stream_id].ended = True
            case StreamReset(stream_id=int(stream_id), error_code=code):
                self.answers[stream_id].reset = int(code or 0)
            case ConnectionTerminated():
                self.gone = True


@asynccontextmanager
async def open_wire(address: Address) -> AsyncIterator[Wire]:
    """Connect with Python's own TLS, trusting nothing but the stand-in's authority."""
    tls = ssl.create_default_context(cafile=address.ca_bundle)
    tls.set_alpn_protocols(["h2"])
    host, port = address.endpoint_url.removeprefix("https://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=tls, ssl_shutdown_timeout=1)
    wire = Wire(address, reader, writer)
    wire.h2.initiate_connection()
    await wire.flush()
    await wire.read()  # its settings and windows
    try:
        yield wire
    finally:
        writer.transport.abort()


def _identity(key: Key) -> AWSCredentialsIdentity:
    return AWSCredentialsIdentity(
        access_key_id=key.access_key_id, secret_access_key=key.secret_access_key, session_token=key.session_token
    )
