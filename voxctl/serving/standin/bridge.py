"""Between a client's signed events and the model's frames, both ways, until one side ends."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from voxctl.serving.standin import events
from voxctl.serving.standin.connection import ClientGone
from voxctl.serving.standin.events import EventBroken, EventReader, StreamEvent
from voxctl.serving.standin.refusal import Refused
from voxctl.serving.standin.signature import EventChain
from voxctl.serving.standin.upstream import Broken, Upstream

if TYPE_CHECKING:
    from voxctl.serving.standin.stream import Stream

#: A signed event holds a few headers beside the message.
_OVERHEAD_BYTES = 1024


class _Over(Exception):
    """The stream has come to a good end, or a script has dealt with it: then there are no ``last`` words."""

    def __init__(self, last: bytes | None) -> None:
        super().__init__()
        self.last = last


class Bridge:
    """The two ways of one stream, and the pings on one of them."""

    def __init__(self, stream: Stream, chain: EventChain, upstream: Upstream) -> None:
        self._stream = stream
        self._chain = chain
        self._upstream = upstream
        self._limits = stream.service.limits
        self._counters = stream.service.counters
        self._script = stream.service.script
        self._parts: list[bytes] = []
        self._n_bytes = 0
        self._n_messages = 0

    async def run(self) -> bytes | None:
        """Carry messages until it is over. Return what the client is told last, ``None`` if it is told nothing."""
        over: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()

        async def until_over(way: Coroutine[Any, Any, None]) -> None:
            try:
                await way
            except (_Over, Broken, ClientGone, Refused, EventBroken) as exc:
                if not over.done():
                    over.set_result(exc)

        async with asyncio.TaskGroup() as tasks:
            ways = (self._forward(), self._deliver(), self._upstream.keep_alive())
            running = [tasks.create_task(until_over(way)) for way in ways]
            try:
                async with asyncio.timeout(self._limits.cut_s):
                    last = self._last_words(await over)
            except TimeoutError:
                self._counters.cuts += 1
                last = self._model_error("ModelInvocationTimeExceeded", f"open for {self._limits.cut_s:g} s")
            for task in running:
                task.cancel()
        return last

    def _last_words(self, why: Exception) -> bytes | None:
        match why:
            case _Over():
                return why.last
            case ClientGone():
                return None
            case Broken():
                return self._model_error("StreamBroken", str(why))
            case Refused():
                return self._error(why.error_type, why.message)
            case _:
                return self._error("ValidationException", str(why))

    def _model_error(self, code: str, message: str) -> bytes:
        self._stream.say(f"ended: ModelStreamError {code}: {message}")
        return events.exception("ModelStreamError", message, ErrorCode=code)

    def _error(self, code: str, message: str) -> bytes:
        self._stream.say(f"ended: {code}: {message}")
        return events.error(code, message)

    async def _forward(self) -> None:
        """Carry the client's messages to the model; at the end of the request, say goodbye to it."""
        inbox = self._stream.inbox
        reader = EventReader(self._limits.message_bytes + _OVERHEAD_BYTES)
        while data := await inbox.take():
            for signed in reader.feed(data):
                self._chain.check(signed, self._stream.service.clock())
                self._counters.signed_events += 1
                if not signed.payload:
                    await self._upstream.close()
                    return
                if not await self._forward_part(_inner(signed)):
                    return
        if reader.in_event:
            raise EventBroken("the request ends within an event")
        await self._upstream.close()

    async def _forward_part(self, part: StreamEvent) -> bool:
        """Send a message once its last part is here. Return false when nothing can be sent any more."""
        self._parts.append(part.payload)
        self._n_bytes += len(part.payload)
        if self._n_bytes > self._limits.message_bytes:
            raise EventBroken(f"a message of more than {self._limits.message_bytes} bytes is not taken")
        if part.headers.get("CompletionState") == "PARTIAL":
            return True
        message = b"".join(self._parts)
        self._parts.clear()
        self._n_bytes = 0
        if not await self._upstream.send(message, text=part.headers.get("DataType") == "UTF8"):
            return False
        self._counters.messages_in += 1
        self._n_messages += 1
        if await self._script.at_message(self._stream, self._n_messages):
            raise _Over(None)
        return True

    async def _deliver(self) -> None:
        """Carry the model's messages to the client until the model closes its connection."""
        n = 0
        while True:
            begun = False
            async for part, complete in self._upstream.receive():
                if not begun:
                    begun, n = True, n + 1
                    if await self._script.at_reply(self._stream, n):
                        raise _Over(None)
                await self._stream.send(events.payload_part(part, complete=complete))
            if not begun:
                raise _Over(b"")
            self._counters.messages_out += 1


def _inner(signed: StreamEvent) -> StreamEvent:
    """Return the event inside a signed one. Raises ``EventBroken``."""
    reader = EventReader(len(signed.payload))
    inner = list(reader.feed(signed.payload))
    if len(inner) != 1 or reader.in_event:
        raise EventBroken("a signed event does not hold one event")
    if inner[0].headers.get(":event-type") != "PayloadPart":
        raise EventBroken(f"an event of the unknown type {inner[0].headers.get(':event-type')!r}")
    return inner[0]
