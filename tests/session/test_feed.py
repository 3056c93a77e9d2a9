"""The feed reads its source once, no further than it must, and keeps what may be needed again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from voxctl.audio.pcm import Chunk
from voxctl.errors import AudioError
from voxctl.events import Gap
from voxctl.session.feed import Feed

CHUNK = 1_280


class Source:
    """Gives numbered chunks; ``n_given`` says how far it was read."""

    def __init__(self, n_chunks: int, *, then: Exception | None = None, endless: bool = False) -> None:
        self.n_given = 0
        self._n_chunks = n_chunks
        self._then = then
        self._endless = endless

    async def chunks(self) -> AsyncIterator[Chunk]:
        for n in range(self._n_chunks):
            self.n_given += 1
            yield Chunk(n.to_bytes(2, "little") * CHUNK, n * CHUNK)
        if self._then:
            raise self._then
        if self._endless:
            await asyncio.Event().wait()


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def feed_of(source: Source, *, live: bool = False, keep_s: float = 60.0, ahead_s: float = 0.0) -> Feed:
    return Feed(source.chunks(), live=live, keep_s=keep_s, ahead_s=ahead_s)


async def read_all(feed: Feed, at: int = 0) -> bytes:
    sound = b""
    while True:
        await feed.beyond(at)
        piece = feed.read(at)
        if not piece:
            return sound
        sound += piece
        at += len(piece) // 2


async def test_two_readers_get_the_same_sound_and_the_source_is_read_once() -> None:
    source = Source(20)
    feed = feed_of(source)
    task = feed.start()
    first, second = await asyncio.gather(read_all(feed), read_all(feed, 5 * CHUNK))
    await task
    assert first[5 * CHUNK * 2 :] == second and len(first) == 20 * CHUNK * 2
    assert source.n_given == 20 and feed.whole and feed.ended


async def test_a_source_that_can_wait_is_read_no_further_than_was_asked_for() -> None:
    source = Source(1_000)
    feed = feed_of(source, ahead_s=0.8)
    task = feed.start()
    await settled()
    assert source.n_given == 11, "what is ahead, and the one in hand"
    await feed.beyond(10 * CHUNK)
    await settled()
    assert source.n_given == 21
    task.cancel()


async def test_a_source_that_can_wait_waits_rather_than_lose_what_is_needed() -> None:
    source = Source(1_000)
    feed = feed_of(source, keep_s=1.6, ahead_s=0.8)
    task = feed.start()
    for at in range(0, 40 * CHUNK, CHUNK):
        if feed.end > at:
            await feed.beyond(at)
        await settled()
    assert source.n_given == 20 and feed.first == 0
    feed.heard(10 * CHUNK, needed=10 * CHUNK)
    await settled()
    assert feed.first == 10 * CHUNK and source.n_given > 20
    with pytest.raises(IndexError):
        feed.read(0)
    task.cancel()


async def test_a_live_source_is_always_read_and_forgets_the_oldest() -> None:
    source = Source(100)
    feed = feed_of(source, live=True, keep_s=0.8)
    await feed.start()
    assert source.n_given == 100 and (feed.first, feed.end) == (90 * CHUNK, 100 * CHUNK)


async def test_what_breaks_off_keeps_the_sound_before_it() -> None:
    feed = feed_of(Source(3, then=AudioError("broken")))
    task = feed.start()
    assert len(await read_all(feed)) == 3 * CHUNK * 2
    await task
    assert feed.ended and not feed.whole and feed.error and feed.error.message == "broken"


async def test_a_stop_ends_a_source_that_never_would() -> None:
    feed = feed_of(Source(3, endless=True))
    task = feed.start()
    reading = asyncio.create_task(read_all(feed))
    await settled()
    assert not reading.done()
    feed.stop()
    assert len(await asyncio.wait_for(reading, 5)) == 3 * CHUNK * 2
    assert feed.ended and not feed.whole and feed.error is None
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_nudge_wakes_whoever_waits() -> None:
    feed = feed_of(Source(0, endless=True))
    task = feed.start()
    waiting = asyncio.create_task(feed.beyond(0))
    await settled()
    assert not waiting.done()
    feed.nudge()
    await asyncio.wait_for(waiting, 5)
    task.cancel()


async def test_what_a_source_has_lost_is_told_where_it_is() -> None:
    async def source() -> AsyncIterator[Chunk]:
        yield Chunk(b"\1\0" * CHUNK, 0)
        yield Chunk(bytes(2 * 16_000), CHUNK, missing="the cable")
        yield Chunk(b"\1\0" * CHUNK, CHUNK + 16_000)

    told: list[Gap] = []
    feed = Feed(source(), live=True, keep_s=60.0, ahead_s=0.0, tell=told.append)
    await feed.start()
    assert told == [Gap(0.08, 1.08, "the cable")]
    assert feed.end == 2 * CHUNK + 16_000 and feed.chunk_samples == CHUNK, "silence is cut as sound is"


async def test_chunks_may_get_longer_and_are_then_read_whole() -> None:
    async def source() -> AsyncIterator[Chunk]:
        yield Chunk(b"\1\0" * 979, 0)
        yield Chunk(b"\2\0" * 1468, 979)

    feed = Feed(source(), live=True, keep_s=60.0, ahead_s=0.0)
    await feed.start()
    assert len(feed.read(979)) == 2 * 1468
