from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxctl.bench.distribution import PERCENTILES, Distribution

VALUES = st.lists(st.floats(-1e4, 1e6), min_size=1, max_size=200)


@given(VALUES)
def test_a_percentile_is_a_value_that_was_seen_by_nearest_rank(values: list[float]) -> None:
    found = Distribution(values)
    exact = sorted(values)
    for percent in PERCENTILES:
        wanted = exact[math.ceil(len(exact) * percent / 100) - 1]
        assert found.percentile(percent) == pytest.approx(wanted, rel=6e-4, abs=0.0051)
    assert found.greatest == pytest.approx(exact[-1], rel=6e-4, abs=0.0051)


@given(VALUES, VALUES, VALUES)
def test_merged_over_processes_it_is_what_one_would_have_seen(a: list[float], b: list[float], c: list[float]) -> None:
    merged = Distribution()
    for part in (a, b, c):
        merged.merge(Distribution.from_json(json.loads(json.dumps(Distribution(part).to_json()))))
    assert merged.summary() == Distribution(a + b + c).summary()
    assert merged.to_json() == Distribution(c + a + b).to_json()


def test_nothing_has_no_percentiles_and_says_so() -> None:
    summary = Distribution().summary()
    assert summary["n"] == 0 and summary["p50"] is None and summary["max"] is None
    assert math.isnan(Distribution().percentile(50))


def test_a_tail_of_two_in_a_hundred_is_in_the_99th_percentile_and_not_in_the_95th() -> None:
    found = Distribution([137.0] * 980 + [900.0] * 20)
    assert (found.percentile(50), found.percentile(95), found.percentile(99)) == (137.0, 137.0, 900.0)
