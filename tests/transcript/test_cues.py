"""Subtitles keep what broadcasters ask for, whatever a server says and whenever it says so."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from voxctl.events import Gap, Word
from voxctl.transcript.cues import Cue, cues

Spoken = list[tuple[str, Word]]


def spoken(text: str, start_s: float = 0.0, *, word_s: float = 0.3, pause_s: float = 0.0) -> Spoken:
    """Return the words of ``text`` with the white space before each, ``pause_s`` apart."""
    words: Spoken = []
    for word in text.split(" "):
        words.append((" ", Word(word, start_s, start_s + word_s)))
        start_s += word_s + pause_s
    return words


def cut(words: Spoken, audio_s: float, gaps: tuple[Gap, ...] = (), label: str = "") -> list[Cue]:
    return cues("".join(space + word.text for space, word in words), [word for _, word in words], gaps, audio_s, label)


def texts(made: list[Cue]) -> list[str]:
    return [" / ".join(cue.lines) for cue in made]


def width(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in ("W", "F") else 1 for character in line)


def ms(seconds: float) -> int:
    assert abs(seconds * 1000 - round(seconds * 1000)) < 1e-6, "cues have whole milliseconds"
    return round(seconds * 1000)


def check_limits(made: list[Cue], audio_s: float) -> None:
    least_ms = min(1000, int(audio_s * 1000) // max(1, len(made)))
    for cue in made:
        assert 1 <= len(cue.lines) <= 2
        assert all(line.strip() == line != "" and width(line) <= 42 for line in cue.lines), cue
        assert not any(
            unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for line in cue.lines for character in line
        )
        assert least_ms <= ms(cue.end_s) - ms(cue.start_s) <= 7000, cue
        assert cue.start_s >= 0 and cue.end_s <= audio_s
    assert all(ms(a.end_s) <= ms(b.start_s) for a, b in pairwise(made))


WORDS = st.one_of(
    st.sampled_from(
        ["a", "of", "the", "amiable", "woman,", "was:", "himself.", "Mr.", "好", "天", "了。", "é", "…", "[…]"]
    ),
    st.text(st.characters(exclude_categories=["Z", "Cc", "Cs"]), min_size=1, max_size=12),
    st.text(st.sampled_from("ab天e\u0301-"), min_size=30, max_size=120),
)
TIMES = st.one_of(st.just(0.0), st.floats(0, 0.5), st.floats(0, 12))
PARTS = st.lists(st.tuples(st.sampled_from(["", " ", "\n "]), WORDS, TIMES, TIMES), max_size=60)
GAPS = st.lists(st.tuples(st.floats(0, 60), st.floats(0, 12), st.text(max_size=200)), max_size=3)


@settings(max_examples=300)
@given(PARTS, st.floats(0, 3))
def test_every_limit_holds_and_every_word_is_there_once_in_order(
    parts: list[tuple[str, str, float, float]], rest_s: float
) -> None:
    words: Spoken = []
    now_s = 0.0
    for space, text, pause_s, length_s in parts:
        words.append((space, Word(text, now_s + pause_s, now_s + pause_s + length_s)))
        now_s += pause_s + length_s
    made = cut(words, now_s + rest_s)
    check_limits(made, now_s + rest_s)
    shown = "".join("".join(cue.lines) for cue in made)
    assert "".join(shown.split()) == "".join("".join(word.text.split()) for _, word in words)


@given(st.lists(st.tuples(WORDS, st.floats(0, 60), st.floats(0, 60)), max_size=30), GAPS, st.floats(0, 60))
def test_the_limits_hold_for_times_without_any_sense_and_with_gaps(
    parts: list[tuple[str, float, float]], gaps: list[tuple[float, float, str]], audio_s: float
) -> None:
    words: Spoken = [(" ", Word(text, start_s, end_s)) for text, start_s, end_s in parts]
    lost = tuple(Gap(start_s, start_s + length_s, reason) for start_s, length_s, reason in gaps)
    made = cut(words, audio_s, lost)
    check_limits(made, audio_s)
    lines = " ".join(line for cue in made for line in cue.lines)
    assert lines.count("[…") >= len(lost)


@given(PARTS, st.sampled_from(["Agent:", "A" * 20 + ":", "顾客:"]), GAPS)
def test_every_cue_begins_with_its_label_within_the_limits(
    parts: list[tuple[str, str, float, float]], label: str, gaps: list[tuple[float, float, str]]
) -> None:
    words: Spoken = []
    now_s = 0.0
    for space, text, pause_s, length_s in parts:
        words.append((space, Word(text, now_s + pause_s, now_s + pause_s + length_s)))
        now_s += pause_s + length_s
    lost = tuple(Gap(start_s, start_s + length_s, reason) for start_s, length_s, reason in gaps)
    made = cut(words, now_s, lost, label)
    check_limits(made, now_s)
    assert all(cue.lines[0] == label or cue.lines[0].startswith(f"{label} ") for cue in made)
    if not lost:
        shown = "".join("".join(cue.lines).removeprefix(label) for cue in made)
        assert "".join(shown.split()) == "".join("".join(word.text.split()) for _, word in words)


def test_a_sentence_ends_a_cue_before_a_comma_does_and_a_comma_before_a_pause() -> None:
    by_sentence = cut(spoken("one two three, four five. six seven eight nine"), 4.0)
    assert texts(by_sentence) == ["one two three, four five.", "six seven eight nine"]
    long = "he might have been made still more respectable, than he really was so he might have been amiable himself"
    assert texts(cut(spoken(long), 8.0))[0].endswith("respectable,")
    words = spoken(long.replace(",", ""))
    late = [(space, replace(w, start_s=w.start_s + 0.4, end_s=w.end_s + 0.4)) for space, w in words[10:]]
    assert texts(cut(words[:10] + late, 8.0))[0].endswith("than he")


def test_two_lines_are_even() -> None:
    assert texts(cut(spoken("he might even have been made really amiable himself"), 5.0)) == [
        "he might even have been / made really amiable himself"
    ]


def test_a_long_sentence_is_cut_into_even_parts_not_a_full_one_and_a_rest() -> None:
    made = cut(spoken(" ".join(["words"] * 16)), 10.0)  # 95 columns
    widths = [sum(map(width, cue.lines)) for cue in made]
    assert len(widths) == 2 and max(widths) - min(widths) <= 6


def test_a_short_cue_stays_into_the_silence_after_it() -> None:
    assert cut(spoken("Yes.", 2.0), 10.0) == [Cue(2.0, 3.0, ("Yes.",))]


def test_a_cue_stays_as_long_as_reading_it_takes_where_silence_follows() -> None:
    assert cut(spoken("respectable " * 3 + "respectable", word_s=0.3), 10.0)[0].end_s > 2.0


def test_a_short_cue_at_the_end_of_the_audio_begins_in_the_silence_before_it() -> None:
    words = spoken("It goes on.") + spoken("Yes.", 9.7)
    assert cut(words, 10.0)[-1] == Cue(9.0, 10.0, ("Yes.",))


def test_a_short_cue_without_silence_is_joined_to_its_neighbour() -> None:
    assert cut(spoken("I do. No. You do not."), 2.1) == [Cue(0.0, 1.8, ("I do. No. You do not.",))]


def test_cues_that_cannot_be_joined_take_time_from_each_other() -> None:
    crowded = spoken("respectable " * 20 + "end", 4.0, word_s=0.0)
    made = cut(crowded, 6.0)
    assert len(made) > 2
    check_limits(made, 6.0)


def test_more_cues_than_seconds_share_the_audio_evenly() -> None:
    made = cut(spoken("respectable " * 59 + "end", word_s=0.01), 2.0)
    check_limits(made, 2.0)
    assert len({ms(cue.end_s) - ms(cue.start_s) for cue in made[:-1]}) == 1


def test_an_instant_of_audio_still_has_its_words() -> None:
    assert cut(spoken("hello"), 0.0) == [Cue(0.0, 0.0, ("hello",))]


def test_no_cue_lasts_longer_than_seven_seconds() -> None:
    made = cut(spoken("a b c d e f g h", word_s=0.5, pause_s=0.7), 20.0)
    check_limits(made, 20.0)
    assert len(made) > 1
    assert cut([("", Word("Ohm", 0.0, 30.0))], 60.0) == [Cue(0.0, 7.0, ("Ohm",))]


def test_a_word_longer_than_a_line_is_split() -> None:
    made = cut(spoken("x" * 100), 5.0)
    assert [line for cue in made for line in cue.lines] == ["x" * 42, "x" * 42, "x" * 16]


def test_a_cue_ends_before_a_long_word_rather_than_in_it() -> None:
    made = cut(spoken("he might have been more respectable than", word_s=0.4) + spoken("x" * 60, 2.8, word_s=3.0), 8.0)
    assert texts(made) == ["he might have been more respectable than", "x" * 42 + " / " + "x" * 18]


def test_a_letter_is_not_parted_from_its_accents() -> None:
    made = cut(spoken("a" + "e\u0301" * 30), 5.0)
    assert [len(line) for cue in made for line in cue.lines] == [41, 20]
    assert not any(unicodedata.combining(line[0]) for cue in made for line in cue.lines)


def test_wide_characters_count_two() -> None:
    made = cut([("", Word("天", k * 0.2, k * 0.2 + 0.2)) for k in range(42)], 8.4)
    assert all(len(line) <= 21 for cue in made for line in cue.lines)
    assert "".join(line for cue in made for line in cue.lines) == "天" * 42
    full_width = cut([("", Word("Ａ" * 22, 0.0, 2.0))], 4.0)
    assert texts(full_width) == ["Ａ" * 21 + " / Ａ"]


def test_words_written_without_spaces_stay_so_over_the_end_of_a_sentence() -> None:
    words = [("", Word(text, k * 0.2, k * 0.2 + 0.2)) for k, text in enumerate(["好。", "是", "的。"])]
    assert texts(cut(words, 0.7)) == ["好。是的。"]


def test_a_gap_is_shown_where_it_is() -> None:
    words = spoken("Before it.") + spoken("After it.", 5.5)
    made = cut(words, 8.0, (Gap(1.0, 5.2, "the connection was lost"),))
    assert texts(made) == ["Before it.", "[… 4.2 s missing: the connection was lost]", "After it."]
    assert (made[1].start_s, made[1].end_s) == (1.0, 5.2)


def test_a_gap_too_short_for_a_cue_is_a_word() -> None:
    words = spoken("one two") + spoken("three four", 1.0)
    assert texts(cut(words, 3.0, (Gap(0.6, 1.0, "a chunk was dropped"),))) == ["one two […] three four"]


def test_a_gap_does_not_cut_a_long_word_in_two() -> None:
    made = cut([("", Word("x" * 100, 0.0, 6.0))], 8.0, (Gap(2.0, 2.5, "lost"),))
    assert "x" * 100 in "".join(line for cue in made for line in cue.lines)


def test_a_long_reason_is_shortened_to_two_lines() -> None:
    made = cut([], 9.0, (Gap(1.0, 6.0, "because " * 40),))
    assert len(made) == 1 and made[0].lines[-1].endswith("…]")
    check_limits(made, 9.0)


def test_control_characters_become_visible_and_line_breaks_spaces() -> None:
    made = cut([("", Word("a\x1b[31mb\nc\u2028d\x9be\ud800", 0.0, 1.0))], 2.0)
    assert texts(made) == ["a\ufffd[31mb c d\ufffde\ufffd"]


def test_no_words_are_no_cues() -> None:
    assert cut([], 10.0) == []
