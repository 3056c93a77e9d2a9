"""One stream through the gateway: what is let in, when the client is made to wait, and how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from time import monotonic

from gateway.account import Account, Bounds, Model
from gateway.asgi import App, Message, Receive, Scope, Send
from gateway.figures import Figures
from gateway.frames import error
from gateway.line import NO_PONG, Line

#: A client that is made to wait is given this long to answer a ping.
_PONG_S = 180.0
#: Between two looks at whether a client that is made to wait is still there.
_LOOK_S = 0.5
_UNSUPPORTED, _ABNORMAL, _RESTART, _TRY_AGAIN_LATER = 1003, 1006, 1012, 1013
#: What stands for a code where no close message came.
_NO_GOODBYE = frozenset({1005, 1006})
#: Codes with which the server below closes for what a client sent: broken protocol or text, or too much at once.
_PROTOCOL_CODES = frozenset({1002, 1007, 1009})


class Stream:
    """``run`` it once. ``receive`` and ``send`` are what the application is given instead of the server's own."""

    __slots__ = (
        "_bounds",
        "_closing",
        "_end",
        "_figures",
        "_from_client",
        "_given_up",
        "_room",
        "_task",
        "_to_client",
        "account",
        "line",
        "n_looks_over",
    )

    def __init__(self, receive: Receive, send: Send, model: Model, bounds: Bounds, figures: Figures) -> None:
        self.account = Account(model, bounds)
        self.line = Line(receive)
        self.n_looks_over = 0
        self._bounds = bounds
        self._from_client = receive
        self._to_client = send
        self._figures = figures
        self._room: asyncio.Future[None] | None = None
        self._task = asyncio.current_task()
        self._given_up = self._closing = False
        self._end = "rejected"

    async def run(self, app: App, scope: Scope) -> str:
        """Serve the stream and return how it ended; the words are those of ``figures.ENDS``."""
        try:
            await app(scope, self.receive, self.send)
        except asyncio.CancelledError:
            if not self._given_up or self._task is None or self._task.uncancel():
                raise
        return self._end

    def give_up(self) -> None:
        """End a stream whose client is gone, though the application cannot know: it waits for it to read or to send."""
        self._given_up = True
        self._gone(_ABNORMAL)
        self.line.cut()
        if self._task is not None:
            self._task.cancel()

    async def receive(self) -> Message:
        """Return the next message that the application is to have."""
        if self.account.full and (end := await self._hold_back()) is not None:
            return end
        while True:
            message = await self._from_client()
            if message["type"] != "websocket.receive":
                if message["type"] == "websocket.disconnect":
                    self._note_end(message)
                return message
            text = message.get("text")
            if text is None:
                try:
                    text = (message.get("bytes") or b"").decode()
                except UnicodeDecodeError:
                    await self.close("binary", _UNSUPPORTED, "a binary message that holds no text")
                    return {"type": "websocket.disconnect", "code": _UNSUPPORTED}
                message = {"type": "websocket.receive", "text": text}
            refusal = self.account.take(text, monotonic())
            if refusal is None:
                return message
            await self._to_client({"type": "websocket.send", "text": error(refusal, "invalid_audio")})

    def send(self, message: Message) -> Awaitable[None]:
        """Pass on what the application says. Not a coroutine itself: that would cost as much as all it does."""
        kind = message["type"]
        if kind == "websocket.send":
            if text := message.get("text"):
                account = self.account
                lag_s = account.said(text, monotonic())
                if lag_s is not None:
                    self._figures.lag.count(lag_s)
                if self._room is not None and not self._room.done() and not account.full:
                    self._room.set_result(None)
                if account.failed:
                    return self._send_the_last(message)
        elif kind == "websocket.accept":
            self._end = "server"
        return self._to_client(message)

    async def _send_the_last(self, message: Message) -> None:
        self.account.failed = False
        await self._to_client(message)
        await self.close("failed", _RESTART, "the model has failed")

    async def close(self, end: str, code: int, reason: str) -> None:
        """Say goodbye to the client, once; the application hears of it as of any other end."""
        if self._closing or self.line.over:
            return
        self._end = end
        self._closing = True
        # It may have gone meanwhile, which the server says in one of these ways.
        with suppress(OSError, RuntimeError):
            await self._to_client({"type": "websocket.close", "code": code, "reason": reason})

    async def _hold_back(self) -> Message | None:
        """Wait until the server has caught up; return the end of the stream if it ends meanwhile."""
        self._figures.n_held += 1
        self.line.be_patient(_PONG_S)
        n_deltas, since_s = self.account.n_deltas, monotonic()
        while self.account.full:
            self._room = asyncio.get_running_loop().create_future()
            await asyncio.wait({self._room}, timeout=_LOOK_S)
            self._room = None
            now_s = monotonic()
            if self._closing or self.line.over:
                # What the server would say is behind sound that nobody is going to read.
                return self._gone(self.line.close_code or _ABNORMAL)
            if self.account.n_deltas != n_deltas:
                n_deltas, since_s = self.account.n_deltas, now_s
            elif now_s - since_s > self._bounds.stuck_s:
                said = error(f"no answer for {self._bounds.stuck_s:.0f} s; connect again", "processing_error")
                await self._to_client({"type": "websocket.send", "text": said})
                await self.close("stuck", _TRY_AGAIN_LATER, "the model does not answer")
                return {"type": "websocket.disconnect", "code": _TRY_AGAIN_LATER}
        return None

    def _gone(self, code: int) -> Message:
        message: Message = {"type": "websocket.disconnect", "code": code}
        self._note_end(message)
        return message

    def _note_end(self, message: Message) -> None:
        code = message.get("code", _ABNORMAL)
        if self._closing:
            return
        if code == _RESTART:
            self._end = "shutdown"
        elif self.line.close_code == NO_PONG and code in _NO_GOODBYE:
            self._end = "keepalive"
        elif self.line.close_code in _PROTOCOL_CODES:
            self._end = "protocol"
        # uvicorn gives a reason, empty or not, only for a close message.
        elif "reason" in message and code != _ABNORMAL:
            self._end = "client"
        else:
            self._end = "lost"
