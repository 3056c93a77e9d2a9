"""Words folded into segments, and the document."""

from __future__ import annotations

import json
from importlib import resources
from itertools import pairwise
from typing import Any

import jsonschema
from hypothesis import given
from hypothesis import strategies as st

from voxctl.events import Done, Gap, Opened, Progress, Seam, Usage, Word, Words
from voxctl.transcript.export import export_json
from voxctl.transcript.transcript import SEGMENT_MOST_S, Transcript


def said(text: str, start_s: float, end_s: float) -> Words:
    return Words(text, (Word(text.strip(), start_s, end_s),))


def folded(*events: Words) -> Transcript:
    transcript = Transcript()
    for event in events:
        transcript.apply(event)
    return transcript


def segments(transcript: Transcript) -> list[tuple[str, float, float]]:
    return [(segment.text, segment.start_s, segment.end_s) for segment in transcript.segments]


def document(transcript: Transcript) -> dict[str, Any]:
    parsed = json.loads(export_json(transcript, target="embedded"))
    assert isinstance(parsed, dict)
    schema = json.loads(resources.files("voxctl.transcript").joinpath("transcript.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(parsed, schema)
    return parsed


def test_words_near_each_other_are_one_segment() -> None:
    transcript = folded(said(" so", 0, 0.3), said(" it", 0.4, 0.6), said(" goes", 0.7, 1.1))
    assert segments(transcript) == [("so it goes", 0, 1.1)]


def test_a_pause_begins_a_segment() -> None:
    transcript = folded(said("one", 0, 0.5), said(" two", 1.4, 1.8))
    assert segments(transcript) == [("one", 0, 0.5), ("two", 1.4, 1.8)]


def test_a_full_stop_ends_a_segment() -> None:
    transcript = folded(said(" Yes.", 0, 0.5), said(" No", 0.5, 0.9))
    assert [segment.text for segment in transcript.segments] == ["Yes.", "No"]


def test_speech_without_a_pause_is_cut_in_time() -> None:
    transcript = folded(*(said(f" w{i}", i * 0.5, i * 0.5 + 0.4) for i in range(100)))
    assert all(s.end_s - s.start_s <= SEGMENT_MOST_S for s in transcript.segments)
    assert len(transcript.segments) == 4


def test_several_words_of_one_event_are_told_apart() -> None:
    both = Words(" of a", (Word("of", 0, 0.2), Word("a", 0.2, 0.2, estimated=True)))
    assert segments(folded(both)) == [("of a", 0, 0.2)]


def test_words_written_without_spaces_stay_so() -> None:
    transcript = folded(said("你", 0, 0.2), said("好", 0.2, 0.4))
    assert transcript.text == "你好" and segments(transcript) == [("你好", 0, 0.4)]


@given(st.lists(st.tuples(st.sampled_from([" a", " b.", "\n c", "  dd", "好"]), st.floats(0, 2)), max_size=30))
def test_segments_hold_every_word_once_and_in_order(parts: list[tuple[str, float]]) -> None:
    transcript, now_s = Transcript(), 0.0
    for text, pause_s in parts:
        start_s = now_s + pause_s
        now_s = start_s + 0.2
        transcript.apply(said(text, start_s, now_s))
    assert "".join(transcript.text.split()) == "".join("".join(s.text.split()) for s in transcript.segments)
    assert all(a.end_s <= b.start_s for a, b in pairwise(transcript.segments))
    assert [word for segment in transcript.segments for word in segment.words] == transcript.words


def test_the_document_keeps_its_schema_from_the_first_moment_to_the_last() -> None:
    transcript = Transcript()
    assert document(transcript)["complete"] is False
    for event in (
        Opened("pocketsphinx", "pocketsphinx"),
        said(" hello\x1b[31m", 0.1, 0.4),
        Progress(0.4, 1.0),
        Seam(0.5, uncertain=True),
        Gap(0.6, 0.8, "the source was too fast"),
        Done(Usage(39, 12), 1.0, 0.62),
    ):
        transcript.apply(event)
        document(transcript)
    last = document(transcript)
    assert last["text"] == " hello\x1b[31m" and last["complete"] is True
    assert last["words"] == [{"text": "hello\x1b[31m", "start_s": 0.1, "end_s": 0.4, "estimated": False}]
    assert last["usage"] == {"prompt_tokens": 39, "completion_tokens": 12}
    assert last["gaps"] and last["seams"] == [{"at_s": 0.5, "uncertain": True}]
    assert (last["confidence"], last["audio_s"], last["model"]) == (0.62, 1.0, "pocketsphinx")


def test_the_audio_of_an_unfinished_transcript_is_what_was_sent() -> None:
    transcript = Transcript()
    for sent_s in (1.0, 2.5):
        transcript.apply(Progress(0.5, sent_s))
    assert document(transcript)["audio_s"] == 2.5


def test_the_document_is_readable_in_every_script() -> None:
    assert '"你好"' in export_json(folded(said("你好", 0, 1)), target="ws://h")


def test_the_document_is_one_line_without_control_characters() -> None:
    text = export_json(folded(said(" a\nb\x1b]0;x\x07", 0, 1)), target="ws://h")
    assert "\n" not in text and "\x1b" not in text and "\x07" not in text
