"""What a client hears that does not speak HTTP/2: that there is nothing, and what time it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from email.utils import formatdate
from typing import cast

_MOST_BYTES = 16 * 1024
#: How long a request may take to come, in seconds.
_REQUEST_S = 5.0


class PlainHttp(asyncio.Protocol):
    """One connection of HTTP/1.1, which gets one answer. Its date is what shows a client that its clock is off."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._asked = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the request, for a while."""
        self._transport = cast(asyncio.Transport, transport)
        self._leaving = asyncio.get_running_loop().call_later(_REQUEST_S, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        """Answer the request once its headers are here, whatever it is."""
        self._asked += data
        if b"\r\n\r\n" in self._asked:
            date = formatdate(self._clock(), usegmt=True)
            lines = ("HTTP/1.1 404 Not Found", f"date: {date}", "content-length: 0", "connection: close", "", "")
            self._transport.write("\r\n".join(lines).encode())
            self._transport.close()
        elif len(self._asked) > _MOST_BYTES:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._leaving.cancel()
