"""The load against a server that is late by a known amount, in virtual time: what is reported is what was injected."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.fakes.calibrated import CalibratedServer
from tests.fakes.virtual import run_virtual
from voxctl.bench.clips import Clip, Scripts, generated
from voxctl.bench.measures import Load, Measures, needed_samples
from voxctl.bench.run import find_most
from voxctl.bench.search import Slo
from voxctl.bench.trial import parts_of
from voxctl.bench.worker import carry_out
from voxctl.realtime.models import SAMPLE_RATE_HZ

SOUND = generated()


def ignored(message: dict[str, Any]) -> None:
    assert message["now"]["active"] >= 0


async def load_on(server: CalibratedServer, load: Load, clips: list[Clip] = SOUND) -> Measures:
    async with server.listening() as connect:
        return await carry_out(load, connect, Scripts(clips, load.chunk_ms), ignored)


def measured(server: CalibratedServer, load: Load, clips: list[Clip] = SOUND) -> Measures:
    return run_virtual(lambda: load_on(server, load, clips), limit_s=600)


def test_a_lag_with_a_tail_comes_back_as_it_was_injected() -> None:
    draw = random.Random(7)
    server = CalibratedServer(lambda k, n: 900.0 if draw.random() < 0.02 else 137.0)
    found = measured(server, Load(8, 25.0, warmup_s=2.0))
    lag = found.distributions["delta_lag_ms"]
    assert lag.n >= 2000
    assert lag.percentile(50) == pytest.approx(137, abs=2)
    assert 880 <= lag.percentile(99) <= 930
    assert not found.errors and found.n_finished == 8 and not found.faults


def test_two_modes_come_back_as_two() -> None:
    found = measured(CalibratedServer(lambda k, n: 20.0 if k % 100 < 60 else 60.0), Load(4, 30.0))
    lag = found.distributions["delta_lag_ms"]
    assert [lag.percentile(50), lag.percentile(90)] == pytest.approx([20, 60], abs=0.5)


@pytest.mark.parametrize("chunk_ms", [20, 80, 200])
def test_the_length_of_a_chunk_shows_in_the_capture_lag_and_not_in_the_lag(chunk_ms: int) -> None:
    found = measured(CalibratedServer(lambda k, n: 50.0), Load(2, 20.0, chunk_ms=chunk_ms))
    assert found.distributions["delta_lag_ms"].greatest == pytest.approx(50, abs=0.5)
    # A tick is complete 2.5 ms into a chunk, which goes out at that chunk's end.
    assert found.distributions["capture_lag_ms"].percentile(50) >= 50 + chunk_ms / 2 - 10
    assert found.distributions["capture_lag_ms"].greatest <= 50 + chunk_ms + 0.5


def test_a_lag_that_grows_is_seen_to_grow() -> None:
    assert measured(CalibratedServer(lambda k, n: k * 2.0), Load(3, 20.0)).slope_ms_s == pytest.approx(25, rel=0.05)
    assert abs(measured(CalibratedServer(lambda k, n: 80.0), Load(3, 20.0)).slope_ms_s) < 0.1


def test_another_delay_of_the_model_is_no_lag() -> None:
    server = CalibratedServer(lambda k, n: 5.0, delay_s=2.4)
    assert measured(server, Load(1, 10.0, delay_s=2.4)).distributions["delta_lag_ms"].greatest < 6


def test_what_is_due_in_the_warm_up_is_not_counted() -> None:
    first_of_window = needed_samples(1, 0.48) / SAMPLE_RATE_HZ
    slow_at_first = CalibratedServer(lambda k, n: 700.0 if k * 0.08 + first_of_window < 4 else 10.0)
    assert measured(slow_at_first, Load(2, 10.0, warmup_s=6.0)).distributions["delta_lag_ms"].greatest < 12
    assert measured(slow_at_first, Load(2, 10.0)).distributions["delta_lag_ms"].greatest > 690


def test_streams_that_are_refused_are_counted_and_the_others_measured() -> None:
    found = measured(CalibratedServer(places=3), Load(5, 5.0))
    assert (found.n_streams, found.n_finished, dict(found.errors)) == (5, 3, {"refused": 2})


def test_words_are_compared_with_what_was_said() -> None:
    clip = Clip(SOUND[0].pcm, "Every good boy does fine.")
    found = measured(CalibratedServer(says="every bad boy does fine"), Load(2, 5.0), [clip])
    assert found.wer == pytest.approx(0.2) and found.words == 10
    assert found.cer and 0 < found.cer < 0.2


@pytest.mark.real
def test_a_client_that_is_too_slow_is_called_so() -> None:
    async def held_up() -> Measures:
        async def hold() -> None:
            while True:
                await asyncio.sleep(0.07)
                time.sleep(0.08)  # noqa: ASYNC251 - the very thing: the loop is held up

        holding = asyncio.create_task(hold())
        try:
            return await load_on(CalibratedServer(), Load(2, 2.0))
        finally:
            holding.cancel()

    found = asyncio.run(held_up())
    assert any("woke up late" in fault for fault in found.faults), found.faults


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_most_streams_are_found_whatever_the_seed(seed: int) -> None:
    def holding_twelve(k: int, n_open: int) -> float:
        return 40.0 if n_open <= 12 else 400.0

    async def trial(n_streams: int, number: int) -> Measures:
        return await load_on(CalibratedServer(holding_twelve), Load(n_streams, 4.0, warmup_s=1.0, seed=seed + number))

    held, levels = run_virtual(lambda: find_most(trial, Slo(300), 64), limit_s=3600)
    assert held.n_streams == 12
    assert held.broken_by == "95 % of the deltas within 400 ms only" and held.per_instance == 10
    assert [level.n_streams for level in levels] == sorted({1, 2, 4, 8, 16, 12, 14, 13})


def test_the_parts_of_a_load_are_all_of_it() -> None:
    load = Load(10, 5.0, first=100)
    parts = parts_of(load, 4)
    streams = [part.first + i for part in parts for i in range(part.n_streams)]
    assert streams == list(range(100, 110)) and len(parts) == 4
    assert len(parts_of(Load(2, 5.0), 4)) == 2


def test_what_processes_saw_together_is_what_one_would_have_seen() -> None:
    draw = random.Random(3)
    lags = [draw.uniform(5, 300) for _ in range(5000)]
    server: Callable[[], CalibratedServer] = lambda: CalibratedServer(lambda k, n: lags[k])  # noqa: E731
    whole = measured(server(), Load(6, 10.0))
    together = Measures()
    for part in parts_of(Load(6, 10.0), 3):
        together.merge(Measures.from_json(json.loads(json.dumps(measured(server(), part).to_json()))))
    mine, theirs = (m.summary() for m in (whole, together))
    for figures in (mine, theirs):
        figures.pop("client_busy")
        figures.pop("loop_late_ms")
    assert mine["delta_lag_ms"] == theirs["delta_lag_ms"] and mine == theirs
