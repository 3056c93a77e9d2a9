"""Where a stream can be made to go wrong, for those who test clients. A stand-in follows a script that does nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voxctl.serving.standin.stream import Stream


class Script:
    """What happens to a stream beside what the service does.

    Each method is called in the stream's own task; sleeping in it holds up what comes next on this way. To return
    true is to have dealt with the stream: nothing more is said or done about it but to close what is open. Raising
    ``Refused`` refuses the request. ``stream.connection`` has the HTTP/2 connection (``h2``, ``flush``, ``send``) and
    its ``transport``.
    """

    async def at_request(self, stream: Stream) -> bool:
        """Called when the request's signature was found right, before the model is asked and anything is answered."""
        return False

    async def at_message(self, stream: Stream, n: int) -> bool:
        """Called when the client's message number ``n``, counted from 1, has been passed on to the model."""
        return False

    async def at_reply(self, stream: Stream, n: int) -> bool:
        """Called before the model's message number ``n``, counted from 1, is passed on to the client."""
        return False
