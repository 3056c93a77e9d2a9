from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxctl.bench.distribution import Distribution
from voxctl.bench.measures import Measures
from voxctl.bench.search import Slo, next_to_try


@given(st.integers(0, 300), st.integers(1, 300))
def test_the_search_ends_at_what_is_held_in_few_steps(capacity: int, most: int) -> None:
    held: dict[int, bool] = {}
    while (n := next_to_try(held, most)) is not None:
        assert n not in held and 1 <= n <= most
        held[n] = n <= capacity
    assert max((n for n, ok in held.items() if ok), default=0) == min(capacity, most)
    assert len(held) <= 18


def measured(lag_ms: float, **fields: object) -> Measures:
    measures = Measures(n_streams=10, n_finished=10, **fields)  # type: ignore[arg-type]
    measures.distributions["delta_lag_ms"] = Distribution([lag_ms] * 100)
    return measures


@pytest.mark.parametrize(
    ("measures", "reason"),
    [
        (measured(100), None),
        (measured(301), "within 301 ms only"),
        (measured(100, slopes_ms_s=[0.1, 40.0, 60.0]), "grows by 40 ms"),
        (measured(100, slopes_ms_s=[0.1, 0.2, 60.0]), None),
        (measured(100, errors=Counter(stalled=2, refused=1)), "2 of 10 streams failed: stalled"),
        (measured(100, word_errors=9, words=100), "word error rate rises"),
        (measured(100, word_errors=6, words=100), None),
        (Measures(n_streams=1), "no delta was timed"),
    ],
)
def test_each_way_not_to_hold_is_named(measures: Measures, reason: str | None) -> None:
    found = Slo(300, wer=0.05).broken_by(measures)
    assert found is None if reason is None else found and reason in found
