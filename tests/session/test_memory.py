"""A session that lasts for hours holds no more at their end than at their beginning."""

from __future__ import annotations

import tracemalloc

import pytest

from tests.session.hours import hours_of_speech, survived_hours


@pytest.mark.real
def test_a_connection_that_is_over_leaves_nothing_behind() -> None:
    survived = survived_hours(hours_of_speech(0.05), fault_s=8.0, look_s=20.0)
    assert survived.perfect and survived.n_connections > 20, survived.verdict
    assert max(mark.n_lanes for mark in survived.marks) <= 3, "one leads, one follows, one says goodbye"
    assert max(mark.n_objects for mark in survived.marks) <= 180, "two connections, and the last 60 words"


@pytest.mark.real
@pytest.mark.timeout(300)
def test_an_hour_takes_no_more_memory_than_ten_minutes() -> None:
    spoken = hours_of_speech(1)
    tracemalloc.start()
    try:
        survived = survived_hours(spoken, look_s=600.0)
    finally:
        tracemalloc.stop()
    first, *later = (mark.n_bytes for mark in survived.marks)
    assert survived.perfect and len(later) == 5
    assert max(later) <= 1.2 * first, (first, later)


@pytest.mark.real
@pytest.mark.timeout(600)
def test_ten_hours_with_a_fault_a_minute_lose_no_word_and_take_no_more_memory_than_two() -> None:
    survived = survived_hours(hours_of_speech(10))
    assert survived.perfect and survived.kept.n_seams > 500, survived.verdict
    second, *later = survived.marks[1:]
    assert len(later) == 8
    assert max(mark.n_lanes for mark in later) <= 3 and max(mark.n_objects for mark in later) <= 200, later
    assert later[-1].rss - second.rss < 8e6, "the transcript alone takes 1 MB"
