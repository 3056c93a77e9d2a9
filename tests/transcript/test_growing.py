"""What is written while somebody speaks: valid at every moment, nothing twice, nothing missing, and kept nowhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxctl.events import Done, Event, Gap, Opened, Progress, Seam, Tail, Usage, Word, Words
from voxctl.transcript.export import Format
from voxctl.transcript.growing import Growing
from voxctl.transcript.lines import Lines
from voxctl.transcript.parts import Parts

TIMES = re.compile(r"^(?:(\d+)\n)?(\d\d:\d\d:\d\d[,.]\d{3}) --> (\d\d:\d\d:\d\d[,.]\d{3})$", re.MULTILINE)

#: A word, the pause before it, and whether it ends a sentence.
WORD = st.tuples(st.sampled_from(["a", "well", "amiable", "好", "éa"]), st.floats(0, 4), st.booleans())


def spoken(said: list[tuple[str, float, bool]], gaps: bool = False) -> Iterator[Event]:
    """Yield the events of a session in which this is said, and a gap now and then."""
    yield Opened("model")
    now_s = 0.0
    for n, (text, pause_s, ends) in enumerate(said):
        start_s = now_s + pause_s
        if gaps and n % 3 == 2:
            yield Gap(start_s, start_s + 2.0, "nobody was there")
            start_s += 2.0
        now_s = start_s + 0.3
        word = f"{text}{n}{'.' if ends else ''}"
        yield Tail(f" {word}")
        yield Progress(start_s, now_s)
        yield Words(f" {word}", (Word(word, start_s, now_s),))
        yield Tail("")
    yield Seam(now_s)
    yield Progress(now_s + 5.0, now_s + 5.0)
    yield Done(Usage(1, 2), now_s + 5.0, 0.5)


def pieces(fmt: Format, events: Iterator[Event], timestamps: bool = False) -> list[str]:
    growing, parts = Growing(fmt, target="embedded", timestamps=timestamps), Parts("microphone")
    written = [growing.head()]
    written += [growing.part(part) for event in events for part in parts.apply(event)]
    written += [growing.part(part) for part in parts.finish()]
    return [*written, growing.foot(parts.whole)]


def seconds(clock: str) -> float:
    hours, minutes, rest = clock.replace(",", ".").split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


@settings(max_examples=30)
@given(st.lists(WORD, max_size=15), st.booleans(), st.sampled_from([Format.SRT, Format.VTT]))
def test_subtitles_grow_by_whole_cues_in_order_with_every_word_once(
    said: list[tuple[str, float, bool]], gaps: bool, fmt: Format
) -> None:
    written = "".join(pieces(fmt, spoken(said, gaps)))
    times = [(seconds(begin), seconds(end)) for _, begin, end in TIMES.findall(written)]
    assert all(begin < end for begin, end in times) and all(a[1] <= b[0] for a, b in pairwise(times))
    assert written.startswith("WEBVTT\n" if fmt is Format.VTT else "1\n" if said else "")
    if fmt is Format.SRT:
        assert [number for number, _, _ in TIMES.findall(written)] == [str(n + 1) for n in range(len(times))]
        assert not written.endswith("\n\n") and "\n\n\n" not in written
        assert len(written.split("\n\n")) == max(1, len(times)), "an empty line is between two"
    words = [f"{text}{n}{'.' if ends else ''}" for n, (text, _, ends) in enumerate(said)]
    text = TIMES.sub("", written.removeprefix("WEBVTT\n"))
    assert list(re.sub(r"\[….*?\]", "", text, flags=re.DOTALL).split()) == words


@settings(max_examples=30)
@given(st.lists(WORD, max_size=15))
def test_lines_of_json_grow_by_whole_lines_and_end_with_the_summary(said: list[tuple[str, float, bool]]) -> None:
    written = pieces(Format.JSONL, spoken(said, gaps=True))
    assert all(piece == "" or piece.endswith("\n") for piece in written)
    *lines, summary = [json.loads(line) for line in "".join(written).splitlines()]
    assert (
        summary["type"] == "summary" and summary["audio_s"] > 0 and summary["complete"] and summary["confidence"] == 0.5
    )
    words = [word["text"] for line in lines if line["type"] == "segment" for word in line["words"]]
    assert words == [f"{text}{n}{'.' if ends else ''}" for n, (text, _, ends) in enumerate(said)]
    assert sum(line["type"] == "gap" for line in lines) == len(said) // 3
    assert sum(line["type"] == "seam" for line in lines) == 1


def test_a_sentence_is_written_as_soon_as_the_next_one_begins() -> None:
    growing, parts = Growing(Format.SRT, target="x"), Parts()
    said = [("one", 0.5, False), ("two", 0.1, True), ("three", 0.1, False)]
    written = [growing.part(part) for event in spoken(said) if isinstance(event, Words) for part in parts.apply(event)]
    assert written == ["1\n00:00:00,300 --> 00:00:01,300\none0 two1.\n"]


def test_a_word_is_written_after_a_silence_and_not_while_another_is_in_the_making() -> None:
    parts = Parts()
    assert parts.apply(Words(" hello", (Word("hello", 0.2, 0.6),))) == []
    assert parts.apply(Tail(" wor")) == [] and parts.apply(Progress(9.0, 9.0)) == []
    assert parts.apply(Tail("")) == [] and parts.apply(Progress(3.0, 9.0)) == []
    (part,) = parts.apply(Progress(3.2, 9.0))
    assert part.transcript.text == " hello" and (part.since_s, part.until_s) == (0.0, 3.2)
    assert parts.finish() == []


def test_txt_gets_a_line_for_each_part_and_times_where_they_are_wanted() -> None:
    said = [("one", 0.5, True), ("two", 2.0, False), ("three", 0.1, False)]
    assert "".join(pieces(Format.TXT, spoken(said))) == "one0.\ntwo1 three2\n"
    assert (
        "".join(pieces(Format.TXT, spoken(said), timestamps=True)) == "[00:00:00.50] one0.\n[00:00:02.80] two1 three2\n"
    )


def test_hours_of_speech_leave_nothing_behind() -> None:
    parts = Parts()
    for n in range(5_000):
        parts.apply(Words(f" w{n}", (Word(f"w{n}", n * 0.4, n * 0.4 + 0.3),)))
        parts.apply(Progress(n * 0.4, n * 0.4))
    assert parts.n_words == 5_000 and len(parts._words) < 60 and not parts.whole.words


def test_json_does_not_grow() -> None:
    with pytest.raises(ValueError, match="when all is known"):
        Growing(Format.JSON, target="x")


def shown(events: list[Event]) -> str:
    lines = Lines()
    return "".join(e.text for event in events for e in lines.apply(event) if isinstance(e, Words))


def said_at(text: str, start_s: float) -> Words:
    return Words(f" {text}", (Word(text, start_s, start_s + 0.3),))


def test_a_silence_begins_a_new_line() -> None:
    assert shown([said_at("one", 0.0), said_at("two", 1.0), said_at("three", 4.0)]) == "one two\nthree"


def test_a_silence_is_seen_before_the_next_word_comes() -> None:
    quiet: list[Event] = [said_at("one", 0.0), Progress(2.7, 3.0), Progress(2.9, 3.0), Progress(9.0, 9.0)]
    assert shown(quiet) == "one\n"
    assert shown([*quiet, said_at("two", 12.0)]) == "one\ntwo"
    assert shown([said_at("one", 0.0), Tail(" tw"), Progress(9.0, 9.0)]) == "one"


def test_lines_keep_the_words_of_an_event_and_where_they_are_in_it() -> None:
    lines = Lines()
    lines.apply(said_at("one", 0.0))
    both = Words(" two three ", (Word("two", 5.0, 5.3), Word("three", 8.0, 8.3)))
    (event,) = lines.apply(both)
    assert (
        isinstance(event, Words)
        and event.text == "\ntwo\nthree "
        and [p[1].text for p in event.parts()] == ["two", "three"]
    )
