"""The transport made of one call of a SageMaker stream. What the SDK gives comes in as arguments."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Protocol

from voxctl.errors import ConnectionLost, StreamError
from voxctl.transport import sagemaker_faults as faults
from voxctl.transport.sagemaker_call import Call
from voxctl.transport.sagemaker_events import Frames, next_length
from voxctl.transport.sagemaker_target import SageMakerTarget
from voxctl.transport.sagemaker_unanswered import words_of

#: What has been read before the far end is told. It must be well below what it may send unasked.
_READ_BYTES = 256 * 1024


class Codec(Protocol):
    """Makes and reads events. Each is signed over the one before it, so what was made must be sent, in order."""

    def event(self, payload: bytes) -> bytes:
        """Return the next event, which carries one whole text frame."""
        ...

    def end(self) -> bytes:
        """Return the event that says that no more come."""
        ...

    def read(self, event: bytes) -> tuple[Mapping[str, object], bytes]:
        """Return the headers and the payload of one event. Raises ``ProtocolError``."""
        ...


class SageMakerTransport:
    """One open stream; see ``transport.base`` for what each method promises."""

    def __init__(self, target: SageMakerTarget, call: Call, codec: Codec, request_id: str | None) -> None:
        self._target = target
        self._call = call
        self._codec = codec
        self._request_id = request_id
        self._frames = Frames(target, request_id)
        self._inbox: deque[str] = deque()
        self._buffer = bytearray()
        self._n_unread = 0
        self._closing = False
        self._error: StreamError | None = None
        self._news = asyncio.Event()
        call.take = self._take
        self._take(bytes(call.body))
        call.over.add_done_callback(self._over)

    async def send(self, text: str) -> None:
        """Send one frame as one event."""
        if self._error:
            raise self._error
        self._call.write(self._codec.event(text.encode()))
        if self._call.full:
            await self._room()
        if self._error:
            raise self._error

    async def _room(self) -> None:
        try:
            async with asyncio.timeout(self._target.send_s):
                await self._call.room()
        except TimeoutError:
            how = f"has taken nothing for {self._target.send_s:g} s"
            self._end(faults.dropped(self._target, self._request_id, how))

    async def receive(self) -> str:
        """Return the next frame."""
        while not self._inbox:
            if self._error:
                raise self._error
            self._news.clear()
            await self._news.wait()
        text = self._inbox.popleft()
        self._let_in()
        return text

    async def send_eof(self) -> None:
        """Do nothing: the service would close the container's side at once, and its last words would be lost."""

    async def aclose(self) -> None:
        """Say that no more comes, wait for the far end to say the same, and hang up."""
        if self._closing:
            return
        self._closing = True
        try:
            self._call.write(self._codec.end(), last=True)
            await asyncio.wait({self._call.over}, timeout=self._target.close_s)
        finally:
            self._call.hang_up()
            self._end(ConnectionLost(f"the stream to {self._target.label} was closed", code=1000))

    def _take(self, data: bytes) -> None:
        if self._error:
            return
        self._buffer += data
        self._n_unread += len(data)
        try:
            while (length := next_length(self._buffer)) is not None:
                headers, payload = self._codec.read(bytes(self._buffer[:length]))
                del self._buffer[:length]
                if (text := self._frames.take(headers, payload)) is not None:
                    self._inbox.append(text)
        except StreamError as exc:
            self._end(exc)
        self._news.set()
        self._let_in()

    def _let_in(self) -> None:
        """Once all is read, and while a frame is not whole yet, the far end may send more.

        Not for every frame: telling it so wakes the C library's thread.
        """
        if self._n_unread > _READ_BYTES and not self._inbox and not self._call.over.done():
            self._call.let_in(self._n_unread)
            self._n_unread = 0

    def _over(self, over: asyncio.Future[BaseException | None]) -> None:
        if (broken := over.result()) is not None:
            how = f"dropped the connection ({words_of(broken)})"
        else:
            how = "ended the stream"
        self._end(faults.dropped(self._target, self._request_id, how, clean=broken is None and not self._buffer))

    def _end(self, error: StreamError) -> None:
        self._error = self._error or error
        self._news.set()
