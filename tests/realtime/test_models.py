"""The model table."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxctl.realtime.models import EMBEDDED, GUESSED, MODELS, QWEN3_ASR, VOXTRAL, ModelFacts, facts_for


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("mistralai/Voxtral-Mini-4B-Realtime-2602", VOXTRAL),
        ("Qwen/Qwen3-ASR-1.7B", QWEN3_ASR),
        ("pocketsphinx", EMBEDDED),
        ("Qwen/qwen3_asr", QWEN3_ASR),
        ("my-fine-tune", GUESSED),
    ],
)
def test_facts_are_found_by_the_served_name(name: str, facts: ModelFacts) -> None:
    assert facts_for(name) is facts


@given(st.integers(1, 16_000 * 3600))
def test_the_count_law_is_the_measured_one(n_samples: int) -> None:
    # Integer arithmetic on both sides: T = n / 16000, floor((T - 0.0025) / 0.08) + 11.
    assert VOXTRAL.deltas_for(n_samples) == math.floor((n_samples - 40) / 1280) + 11


def test_no_two_models_claim_the_same_name() -> None:
    for facts in MODELS:
        assert [other for other in MODELS if facts_for(other.family) is facts] == [facts]


def test_a_first_delta_always_fits_the_window() -> None:
    for facts in MODELS:
        if facts.has_clock:
            assert facts.window_s > facts.delay_s + 0.0825 and facts.widest_window_s > facts.max_delay_s + 0.0825
