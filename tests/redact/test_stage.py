"""When words are given out: at once, when they can be no number, or when it is time."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

import pytest

from tests.redact.corpus import Corpus
from tests.redact.delays import Delays, p95
from tests.redact.hearing import deltas_of, finders_of, masked, seen, spoken, text_of
from voxctl import redacted
from voxctl.errors import ConnectionLost, UsageError
from voxctl.events import Done, Event, Gap, Opened, Progress, Tail, Usage, Word, Words
from voxctl.redact.choice import Choice
from voxctl.redact.custom import Pattern
from voxctl.redact.stage import HOLD_S, PAUSE_S, WAITING, Redaction

FINDERS = finders_of()
NUMBERS = finders_of("card", "phone", "ssn", "iban", "ip")


def said(text: str, start_s: float, end_s: float) -> Words:
    return Words(f" {text}", (Word(text, start_s, end_s),))


def given(*events: Event, stage: Redaction | None = None) -> str:
    stage = stage or Redaction(NUMBERS)
    return text_of(seen for event in events for seen in stage.take(event))


def test_a_word_that_begins_no_number_is_given_with_the_tail_that_follows_it() -> None:
    stage = Redaction(FINDERS)
    assert stage.take(Opened("m")) == [Opened("m")]
    assert stage.take(said("hello", 0.0, 0.4)) == [] and stage.waiting
    assert stage.take(Tail(" there")) == [said("hello", 0.0, 0.4), Tail(WAITING)] and not stage.waiting


def test_a_tail_is_shown_only_where_it_can_become_nothing_that_is_masked() -> None:
    stage = Redaction(NUMBERS)
    assert stage.take(Tail(" hello")) == [Tail(" hello")]
    assert stage.take(Tail(" fo")) == [Tail(WAITING)], "it may become four"
    assert Redaction(FINDERS).take(Tail(" hello")) == [Tail(WAITING)], "it may become hello@example.org"


def test_a_number_that_is_still_in_the_tail_is_not_shown_there_and_not_taken_apart() -> None:
    assert Redaction(NUMBERS).take(Tail(" 4111 1111 1111 1111 thanks bye")) == [Tail(WAITING)]
    stage = Redaction(NUMBERS)
    assert not stage.take(said("4111", 0.0, 0.5)) and not stage.take(said("1111", 0.5, 1.0))
    assert stage.take(Tail(" 1111 1111 thanks bye")) == [Tail(WAITING)]
    glued = Redaction(NUMBERS)
    assert not glued.take(said("4111", 0.0, 1.0)) and glued.take(Tail("-1111-1111-1111 thanks")) == [Tail(WAITING)]
    rest = [said("1111", 1.0, 1.5), said("1111", 1.5, 2.0)]
    assert given(*rest, Tail(" thanks "), stage=stage) == " [CARD]"


def test_a_pause_lets_out_what_is_too_short_for_a_number_and_not_what_was_announced() -> None:
    quiet = Progress(1.0 + PAUSE_S + 0.1, 9.0)
    assert given(said("room", 0.0, 0.5), said("12", 0.6, 1.0), quiet) == " room 12"
    assert given(said("room", 0.0, 0.5), said("12", 0.6, 1.0), Progress(1.0 + PAUSE_S - 0.1, 9.0)) == " room"
    assert given(said("card", 0.0, 0.5), said("4111", 0.6, 1.0), quiet) == " card"


def test_what_a_pause_let_out_is_judged_together_with_what_follows() -> None:
    pause = Progress(5.0, 9.0)
    rest = [said(block, 5.0 + n, 5.5 + n) for n, block in enumerate(("1111", "1111", "1111", "thanks"))]
    assert given(said("4111", 0.6, 1.0), pause, *rest, said("bye", 9.0, 9.5), Done(Usage(), 10.0)) == (
        " 4111 [CARD] thanks bye"
    )


def test_no_word_waits_longer_than_is_stated_and_an_unfinished_number_is_masked() -> None:
    held = [said("card", 0.0, 0.5), said("4111", 0.6, 1.0), said("1111", 1.1, 1.5)]
    stage = Redaction(NUMBERS)
    assert given(*held, Progress(1.0 + HOLD_S, 9.0), stage=stage) == " card"
    assert given(Progress(1.1 + HOLD_S, 9.0), stage=stage) == " [NUMBER]" and not stage.waiting
    rest = [said("1111", 9.5, 9.9), said("1111", 10.0, 10.3), said("bye", 10.5, 11.0)]
    assert given(*rest, Done(Usage(), 11.0), stage=stage) == " [CARD] bye"


def test_a_gap_and_an_interruption_mask_what_is_cut_off_and_the_end_judges_it() -> None:
    cut = [said("card", 0.0, 0.5), said("4111", 0.6, 1.0), said("1111", 1.1, 1.5)]
    assert given(*cut, Gap(2.0, 3.0, "lost")) == " card [NUMBER]"
    assert given(*cut, Done(Usage(), 2.0, complete=False)) == " card [NUMBER]"
    assert given(*cut, Done(Usage(), 2.0)) == " card 4111 1111"


def test_all_that_is_given_is_the_text_with_its_white_space_and_its_words() -> None:
    text = "  It is\n1995,\t isn't it?  And 7 more  "
    assert masked(text.rstrip(), FINDERS) == text.rstrip()
    event = Words("only space ", (Word("only", 0.0, 0.1), Word("space", 0.1, 0.2)))
    assert given(event, Words("  ", ()), Done(Usage(), 1.0)) == "only space   "


@pytest.mark.parametrize("text", ["卡号4111 1111 1111 1111。谢谢", "我的电话是 +1 415 555 2671 谢谢你"])
def test_scripts_without_spaces_keep_their_characters(text: str) -> None:
    seen_text = text_of(seen(deltas_of([text[n : n + 3] for n in range(0, len(text), 3)]), FINDERS))
    assert "[" in seen_text and "谢谢" in seen_text and "1111" not in seen_text and "2671" not in seen_text


def test_every_digit_is_masked_where_that_is_asked_for() -> None:
    text = "In 1995 my card 4111 1111 1111 1111 cost two coffees, order 73 49 12"
    assert masked(text, finders_of("digits", "card")) == ("In [DIGITS] my card [CARD] cost two coffees, order [DIGITS]")


def test_a_pattern_that_would_take_for_ever_is_bounded_and_hides_what_it_could_not_judge() -> None:
    slow = Pattern("SLOW", "(a|aa)+b")
    assert masked("well " + "a" * 120 + " done", [slow]) == "well [SLOW] done" and slow.slow


def test_a_pattern_that_may_go_on_waits_for_its_end() -> None:
    assert masked("see MRN 12 34 now", [Pattern("MRN", r"MRN(?: \d+)+")]) == "see [MRN] now"
    assert masked("foo bar baz foo bar", [Pattern("X", "foo bar baz|foo")]) == "[X] [X] bar"


def test_words_that_are_no_number_wait_for_a_second_at_most_and_masks_come_at_once() -> None:
    delays, chance = Delays(), random.Random(8)
    for utterance in Corpus(8).utterances(60):
        delays.measure(spoken(" " + utterance.text, chance, pauses=True), FINDERS)
    assert p95(delays.held) <= 1.2 and p95(delays.masks) <= 1.0 and delays.free > len(delays.held)


class Session:
    """Events, and what the session ends with if it fails."""

    def __init__(self, *events: Event, failure: Exception | None = None) -> None:
        self.events, self.failure = events, failure

    async def __aiter__(self) -> AsyncIterator[Event]:
        for event in self.events:
            yield event
        if self.failure:
            raise self.failure


async def test_the_library_wraps_a_session() -> None:
    events = list(deltas_of(spoken(" call +1 415 555 2671 now", random.Random(1))))
    got = [event async for event in redacted(aiter(Session(*events)), ["phone"])]
    assert text_of(got) == " call [PHONE] now" and isinstance(got[-1], Done)


async def test_a_session_that_fails_gives_what_waited_and_then_its_error() -> None:
    session = Session(said("card", 0.0, 0.5), said("4111", 0.6, 1.0), failure=ConnectionLost("gone"))
    got: list[Event] = []
    with pytest.raises(ConnectionLost):
        async for event in redacted(aiter(session), ["card"]):
            got.append(event)  # noqa: PERF401 - the error comes in between
    assert text_of(got) == " card [NUMBER]"


def test_a_kind_that_there_is_not_is_refused() -> None:
    with pytest.raises(UsageError, match="'fax' is nothing"):
        redacted(aiter(Session()), ["fax"])
    assert Choice().finders() == []


def test_the_same_events_give_the_same_however_often_a_finder_was_used() -> None:
    events = list(deltas_of(spoken(" my card is 4111 1111 1111 1111 ok", random.Random(2))))
    assert list(seen(events, FINDERS)) == list(seen(events, FINDERS))
