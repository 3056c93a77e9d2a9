"""What SIGTERM does: no more streams are let in, and those that are open get some time to end.

vLLM's own ``--shutdown-timeout`` does not do it: its first act is to stop preparing input, at which every stream that
is live fails with ``processing_error``, and new ones are still let in. So the signal is ours until the streams are
over, and vLLM hears of it after that as SIGINT, which means the same to it.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
import threading
from collections.abc import Collection, Sequence

from gateway.stream import Stream

#: Between two looks at whether the last stream has ended.
_LOOK_S = 0.1
_RESTART = 1012
log = logging.getLogger("vllm.gateway")


class Drain:
    """``watch`` takes the signal over; ``begun`` says that it came. ``at_most_s`` 0 leaves the signal to the server."""

    def __init__(self, streams: Collection[Stream], at_most_s: float) -> None:
        self.begun = False
        self._streams = streams
        self._at_most_s = at_most_s
        self._task: asyncio.Task[None] | None = None

    def watch(self) -> None:
        """Take the signal over, once the server has done the same."""
        if self._at_most_s and threading.current_thread() is threading.main_thread():
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._told)

    def forget(self) -> None:
        """Give the signal back."""
        if self._at_most_s and threading.current_thread() is threading.main_thread():
            asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
        if self._task is not None:
            self._task.cancel()

    def _told(self) -> None:
        if self._task is not None:  # twice: somebody is in a hurry
            os.kill(os.getpid(), signal.SIGINT)
            return
        self.begun = True
        self._task = asyncio.create_task(self._end())

    async def _end(self) -> None:
        log.info("told to end: %d streams are open and have %.0f s", len(self._streams), self._at_most_s)
        for _ in range(math.ceil(self._at_most_s / _LOOK_S)):
            await _say_goodbye([stream for stream in self._streams if stream.account.idle])
            if not self._streams:
                break
            await asyncio.sleep(_LOOK_S)
        await _say_goodbye(list(self._streams))
        os.kill(os.getpid(), signal.SIGINT)


async def _say_goodbye(streams: Sequence[Stream]) -> None:
    goodbyes = [stream.close("shutdown", _RESTART, "the server is being restarted") for stream in streams]
    if goodbyes:
        # A client that does not read is not waited for.
        await asyncio.wait([asyncio.ensure_future(goodbye) for goodbye in goodbyes], timeout=1.0)
