"""The forms of a transcript, byte for byte, and what nothing a server says can do to them."""

from __future__ import annotations

import json
import re
from importlib import resources
from itertools import pairwise
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transcript import golden
from voxctl.events import Done, Opened, Usage, Word, Words
from voxctl.transcript.export import Format, export
from voxctl.transcript.transcript import Transcript


def heard(*words: str, complete: bool = True) -> Transcript:
    """Return a transcript of ``words``, half a second each."""
    transcript = Transcript()
    for k, word in enumerate(words):
        transcript.apply(Words(f" {word}", (Word(word, k * 0.5, k * 0.5 + 0.5),)))
    if complete:
        transcript.apply(Done(Usage(), len(words) * 0.5))
    return transcript


def schema(name: str) -> dict[str, Any]:
    loaded = json.loads(resources.files("voxctl.transcript").joinpath(name).read_text("utf-8"))
    assert isinstance(loaded, dict)
    jsonschema.Draft202012Validator.check_schema(loaded)
    return loaded


@pytest.mark.parametrize("name", sorted(golden.documents()))
def test_the_document_is_the_golden_one(name: str) -> None:
    written = (golden.FOLDER / name).read_bytes()
    assert golden.documents()[name].encode() == written, "python -m tests.transcript.golden writes them anew"


def test_every_format_has_a_golden_document_and_no_document_is_left_over() -> None:
    names = {path.name for path in golden.FOLDER.iterdir()}
    assert names == {*golden.documents()} >= {f"transcript{fmt.suffix}" for fmt in Format}


@pytest.mark.parametrize("fmt", Format)
def test_every_format_ends_with_one_newline_and_says_its_words_before_the_end(fmt: Format) -> None:
    for complete in (True, False):
        text = export(heard("hello", "there", complete=complete), fmt, target="embedded")
        assert "hello" in text and text.endswith("\n") and not text.endswith("\n\n")


@pytest.mark.parametrize(
    ("fmt", "empty"), [(Format.TXT, "\n"), (Format.SRT, ""), (Format.VTT, "WEBVTT\n")], ids=lambda value: str(value)
)
def test_silence_is_a_document_too(fmt: Format, empty: str) -> None:
    assert export(heard(), fmt, target="embedded") == empty


def test_each_line_of_json_lines_keeps_the_schema_and_the_last_is_the_summary() -> None:
    validator = jsonschema.Draft202012Validator(schema("transcript-lines.schema.json"))
    lines = [json.loads(line) for line in golden.documents()["transcript.jsonl"].splitlines()]
    for line in lines:
        validator.validate(line)
    assert [line["type"] for line in lines].count("summary") == 1 and lines[-1]["type"] == "summary"
    assert {line["type"] for line in lines} == {"segment", "gap", "seam", "summary"}
    starts = [line.get("start_s", line.get("at_s")) for line in lines[:-1]]
    assert starts == sorted(starts)
    words = [word for line in lines for word in line.get("words", ())]
    assert words == json.loads(golden.documents()["transcript.json"])["words"]


def test_the_golden_document_keeps_the_schema() -> None:
    jsonschema.validate(json.loads(golden.documents()["transcript.json"]), schema("transcript.schema.json"))


def test_the_golden_call_keeps_the_schemas() -> None:
    document = json.loads(golden.documents()["call.json"])
    jsonschema.validate(document, schema("transcript.schema.json"))
    assert [(side["channel"], side["speaker"]) for side in document["channels"]] == [(1, "Agent"), (2, "R&D <Bob>")]
    lines = [json.loads(line) for line in golden.documents()["call.jsonl"].splitlines()]
    for line in lines:
        jsonschema.validate(line, schema("transcript-lines.schema.json"))
    assert [line["type"] for line in lines[-2:]] == ["summary", "summary"]
    starts = [line.get("start_s", line.get("at_s")) for line in lines[:-2]]
    assert starts == sorted(starts)


def test_subtitles_say_who_speaks_and_the_speakers_of_a_call_may_overlap() -> None:
    vtt, srt = golden.documents()["call.vtt"], golden.documents()["call.srt"]
    assert vtt.count("<v Agent>") + vtt.count("<v R&amp;D &lt;Bob&gt;>") == vtt.count("-->")
    assert srt.count("Agent: ") + srt.count("R&D ‹Bob›:") == srt.count("-->")
    starts = re.findall(r"^(\S+) -->", vtt, re.MULTILINE)
    assert starts == sorted(starts)
    assert max(map(len, srt.splitlines())) <= 42


def test_vtt_escapes_markup_and_the_arrow() -> None:
    text = export(heard("<b>R&D</b>", "-->"), Format.VTT, target="embedded")
    assert "&lt;b&gt;R&amp;D&lt;/b&gt; --&gt;" in text and text.count("-->") == 1


def test_srt_shows_what_players_would_take_for_markup() -> None:
    text = export(heard("<b>hi</b>", "-->", "{\\an8}"), Format.SRT, target="embedded")
    assert "‹b›hi‹/b› --› {⧵an8}" in text and text.count("-->") == 1


def test_text_keeps_control_characters_and_timestamped_text_shows_them() -> None:
    transcript = heard("a\x1b[31mb")
    assert export(transcript, Format.TXT, target="embedded") == "a\x1b[31mb\n"
    assert export(transcript, Format.TXT, target="embedded", timestamps=True) == "[00:00:00.00] a\ufffd[31mb\n"


@pytest.mark.parametrize("fmt", Format)
def test_half_a_character_of_a_broken_server_can_be_written_in_every_format(fmt: Format) -> None:
    text = export(heard("a\ud83d"), fmt, target="embedded")
    assert text.encode() and ("a\ufffd" in text or "a\\ud83d" in text)


def test_times_beyond_an_hour_and_a_hundred_hours_are_written_out() -> None:
    transcript = Transcript()
    transcript.apply(Words(" late", (Word("late", 3_725.5, 3_726.0),)))
    transcript.apply(Words(" later", (Word("later", 360_000.25, 360_001.0),)))
    transcript.apply(Done(Usage(), 400_000.0))
    assert "01:02:05,500 --> 01:02:06,500" in export(transcript, Format.SRT, target="embedded")
    assert "100:00:00.250 --> 100:00:01.250" in export(transcript, Format.VTT, target="embedded")


def test_words_after_the_last_word_of_what_was_sent_are_shown_in_an_unfinished_transcript() -> None:
    transcript = heard("one", "two", "three.", complete=False)
    assert "00:00:00,000 --> 00:00:01,500\n" in export(transcript, Format.SRT, target="embedded")


ANY = st.text(st.characters(), min_size=1, max_size=30).map(lambda text: "".join(text.split())).filter(bool)


@given(st.lists(ANY, max_size=8), st.sampled_from(Format))
def test_nothing_said_breaks_a_document(words: list[str], fmt: Format) -> None:
    transcript = heard(*words)
    transcript.apply(Opened("m\ud800"))
    text = export(transcript, fmt, target="embedded")
    text.encode()
    if fmt in (Format.JSON, Format.JSONL):
        # Readers that take every Unicode line end for one, as str.splitlines does, see whole lines too.
        documents = [json.loads(line) for line in text.splitlines()]
        assert [word["text"] for document in documents for word in document.get("words", ())] == words
    elif fmt in (Format.SRT, Format.VTT):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]", text)
        # Every arrow is in a time line, and every blank line is between two cues.
        assert text.count("-->") == len(re.findall(r"^\S+ --> \S+$", text, re.MULTILINE))
        blank = [b for a, b in pairwise(text.splitlines()) if not a]
        assert text.count("-->") == len(blank) + (fmt is Format.SRT and bool(words))
