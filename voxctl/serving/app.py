"""The ASGI application: the Realtime WebSocket, and the few HTTP paths around it that vLLM has too."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import sys
import time
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from voxctl.serving import wire
from voxctl.serving.connection import Connection
from voxctl.serving.engine import Engine

log = logging.getLogger("voxctl.serving")

#: Close code "try again later".
TRY_AGAIN_LATER = 1013
GUARDED_PREFIX = "/v1"


class RealtimeApp:
    """The application for one engine; ``asgi`` is what a server runs.

    A stream has its slot from the moment it is accepted until it is closed, however that comes about.
    """

    def __init__(self, engine: Engine, *, max_streams: int, api_key: str | None = None) -> None:
        self._engine = engine
        self._max_streams = max_streams
        self._created = int(time.time())
        self._connections: set[Connection] = set()
        routes = [
            WebSocketRoute("/v1/realtime", self._stream),
            Route("/v1/models", self._models),
            Route("/health", self._health, methods=["GET"]),
            Route("/ping", self._health, methods=["GET", "POST"]),
        ]
        guard = [Middleware(KeyGuard, api_key=api_key)] if api_key else []
        self.asgi: ASGIApp = Starlette(routes=routes, middleware=guard)

    @property
    def n_streams(self) -> int:
        """How many connections have a slot."""
        return len(self._connections)

    async def settle(self, at_most_s: float) -> None:
        """Let the utterances that are being recognised end, and give up those that take longer."""
        in_progress = [c.recognition for c in self._connections if c.recognition is not None]
        if in_progress:
            _, late = await asyncio.wait(in_progress, timeout=at_most_s)
            for recognition in late:
                recognition.cancel()

    async def _stream(self, socket: WebSocket) -> None:
        if self.n_streams >= self._max_streams:
            await self._turn_away(socket)
            return
        connection = Connection(socket, self._engine)
        self._connections.add(connection)
        try:
            await socket.accept()
            log.info("stream opened, %d of %d", self.n_streams, self._max_streams)
            await connection.run()
        finally:
            self._connections.discard(connection)
            if isinstance(bug := sys.exception(), Exception):
                log.error("a stream broke", exc_info=bug)
            log.info("stream closed, %d of %d", self.n_streams, self._max_streams)

    async def _turn_away(self, socket: WebSocket) -> None:
        """Refuse for want of room in words: a bare handshake error reaches a SageMaker client as a 424 without any."""
        log.warning("every stream is taken; a client was turned away")
        streams = "1 stream" if self._max_streams == 1 else f"{self._max_streams} streams"
        full = f"It serves {streams} at a time."
        try:
            await socket.accept()
            await socket.send_text(wire.error(full, "server_full"))
            await socket.close(TRY_AGAIN_LATER, "server full")
        except WebSocketDisconnect:
            log.debug("a client did not wait to be turned away")

    async def _health(self, _: Request) -> Response:
        problem = self._engine.problem()
        if problem is None:
            return Response()
        return JSONResponse({"error": problem}, HTTPStatus.SERVICE_UNAVAILABLE)

    async def _models(self, _: Request) -> Response:
        card = {
            "id": self._engine.model,
            "object": "model",
            "created": self._created,
            "owned_by": "voxctl",
            "root": self._engine.model,
            "parent": None,
            "max_model_len": None,
            "permission": [],
        }
        return JSONResponse({"object": "list", "data": [card]})


class KeyGuard:
    """ASGI middleware that answers 401 to whoever asks for ``/v1`` without the key; health stays open to all."""

    def __init__(self, app: ASGIApp, *, api_key: str) -> None:
        self._app = app
        self._digest = _digest(api_key)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or refuse it; a WebSocket is refused in its handshake."""
        if scope["type"] in ("http", "websocket") and scope["path"].startswith(GUARDED_PREFIX):
            scheme, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not hmac.compare_digest(_digest(key), self._digest):
                refusal = JSONResponse({"error": "Unauthorized"}, HTTPStatus.UNAUTHORIZED)
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _digest(key: str) -> bytes:
    # Digests have one length, so that comparing them tells nothing of the key's.
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
