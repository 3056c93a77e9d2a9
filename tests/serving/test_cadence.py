"""The token clock: what is due when depends on the audio alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxctl.serving.cadence import Cadence, clock_s
from voxctl.serving.engine import HeardWord

DELAYS_S = (0.48, 2.4)


def audio_of(n_samples: int) -> bytes:
    """Samples that all differ from their neighbours, so that a misplaced byte shows."""
    return b"".join((i % 65_536).to_bytes(2, "little") for i in range(n_samples))


def fed(pcm: bytes, cuts: Sequence[int], delay_s: float) -> tuple[list[tuple[bytes, float]], bytes, int]:
    """Feed audio cut at some samples; return the ticks, the rest, and the number of deltas in all."""
    cadence = Cadence(delay_s)
    edges = [0, *sorted(2 * cut for cut in cuts), len(pcm)]
    ticks = [tick for start, end in pairwise(edges) for tick in cadence.feed(pcm[start:end])]
    return [(tick.pcm, tick.until_s) for tick in ticks], cadence.finish(), cadence.n_deltas


@given(st.data(), st.integers(0, 60_000), st.sampled_from(DELAYS_S))
def test_how_the_audio_is_cut_into_messages_changes_nothing(
    data: st.DataObject, n_samples: int, delay_s: float
) -> None:
    cuts = data.draw(st.lists(st.integers(0, n_samples), max_size=20))
    pcm = audio_of(n_samples)
    ticks, rest, n_deltas = fed(pcm, cuts, delay_s)
    assert (ticks, rest, n_deltas) == fed(pcm, [], delay_s)
    assert b"".join(piece for piece, _ in ticks) + rest == pcm


@given(st.integers(1, 500_000), st.sampled_from(DELAYS_S))
def test_the_length_alone_says_how_many_deltas_there_are(n_samples: int, delay_s: float) -> None:
    cadence = Cadence(delay_s)
    n_ticks = len(cadence.feed(bytes(2 * n_samples)))
    assert cadence.n_deltas == (n_samples - 40) // 1280 + 11
    assert n_ticks + len(list(cadence.tail([]))) == cadence.n_deltas


@pytest.mark.parametrize("delay_s", DELAYS_S)
def test_a_delta_is_due_with_its_last_sample_and_not_one_sooner(delay_s: float) -> None:
    cadence = Cadence(delay_s)
    for wait_s in (0.0825 + delay_s, 0.08, 0.08):
        assert cadence.feed(bytes(2 * round(wait_s * 16_000) - 2)) == []
        assert len(cadence.feed(bytes(2))) == 1


@pytest.mark.parametrize(("delay_s", "prompt_tokens"), [(0.48, 39), (2.4, 63)])
def test_the_prompt_counts_the_delay(delay_s: float, prompt_tokens: int) -> None:
    assert Cadence(delay_s).prompt_tokens == prompt_tokens


def test_no_audio_gives_no_deltas() -> None:
    cadence = Cadence(0.48)
    assert (cadence.n_deltas, list(cadence.tail([])), cadence.finish()) == (0, [], b"")


@given(st.lists(st.floats(0, 20), max_size=30), st.integers(1, 100_000))
def test_the_tail_gives_every_word_once_in_order_and_none_before_its_time(ends: list[float], n_samples: int) -> None:
    cadence = Cadence(0.48)
    n_ticks = len(cadence.feed(bytes(2 * n_samples)))
    words = [HeardWord(f"w{i}", end_s) for i, end_s in enumerate(sorted(ends))]
    dealt = list(cadence.tail(words))
    assert [word for words in dealt for word in words] == words
    for i, ended in enumerate(dealt[:-1], n_ticks):
        assert all(word.end_s <= clock_s(i) for word in ended)


def test_the_clock_is_the_end_of_each_80_ms() -> None:
    assert [clock_s(i) for i in (0, 1, 124)] == [0.08, 0.16, 10.0]
