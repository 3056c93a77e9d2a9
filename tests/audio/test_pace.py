"""The tempo of a live speaker, against a clock that only moves when told to."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from voxctl.audio.pace import paced
from voxctl.audio.pcm import Chunk
from voxctl.errors import UsageError


class FakeClock:
    """Time that passes in ``sleep``, which oversleeps by ``late_s`` each time, as real ones do."""

    def __init__(self, late_s: float = 0.0) -> None:
        self.now_s = 1000.0
        self.naps: list[float] = []
        self._late_s = late_s

    def __call__(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now_s += seconds + self._late_s


class Source:
    """Ten chunks of 80 ms, and whether they were closed."""

    def __init__(self) -> None:
        self.closed = False

    async def chunks(self) -> AsyncGenerator[Chunk]:
        try:
            for number in range(10):
                yield Chunk(b"\0\0" * 1280, number * 1280)
        finally:
            self.closed = True


async def release_times(clock: FakeClock, speed: float | None, work_s: float = 0.0) -> list[float]:
    times = []
    async for _ in paced(Source().chunks(), speed, clock=clock, sleep=clock.sleep):
        times.append(round(clock.now_s - 1000.0, 6))
        clock.now_s += work_s
    return times


@pytest.mark.parametrize("speed", [0.5, 1.0, 4.0])
async def test_a_chunk_comes_when_its_last_sample_would_exist(speed: float) -> None:
    assert await release_times(FakeClock(), speed) == [round(0.08 * n / speed, 6) for n in range(1, 11)]


async def test_oversleeping_does_not_add_up() -> None:
    times = await release_times(FakeClock(late_s=0.005), 1.0)
    assert times == pytest.approx([0.08 * n + 0.005 for n in range(1, 11)])


async def test_a_slow_consumer_is_caught_up_without_a_wait() -> None:
    clock = FakeClock()
    times = await release_times(clock, 1.0, work_s=0.2)
    assert times == pytest.approx([0.08 + 0.2 * n for n in range(10)])
    assert len(clock.naps) == 1


async def test_without_a_speed_nothing_waits() -> None:
    clock = FakeClock()
    assert await release_times(clock, None) == [0.0] * 10
    assert clock.naps == []


async def test_stopping_early_closes_the_source() -> None:
    source = Source()
    async with aclosing(paced(source.chunks(), None)) as chunks:
        await anext(chunks)
        assert not source.closed
    assert source.closed


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan")])
async def test_a_speed_that_goes_nowhere_is_refused(speed: float) -> None:
    with pytest.raises(UsageError, match="speed"):
        await release_times(FakeClock(), speed)
