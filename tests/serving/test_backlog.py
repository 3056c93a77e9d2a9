"""The queue between the socket and the recogniser."""

from __future__ import annotations

import asyncio

from voxctl.serving.backlog import Backlog

SECOND = bytes(32_000)


async def test_audio_comes_out_as_it_went_in_whatever_the_size_of_a_bite() -> None:
    backlog = Backlog(30.0)
    pcm = bytes(range(250)) * 4
    for at in range(0, len(pcm), 100):
        backlog.put(pcm[at : at + 100])
    backlog.put_end()
    taken = b""
    while (piece := await backlog.take(0.001)) is not None:
        assert 0 < len(piece) <= 32
        taken += piece
    assert taken == pcm
    assert backlog.held_s == 0


async def test_marks_keep_their_place() -> None:
    backlog = Backlog(30.0)
    backlog.put(b"ab")
    backlog.put_end()
    backlog.put(b"cd")
    backlog.put_end()
    assert [await backlog.take(1.0) for _ in range(4)] == [b"ab", None, b"cd", None]


async def test_a_reader_waits_while_the_bound_is_held_and_goes_on_when_it_is_not() -> None:
    backlog = Backlog(2.0)
    backlog.put(3 * SECOND)
    waiting = asyncio.create_task(backlog.room())
    await backlog.take(0.5)
    await asyncio.sleep(0)
    assert not waiting.done()
    await backlog.take(1.0)
    async with asyncio.timeout(1):
        await waiting
    assert backlog.held_s == 1.5


async def test_forgetting_wakes_the_reader() -> None:
    backlog = Backlog(1.0)
    backlog.put(3 * SECOND)
    waiting = asyncio.create_task(backlog.room())
    await asyncio.sleep(0)
    backlog.clear()
    async with asyncio.timeout(1):
        await waiting
    assert backlog.held_s == 0
