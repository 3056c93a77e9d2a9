"""One connection by itself, without the session around it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from voxctl.audio.pcm import Chunk
from voxctl.realtime.machine import Machine
from voxctl.session.feed import Feed
from voxctl.session.lane import Lane
from voxctl.session.policy import Policy
from voxctl.transport.base import Transport


@asynccontextmanager
async def lane_on(
    transport: Transport, source: AsyncIterator[Chunk], policy: Policy
) -> AsyncIterator[tuple[Lane, Feed]]:
    """Yield a lane that was accepted, and its feed, which is being read."""
    feed = Feed(source, live=False, keep_s=60.0, ahead_s=0.0)
    clock = asyncio.get_running_loop().time
    lane = Lane(transport, Machine("voxtral"), feed, 0, policy=policy, clock=clock)
    reading = feed.start()
    try:
        await lane.ready()
        yield lane, feed
    finally:
        reading.cancel()
        await asyncio.wait({reading})
        await lane.aclose()
