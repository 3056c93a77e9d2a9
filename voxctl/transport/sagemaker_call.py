"""One call of a SageMaker stream as the event loop sees it.

The SDK's C library calls back on a thread of its own; each call is handed to the event loop, and what the library has
in hand is never cancelled: it is watched from outside. Nothing of the SDK is imported: it comes in as arguments.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import threading
from collections.abc import Callable
from concurrent.futures import Future
from io import BytesIO
from typing import Any

#: What may wait to be sent before ``room`` waits.
_UNSENT_BYTES = 64 * 1024


class Call:
    """One call on a connection of its own, as the event loop sees it.

    ``answered`` is the status and the headers; ``take`` is given the bytes that follow. ``over`` is ``None`` after a
    proper end, else what broke the call.
    """

    def __init__(self, connection: Any, request: Any, errors: tuple[type[Exception], ...]) -> None:
        """Send ``request``. Raises ``errors``, which are what the C library raises."""
        self._errors = errors
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._written = self._flushed = 0  # each is changed by one thread only
        self._waiting: asyncio.Future[None] | None = None
        self.body = bytearray()
        self.take: Callable[[bytes], object] = self.body.extend
        self.answered: asyncio.Future[tuple[int, dict[str, str]]] = self._loop.create_future()
        self.over: asyncio.Future[BaseException | None] = self._loop.create_future()
        self._stream = connection.request(request, self._on_response, self._on_body, manual_write=True)
        self._stream.remote_end_stream_future.add_done_callback(self._on_far_end)
        self._stream.completion_future.add_done_callback(self._on_end)
        self._stream.activate()

    def write(self, data: bytes, *, last: bool = False) -> None:
        """Have ``data`` sent after all that was written before; nothing happens once the call is over."""
        with contextlib.suppress(*self._errors):
            flushed = self._stream.write_data(BytesIO(data), last)
            self._written += len(data)
            flushed.add_done_callback(lambda flushed: self._on_flushed(len(data)))

    async def room(self) -> None:
        """Return when there is room for more, or the call is over."""
        while self.full and not self.over.done():
            self._waiting = self._loop.create_future()
            if self.full:  # it may have been flushed meanwhile
                await _either(self._waiting, self.over)
            self._waiting = None

    async def wait_for_answer(self, limit_s: float) -> None:
        """Return when the call is answered or over, or after ``limit_s``."""
        await _either(self.answered, self.over, limit_s)

    def let_in(self, n_bytes: int) -> None:
        """Let the far end send so much more."""
        self._stream.update_window(n_bytes)

    def hang_up(self) -> None:
        """End the connection."""
        self._connection.close()

    @property
    def full(self) -> bool:
        """Whether more waits to be sent than should."""
        return self._written - self._flushed > _UNSENT_BYTES

    # The C library's thread calls what begins with ``_on``.

    def _tell(self, what: Callable[..., object], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(what, *arguments)

    def _on_response(self, http_stream: object, status_code: int, headers: list[tuple[str, str]], **_: object) -> None:
        _stay()
        self._tell(_settle, self.answered, (status_code, {name.lower(): value for name, value in headers}))

    def _on_body(self, http_stream: object, chunk: bytes, **_: object) -> None:
        self._tell(self._taken, bytes(chunk))

    def _taken(self, chunk: bytes) -> None:
        self.take(chunk)

    def _on_far_end(self, future: Future[Any]) -> None:
        if future.exception() is None:  # else there was no proper end, and the completion says why
            self._tell(_settle, self.over, None)

    def _on_end(self, future: Future[Any]) -> None:
        self._tell(_settle, self.over, future.exception())

    def _on_flushed(self, n_bytes: int) -> None:
        self._flushed += n_bytes
        if (waiting := self._waiting) is not None and not self.full:
            self._tell(_settle, waiting, None)


_staying = threading.local()


def _stay() -> None:
    """Have Python keep what it knows of this thread, which is the C library's.

    By itself it forgets the thread at the end of each call back, and sets it up anew for the next: five times for a
    message, which takes a third of the thread's time. See ``PyGILState_Ensure`` in Python's documentation.
    """
    if not hasattr(_staying, "done"):
        _staying.done = True
        ctypes.pythonapi.PyGILState_Ensure()


async def _either(one: asyncio.Future[Any], other: asyncio.Future[Any], limit_s: float | None = None) -> None:
    await asyncio.wait({one, other}, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)


def _settle[T](future: asyncio.Future[T], result: T) -> None:
    if not future.done():
        future.set_result(result)


def watched(theirs: Future[Any]) -> asyncio.Future[Any]:
    """Return a future that follows one of the C library's and can be cancelled without harm to that."""
    loop = asyncio.get_running_loop()
    ours: asyncio.Future[Any] = loop.create_future()

    def follow() -> None:
        if ours.done():
            return
        if (error := theirs.exception()) is not None:
            ours.set_exception(error)
        else:
            ours.set_result(theirs.result())

    def tell(_: Future[Any]) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(follow)

    theirs.add_done_callback(tell)
    ours.add_done_callback(lambda ours: ours.cancelled() or ours.exception())  # it may come when nobody waits
    return ours


def hang_up(opening: Future[Any]) -> None:
    """Close a connection that came when nobody waited for it any more."""
    if opening.exception() is None:
        opening.result().close()
