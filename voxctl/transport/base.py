"""The seam between a session and a wire: four methods, and the errors each may raise."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol


class Transport(Protocol):
    """One open connection that carries text frames both ways. One task sends, one receives."""

    async def send(self, text: str) -> None:
        """Send one frame; returns once the wire has taken it (which may wait: that is the backpressure).

        Raises ``ConnectionLost``.
        """
        ...

    async def receive(self) -> str:
        """Return the next frame. Frames that arrived before the end are given before it is reported.

        Raises ``ConnectionLost`` at the end, whoever ended it, and ``ProtocolError`` for a frame that is no text.
        Cancelling it loses no frame.
        """
        ...

    async def send_eof(self) -> None:
        """Say that no more frames will be sent, where the wire can say so; receiving goes on. Never raises."""
        ...

    async def aclose(self) -> None:
        """End the connection politely, within the transport's own deadline. Never raises; safe to call twice."""
        ...


#: Makes one connection. Raises ``ConnectFailed`` or ``HandshakeRefused``, within its own deadline.
Connector = Callable[[], Awaitable[Transport]]
