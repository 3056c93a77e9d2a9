"""Makes the connections of a session: the first, which decides whether it begins at all, and all later ones."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count

from voxctl.errors import ConnectFailed, ContextFull, ServerFull, StreamError
from voxctl.events import Event, Reconnecting, Tail
from voxctl.realtime.machine import Machine
from voxctl.session.feed import Feed
from voxctl.session.lane import Lane
from voxctl.session.policy import Patience, Policy, Retry, backoff, verdict
from voxctl.transport.base import Connector


@dataclass(slots=True)
class Opening:
    """How connections are made. ``model`` becomes the one that the first server accepted."""

    connect: Connector
    model: str | None
    policy: Policy
    clock: Callable[[], float]
    congested: Callable[[], bool]
    uniform: Callable[[float, float], float] = random.uniform

    async def first(self, feed: Feed, emit: Callable[[Event], None]) -> Lane:
        """Return a lane whose server has accepted it; try again where that can help. One deadline is for it all."""
        began_s = self.clock()
        deadline_s = began_s + self.policy.retry_for_s
        last: StreamError = ConnectFailed(
            f"no server answered within {self.policy.retry_for_s:g} s",
            hint="is the server up, and do firewalls let you through?",
            timed_out=True,
        )
        for attempt, delay_s in enumerate(backoff(self.uniform), start=2):
            try:
                async with asyncio.timeout(deadline_s - self.clock()):
                    return await self.one(feed, 0, emit)
            except TimeoutError:
                raise last from None
            except StreamError as exc:
                last = exc
                if isinstance(exc, ServerFull):
                    # It is well, and streams end: somebody who waits in line is not sent away after a moment.
                    deadline_s = began_s + self.policy.full_for_s
                if self.clock() + delay_s > deadline_s or not isinstance(verdict(exc), Retry):
                    raise
                emit(Reconnecting(attempt, delay_s, exc.message))
            await asyncio.sleep(delay_s)
        raise AssertionError("the pauses never end")

    async def again[T](
        self,
        error: StreamError,
        open_: Callable[[], Awaitable[T]],
        mends: Callable[[StreamError], bool],
        patience: Patience,
        emit: Callable[[Event], None],
    ) -> T:
        """Return what ``open_`` makes, however often it takes. Raises ``error``, or a later one, if it cannot help."""
        pauses = backoff(self.uniform)
        for attempt in count(1):
            # A model whose context ended is fine, and nobody has to be told.
            planned = isinstance(error, ContextFull)
            delay_s = 0.0 if planned else next(pauses)
            if not mends(error) or patience.over(self.clock(), delay_s):
                raise error
            if not planned:
                emit(Tail(""))
                emit(Reconnecting(attempt, delay_s, error.message))
            await asyncio.sleep(delay_s)
            try:
                async with asyncio.timeout(patience.left_s(self.clock())):
                    return await open_()
            except TimeoutError:
                raise error from None
            except StreamError as exc:
                error = exc
        raise AssertionError("the attempts never end")

    async def one(self, feed: Feed, began: int, emit: Callable[[Event], None] = lambda event: None) -> Lane:
        """Make one connection that is to hear the feed from position ``began`` on. Raises ``StreamError``."""
        transport = await self.connect()
        lane = Lane(
            transport,
            Machine(self.model),
            feed,
            began,
            policy=self.policy,
            clock=self.clock,
            congested=self.congested,
        )
        try:
            emit(await lane.ready())
        except BaseException:
            await lane.aclose()
            raise
        self.model = lane.machine.model
        return lane
