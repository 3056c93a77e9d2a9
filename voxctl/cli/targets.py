"""Flags to a target: what transcribes, and how a connection to it is made."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voxctl.transport.base import Connector, Transport

EMBEDDED = "embedded"


@dataclass(frozen=True, slots=True)
class Target:
    """``label`` is its name for people and documents; ``connect`` makes one connection to it."""

    label: str
    connect: Connector


@asynccontextmanager
async def open_target(url: str | None, api_key: str | None, ca_bundle: Path | None) -> AsyncIterator[Target]:
    """Yield the server at ``url``, or the embedded one, started for as long as the context is open."""
    from voxctl.transport.websocket import WebSocketTarget, open_websocket, public_url, realtime_url

    async def connect() -> Transport:
        return await open_websocket(target)

    if url is not None:
        target = WebSocketTarget(realtime_url(url), api_key, ca_bundle)
        yield Target(public_url(target.url), connect)
        return
    from voxctl.serving.pocketsphinx import PocketSphinxEngine
    from voxctl.serving.server import open_server

    async with open_server(PocketSphinxEngine()) as server:
        target = WebSocketTarget(realtime_url(server.url))
        yield Target(EMBEDDED, connect)
