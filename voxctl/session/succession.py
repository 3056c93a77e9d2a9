"""Has another connection ready before one has lasted too long, so that nobody waits for it: make before break."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from voxctl.errors import AwsError, StreamError
from voxctl.realtime.models import SAMPLE_RATE_HZ
from voxctl.session.feed import Feed
from voxctl.session.leg import Leg
from voxctl.session.policy import Policy
from voxctl.session.rotation import Rotation

#: A leading leg is held when it has heard so much more, until it has heard so much less, in seconds of sound.
_BEHIND_S, _PASS_S = 0.5, 0.4

_log = logging.getLogger(__name__)


class Succession:
    """``following`` is the leg that hears the same sound as the leading one, until it can take over.

    ``open_`` makes such a leg, and ``begin`` has something done beside the session.
    """

    def __init__(
        self,
        open_: Callable[[], Awaitable[Leg]],
        begin: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        policy: Policy,
        clock: Callable[[], float],
    ) -> None:
        self.rotation = Rotation(policy)
        self.following: Leg | None = None
        self._open = open_
        self._begin = begin
        self._policy = policy
        self._clock = clock
        self._preparing: asyncio.Task[None] | None = None

    def attend(self, now_s: float, lead: Leg, *, may_begin: bool) -> None:
        """Begin when it is time to, if that is worth it; give up a leg that failed, or that is not let in."""
        lane, following = lead.lane, self.following
        if following:
            if following.failed() or not following.admitted(now_s, self._policy.admit_s):
                # A server may have one place only, and serve nobody while two ask for it.
                self.following = None
                self._begin(following.drop())
                self.rotation.put_off(now_s)
        elif (
            may_begin
            and self._preparing is None
            and self.rotation.due(
                now_s,
                audio_s=lane.sent_s - lane.began_s,
                age_s=now_s - lane.opened_at_s,
                model_s=lane.machine.facts.rotate_s,
            )
        ):
            self._preparing = self._begin(self._prepare())

    def pace(self, lead: Leg, feed: Feed) -> None:
        """Hold the leading leg until the one behind it has passed it: as fast as the server can, it never would."""
        behind, lane = (self.following.lane if self.following else None), lead.lane
        if behind is None or not behind.machine.n_deltas or behind.sent_s >= feed.end / SAMPLE_RATE_HZ:
            lane.held = False
        elif lane.held:
            lane.held = behind.acked_s < lane.acked_s + _PASS_S
        else:
            lane.held = behind.acked_s < lane.acked_s - _BEHIND_S

    def take(self) -> Leg | None:
        """Return the following leg, if it is any good; it is no longer the following one, and none is prepared."""
        if self._preparing:
            self._preparing.cancel()
            self._preparing = None
        following, self.following = self.following, None
        if following and following.failed():
            self._begin(following.drop())
            return None
        return following

    async def aclose(self) -> None:
        """End it all."""
        if self._preparing:
            self._preparing.cancel()
            await asyncio.wait({self._preparing})
        if self.following:
            self._begin(self.following.drop())

    async def _prepare(self) -> None:
        try:
            self.following = await self._open()
        except (StreamError, AwsError) as exc:
            _log.info("no second connection now: %s", exc.message)
            self.rotation.put_off(self._clock())
        finally:
            if self._preparing is asyncio.current_task():
                self._preparing = None
