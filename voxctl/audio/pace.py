"""Gives a file the tempo of a live speaker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

from voxctl.audio.pcm import Chunk
from voxctl.errors import UsageError


async def paced(
    chunks: AsyncIterator[Chunk],
    speed: float | None,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> AsyncGenerator[Chunk]:
    """Pass chunks on no earlier than a live source could, talking ``speed`` times as fast as in real time.

    A chunk is due when its last sample would exist. Every such moment is reckoned from the first request, so sleeping
    late or a slow consumer never adds up: a chunk that is late goes out at once. ``speed`` ``None`` passes all on as
    fast as they are asked for. Closing this closes ``chunks``. Raises ``UsageError`` for a speed not above zero.
    """
    if speed is not None and not speed > 0:
        raise UsageError(f"a speed of {speed} is not possible", hint="1 is real time, 2 is twice as fast")
    start_s = clock()
    try:
        async for chunk in chunks:
            if speed is not None:
                wait_s = start_s + chunk.end_s / speed - clock()
                if wait_s > 0:
                    await sleep(wait_s)
            yield chunk
    finally:
        if isinstance(chunks, AsyncGenerator):
            await chunks.aclose()
