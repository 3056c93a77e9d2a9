"""When a word is ours, and when it was said."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxctl.events import Word, Words
from voxctl.realtime.models import EMBEDDED, QWEN3_ASR, TICK_S, VOXTRAL, ModelFacts
from voxctl.realtime.words import WordBuilder


def build(deltas: list[str], facts: ModelFacts = VOXTRAL) -> list[Words]:
    """Return all that ``deltas`` commit, in order, the end included."""
    builder = WordBuilder(facts)
    commits = [builder.delta(text, (i + 1) * TICK_S) for i, text in enumerate(deltas)]
    return [commit for commit in [*commits, builder.finish()] if commit]


def words_of(commits: list[Words]) -> list[Word]:
    return [word for commit in commits for word in commit.words]


def test_a_word_is_committed_when_white_space_follows() -> None:
    builder = WordBuilder(VOXTRAL)
    assert builder.delta(" trans", 0.08) is None
    assert builder.delta("cription", 0.16) is None
    assert builder.tail == " transcription"
    committed = builder.delta(" is", 0.24)
    assert committed is not None and committed.text == " transcription"
    assert builder.tail == " is"


def test_a_word_is_committed_when_a_cjk_character_follows() -> None:
    assert [commit.text for commit in build(["你", "好", "。", "吗"])] == ["你", "好。", "吗"]


def test_korean_is_not_cut_inside_its_words() -> None:
    assert [w.text for w in words_of(build(["안", "녕", " 하", "세요"]))] == ["안녕", "하세요"]


def test_a_word_is_committed_after_five_empty_deltas_and_not_after_four() -> None:
    builder = WordBuilder(VOXTRAL)
    builder.delta(" yes", 0.08)
    assert [builder.delta("", 0.16 + i * TICK_S) for i in range(4)] == [None] * 4
    committed = builder.delta("", 0.48)
    assert committed is not None and committed.text == " yes"
    assert builder.tail == ""


def test_white_space_alone_is_not_a_word_and_is_not_lost() -> None:
    commits = build([" one", " ", "", "", "", "", "", "", " "])
    assert "".join(commit.text for commit in commits) == " one  "
    assert [w.text for w in words_of(commits)] == ["one"]


def test_the_time_of_a_word_is_the_clock_of_the_first_delta_of_its_group() -> None:
    deltas = [""] * 10 + [" trans", "crip", "tion"] + [""] * 3 + [" works"]
    first, second = words_of(build(deltas))
    assert first.end_s == pytest.approx(11 * TICK_S) and not first.estimated
    assert second.end_s == pytest.approx(17 * TICK_S) and not second.estimated


def test_a_word_in_the_very_first_delta_has_its_time() -> None:
    (word,) = words_of(build([" hi"]))
    assert (word.end_s, word.estimated) == (0.08, False)


def test_further_words_of_a_group_share_its_clock_and_are_estimated() -> None:
    words = words_of(build(["", " of", " a", "", " kind"]))
    assert [word.end_s for word in words] == pytest.approx([0.16, 0.16, 0.40])
    assert [word.estimated for word in words] == [False, True, False]


def test_a_model_that_marks_no_groups_gives_each_delta_its_own_clock() -> None:
    one, two, three = words_of(build([" one", " two three"], EMBEDDED))
    assert [w.end_s for w in (one, two, three)] == pytest.approx([0.08, 0.16, 0.16])
    assert [w.estimated for w in (one, two, three)] == [False, False, True]


def test_every_time_of_a_model_without_a_clock_is_estimated() -> None:
    assert all(word.estimated for word in words_of(build([" so", "", " it", "", " goes"], QWEN3_ASR)))


def test_a_word_starts_no_earlier_than_the_last_one_ended() -> None:
    short, long = words_of(build(["", "", "", " a", "", " considerable"]))
    assert long.start_s == pytest.approx(short.end_s)
    assert short.start_s == pytest.approx(0.32 - 0.14)


TEXTS = st.lists(st.text(alphabet=" abé.,!你好\n\u3000", max_size=4), max_size=40)


@given(TEXTS, st.sampled_from([VOXTRAL, EMBEDDED, QWEN3_ASR]))
def test_committed_text_joined_is_the_join_of_the_deltas(deltas: list[str], facts: ModelFacts) -> None:
    assert "".join(commit.text for commit in build(deltas, facts)) == "".join(deltas)


@given(TEXTS, st.sampled_from([VOXTRAL, EMBEDDED]))
def test_words_are_in_order_and_within_the_audio(deltas: list[str], facts: ModelFacts) -> None:
    words = words_of(build(deltas, facts))
    times = [t for word in words for t in (word.start_s, word.end_s)]
    assert times == sorted(times)
    assert all(0 <= t <= len(deltas) * TICK_S + 1e-9 for t in times)


@given(st.text(alphabet=" ab你.", max_size=40), st.data())
def test_words_do_not_depend_on_where_deltas_begin(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=8)) | {0, len(text)})
    pieces = [text[a:b] for a, b in pairwise(cuts)]
    assert [w.text for w in words_of(build(pieces))] == [w.text for w in words_of(build([text]))]


@given(TEXTS)
def test_the_tail_is_exactly_what_is_not_committed_yet(deltas: list[str]) -> None:
    builder, committed, seen = WordBuilder(VOXTRAL), "", ""
    for i, delta in enumerate(deltas):
        words = builder.delta(delta, (i + 1) * TICK_S)
        committed += words.text if words else ""
        seen += delta
        assert committed + builder.tail == seen
