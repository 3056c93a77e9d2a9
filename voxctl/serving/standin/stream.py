"""One stream of a client, bridged to one WebSocket of the model."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import unquote

from voxctl.serving.standin import events, refusal
from voxctl.serving.standin.bridge import Bridge
from voxctl.serving.standin.connection import ClientGone, Connection, Headers
from voxctl.serving.standin.inbox import Inbox
from voxctl.serving.standin.limits import Counters, Limits
from voxctl.serving.standin.refusal import Refused
from voxctl.serving.standin.script import Script
from voxctl.serving.standin.signature import EventChain, Gate, Request
from voxctl.serving.standin.upstream import Model, Rejected, open_upstream

log = logging.getLogger("voxctl.serving.standin")

_PATH = re.compile(r"/endpoints/([^/]+)/invocations-bidirectional-stream")
_PATH_HEADER = "x-amzn-sagemaker-model-invocation-path"
_QUERY_HEADER = "x-amzn-sagemaker-model-query-string"
_VARIANT_HEADER = "x-amzn-sagemaker-target-variant"
#: Printable ASCII, without what would begin another part of the address.
_IN_ADDRESS = re.compile(r"[!-\"$->@-~]*")
_INVOKED_HEADER = "x-amzn-invoked-production-variant"
_DEFAULT_VARIANT = "AllTraffic"
#: After the end of an answer a client has so long to end its request too.
_LINGER_S = 1.0


@dataclass(slots=True)
class Service:
    """What all streams of a stand-in share. ``say`` gets a line about each stream that did not go well."""

    gate: Gate
    model: Model
    limits: Limits
    script: Script
    say: Callable[[str], None]
    clock: Callable[[], float] = time.time
    counters: Counters = field(default_factory=Counters)


class Stream:
    """A request, from its headers to its end. ``endpoint`` is the name asked for, empty if the request has none."""

    def __init__(
        self, service: Service, connection: Connection, stream_id: int, headers: Headers, inbox: Inbox
    ) -> None:
        self.service = service
        self.connection = connection
        self.stream_id = stream_id
        self.inbox = inbox
        self.request = _request(headers)
        named = _PATH.fullmatch(self.request.target.partition("?")[0])
        self.endpoint = unquote(named[1]) if named and self.request.method == "POST" else ""
        self.answered = False
        self.ended = False

    async def run(self) -> None:
        """Serve the request; nothing of it is left when this returns."""
        try:
            try:
                await self._serve()
            except Refused as refused:
                self.service.counters.refused += 1
                self.say(f"refused: {refused}")
                await self.refuse(refused)
            await self._end_request()
        except ClientGone:
            log.info("a client has gone")

    def fail(self) -> None:
        """Say, without waiting, that something broke in the service itself."""
        what = "The request processing has failed because of an unknown error."
        try:
            if self.answered:
                last = events.exception("InternalStreamFailure", what)
            else:
                refused = refusal.internal_error(what)
                self.begin(refused.status, refused.headers)
                last = refused.body
            self.connection.send_now(self.stream_id, last)
        except ClientGone:
            log.info("a client has gone")

    def say(self, what: str) -> None:
        """Tell whoever runs the stand-in what became of this stream."""
        self.service.say(f"stream to {self.endpoint or self.request.target!r} {what}")

    # -- for scripts too ---------------------------------------------------------------------------------------

    def begin(self, status: int = 200, headers: Sequence[tuple[str, str]] = ()) -> None:
        """Answer with a status; a good one begins a stream of events. Raises ``ClientGone``."""
        date = formatdate(self.service.clock(), usegmt=True)
        answer = [(":status", str(status)), ("x-amzn-requestid", str(uuid.uuid4())), ("date", date), *headers]
        if status == HTTPStatus.OK:
            answer += [
                ("content-type", "application/vnd.amazon.eventstream"),
                (_INVOKED_HEADER, self.request.headers.get(_VARIANT_HEADER, _DEFAULT_VARIANT)),
            ]
        self.connection.send_headers(self.stream_id, answer)
        self.answered = True

    async def refuse(self, refused: Refused) -> None:
        """Answer with an error. Raises ``ClientGone``."""
        self.begin(refused.status, refused.headers)
        await self.end(refused.body)

    async def send(self, event: bytes) -> None:
        """Send bytes of the answer; waits while the client does not read. Raises ``ClientGone``."""
        await self.connection.send(self.stream_id, event)

    async def end(self, last: bytes = b"") -> None:
        """End the answer with these bytes; a client that does not read them is told less. Raises ``ClientGone``."""
        try:
            async with asyncio.timeout(self.service.limits.close_s):
                await self.connection.send(self.stream_id, last, end=True)
        except TimeoutError:
            self.connection.reset(self.stream_id)
        self.ended = True

    # -- serving -----------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        service, counters = self.service, self.service.counters
        if not self.endpoint:
            raise refusal.no_such_operation()
        chain = service.gate.admit(self.request, service.clock())
        if counters.open_streams >= service.limits.streams:
            raise refusal.too_many_streams(service.limits.streams)
        counters.streams += 1
        counters.open_streams += 1
        try:
            if not await service.script.at_request(self):
                await self._ask_model(chain)
        finally:
            counters.open_streams -= 1

    async def _ask_model(self, chain: EventChain) -> None:
        service = self.service
        path, query = (self._checked(name) for name in (_PATH_HEADER, _QUERY_HEADER))
        url = service.model.url_for(path, query)
        try:
            async with open_upstream(service.model, url, service.limits, service.counters) as upstream:
                self.begin()
                last = await Bridge(self, chain, upstream).run()
                if last is not None:
                    await self.end(last)
        except Rejected as exc:
            raise refusal.model_refused(self.endpoint, service.gate.region, exc.status, str(exc)) from exc

    def _checked(self, name: str) -> str | None:
        """Return a header that becomes a part of the model's address. Raises ``Refused``."""
        value = self.request.headers.get(name)
        if value is not None and not _IN_ADDRESS.fullmatch(value):
            raise refusal.bad_input(f"the value of {name} cannot stand in an address")
        return value

    async def _end_request(self) -> None:
        """Throw away what the client still sends; one that does not come to an end is stopped."""
        if not self.ended:  # a script has done what was to be done
            return
        try:
            async with asyncio.timeout(_LINGER_S):
                while await self.inbox.take():
                    pass
        except TimeoutError:
            self.connection.reset(self.stream_id)


def _request(headers: Headers) -> Request:
    joined: dict[str, str] = {}
    for name, value in headers:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    joined.setdefault("host", joined.get(":authority", ""))
    return Request(joined.get(":method", ""), joined.get(":path", ""), joined)
