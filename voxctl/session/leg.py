"""A connection's part in a session: it joins the transcript, leads, and is seen off; or it is dropped."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from voxctl.audio.speech import silences
from voxctl.errors import StreamError
from voxctl.realtime.machine import Ended
from voxctl.realtime.models import SAMPLE_RATE_HZ
from voxctl.session.feed import Feed
from voxctl.session.joiner import Newcomer
from voxctl.session.lane import Lane, LaneEvent

#: How long a connection that is no longer needed has to say its last words, in seconds.
_FAREWELL_S = 5.0
#: A pause may have begun before the stretch in which its middle is looked for, in seconds.
_LOOK_BACK_S = 0.5


@dataclass(eq=False)
class Leg:
    """A lane at work. ``newcomer`` holds what it said while it is not known where the transcript goes on with it."""

    lane: Lane
    newcomer: Newcomer | None
    task: asyncio.Task[Ended] = field(init=False)
    #: Whether what it says still matters.
    heard: bool = True

    def start(self, report: Callable[[Leg, LaneEvent], None]) -> Leg:
        """Put the lane to work and return the leg; ``report`` gets its events for as long as they matter."""
        self.task = asyncio.create_task(self.lane.run(partial(self._pass_on, report)))
        return self

    def failed(self) -> bool:
        """Whether its connection is over. Raises what is no failure of a server's, but a bug of ours."""
        if not self.task.done():
            return False
        with contextlib.suppress(StreamError):
            self.task.result()
        return True

    def admitted(self, now_s: float, limit_s: float) -> bool:
        """Whether the server gave it a place: the first delta came, or may still come within ``limit_s``."""
        return bool(self.lane.machine.n_deltas) or now_s - self.lane.opened_at_s < limit_s

    def drop(self) -> Coroutine[Any, Any, None]:
        """Hear nothing of it from now on; what is returned is to be awaited, and ends it."""
        self.heard = False
        return self._drop()

    async def _drop(self) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})
        if not self.task.cancelled():
            self.task.exception()  # it was told already, or matters no more
        await self.lane.aclose()

    async def see_off(self) -> Ended | None:
        """End it well, as servers free a place sooner for it: the final commit, and ``done``. Bounded."""
        self.lane.retire()
        ended = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL_S):
                await asyncio.wait({self.task})
                if not self.task.cancelled() and not self.task.exception():
                    ended = self.task.result()
        await self.drop()
        return ended

    def _pass_on(self, report: Callable[[Leg, LaneEvent], None], event: LaneEvent) -> None:
        if self.heard:
            report(self, event)


def place_to_begin(feed: Feed, end_s: float, back_s: float, asked: int | None) -> tuple[int, bool]:
    """Return where another connection is to begin when all before ``end_s`` is in the transcript, as a position, and
    whether nobody speaks there.

    ``asked``, which is such a place, or the oldest sound that is left after it; else the first pause of the last
    ``back_s`` seconds, or their beginning. The very beginning of the sound is as good as a pause.
    """
    if asked is not None:
        return max(asked, feed.first), True
    began, in_pause = _pause_or_beginning(feed, end_s, back_s)
    return (began, in_pause) if began >= feed.first else (feed.first, True)


def _pause_or_beginning(feed: Feed, end_s: float, back_s: float) -> tuple[int, bool]:
    start_s = end_s - back_s
    if start_s <= 0:
        return 0, True
    first = max(feed.first, round((start_s - _LOOK_BACK_S) * SAMPLE_RATE_HZ))
    for a_s, b_s in silences(feed.stretch(first, round(end_s * SAMPLE_RATE_HZ))):
        middle_s = first / SAMPLE_RATE_HZ + (a_s + b_s) / 2
        if middle_s >= start_s:
            return round(middle_s * SAMPLE_RATE_HZ), True
    return round(start_s * SAMPLE_RATE_HZ), False
