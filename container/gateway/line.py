"""What the server under the application knows of a connection and ASGI does not say.

vLLM's server is uvicorn, whose ``receive`` belongs to the object of the connection. Under any other server nothing is
known, and nothing breaks.
"""

from __future__ import annotations

from typing import Any

from gateway.asgi import Receive

#: Close code "internal error", which uvicorn gives for a ping without a pong.
NO_PONG = 1011


class Line:
    """One connection."""

    __slots__ = ("_connection",)

    def __init__(self, receive: Receive) -> None:
        self._connection: Any = getattr(receive, "__self__", None)

    @property
    def over(self) -> bool:
        """Whether it is closed, or is being closed and only waits for the client to take what is left."""
        transport = getattr(self._connection, "transport", None)
        return self.close_code is not None or (transport is not None and bool(transport.is_closing()))

    @property
    def close_code(self) -> int | None:
        """The code with which the server itself has closed it."""
        # uvicorn speaks WebSocket in two ways: with an object of its own for the protocol, and without.
        protocol = getattr(self._connection, "conn", self._connection)
        return getattr(getattr(protocol, "close_sent", None), "code", None)

    def be_patient(self, pong_s: float) -> None:
        """Give a client this long to answer a ping: where its sound waits unread, its pongs wait behind it."""
        if getattr(self._connection, "ping_timeout", None):
            self._connection.ping_timeout = max(self._connection.ping_timeout, pong_s)

    def cut(self) -> None:
        """Let go of it, whatever it still had to say."""
        transport = getattr(self._connection, "transport", None)
        if transport is not None:
            transport.abort()
