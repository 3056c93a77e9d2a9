"""Flags to a target: what transcribes, and how a connection to it is made."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voxctl.transport.base import Connector

EMBEDDED = "embedded"


@dataclass(frozen=True, slots=True)
class Target:
    """``label`` is its name for people and documents; ``connect`` makes one connection to it."""

    label: str
    connect: Connector


@asynccontextmanager
async def open_target(url: str | None, api_key: str | None, ca_bundle: Path | None) -> AsyncIterator[Target]:
    """Yield the server at ``url``, or the embedded one, started for as long as the context is open."""
    from voxctl.connect import embedded, websocket
    from voxctl.transport.websocket import public_url, realtime_url

    if url is not None:
        label = public_url(realtime_url(url))
        yield Target(label, websocket(url, api_key=api_key, ca_bundle=ca_bundle))
        return
    async with embedded() as connect:
        yield Target(EMBEDDED, connect)
