"""``gateway_server.py direct|gateway`` or ``relay URL``: a server that does with a message what vLLM does at first.

It runs on vLLM's own Python, uvicorn and event loop, and answers each chunk of sound with one delta. ``relay`` is the
least that a process between SageMaker and such a server can be. It prints its address; the end of its standard input
ends it.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import sys
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import numpy as np
import uvicorn
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from gateway import Gateway
from gateway.settings import Settings

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_DELTA = '{"type":"transcription.delta","delta":" word"}'
_PLAIN = {"compression": None, "max_queue": None}


async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    """Parse, decode and convert each chunk, as vLLM does, and give a delta for it."""
    if scope["type"] == "lifespan":
        for event in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{event}.complete"})
        return
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        return
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": '{"type":"session.created","id":"b","created":1}'})
    while (message := await receive())["type"] == "websocket.receive":
        content = json.loads(message["text"])
        if content["type"] == "input_audio_buffer.append":
            np.frombuffer(base64.b64decode(content["audio"]), np.int16).astype(np.float32) / 32768.0
            await send({"type": "websocket.send", "text": _DELTA})


async def relay(url: str) -> None:
    """Pass messages on, both ways, over a second WebSocket for each."""

    async def accept(client: ServerConnection) -> None:
        async with connect(url, **_PLAIN) as model:  # type: ignore[arg-type]
            with contextlib.suppress(ConnectionClosed):
                async with asyncio.TaskGroup() as group:
                    group.create_task(_copy(client, model))
                    group.create_task(_copy(model, client))

    async with serve(accept, "127.0.0.1", 0, backlog=4096, ping_interval=None, **_PLAIN) as server:  # type: ignore[arg-type]
        _say(server.sockets[0].getsockname()[1])
        await asyncio.Event().wait()


async def _copy(one: Any, other: Any) -> None:
    with contextlib.suppress(ConnectionClosed):
        async for message in one:
            await other.send(message)
    await other.close()


class _Server(uvicorn.Server):
    async def startup(self, sockets: Any = None) -> None:
        """Say where it is."""
        await super().startup(sockets)
        _say(self.servers[0].sockets[0].getsockname()[1])


def _say(port: int) -> None:
    sys.stdout.write(f"ws://127.0.0.1:{port}/v1/realtime\n")
    sys.stdout.flush()


def _leave_with_the_parent() -> None:
    sys.stdin.read()
    # There is nothing to tidy up.
    import os

    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=_leave_with_the_parent, daemon=True).start()
    if sys.argv[1] == "relay":
        asyncio.run(relay(sys.argv[2]))
    else:
        served = Gateway(app, Settings(emf_s=0, drain_s=0)) if sys.argv[1] == "gateway" else app
        _Server(uvicorn.Config(served, port=0, log_level="warning", access_log=False, backlog=4096)).run()
