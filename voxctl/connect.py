"""What a session gets its connections from: a server by its address, or the recogniser that comes with voxctl.

A connector is a function without arguments that makes one connection; a session calls it as often as it needs one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from voxctl.transport.base import Connector, Transport


def websocket(url: str, *, api_key: str | None = None, ca_bundle: Path | None = None) -> Connector:
    """Return what connects to the vLLM Realtime server at ``url``: ``ws://host:port`` or ``wss://…``.

    ``ca_bundle`` is a PEM file of the certificates to trust instead of the system's. Raises ``UsageError`` for what
    is no such address; nothing is connected yet.
    """
    from voxctl.transport.websocket import WebSocketTarget, open_websocket, realtime_url

    target = WebSocketTarget(realtime_url(url), api_key, ca_bundle)

    async def connect() -> Transport:
        return await open_websocket(target)

    return connect


@asynccontextmanager
async def embedded() -> AsyncIterator[Connector]:
    """Start the bundled recogniser on a free port of this machine for as long as the context is open.

    Raises ``EngineUnavailable`` when it cannot be started.
    """
    from voxctl.serving.pocketsphinx import PocketSphinxEngine
    from voxctl.serving.server import open_server

    async with open_server(PocketSphinxEngine()) as server:
        yield websocket(server.url)
