"""Events as JSON Lines: every one of them, and nothing that is not documented."""

from __future__ import annotations

import json
from dataclasses import fields
from importlib import resources
from typing import Any, get_args

import jsonschema
import pytest

from voxctl.errors import ServerFull
from voxctl.events import (
    Done,
    Event,
    Gap,
    Notice,
    Opened,
    Progress,
    Reconnecting,
    Resumed,
    Rotated,
    Seam,
    StreamEnded,
    Tail,
    Usage,
    Word,
    Words,
)
from voxctl.transcript.record import event_line, event_of, failure_line, type_name

SCHEMA: dict[str, Any] = json.loads(
    resources.files("voxctl.transcript").joinpath("events.schema.json").read_text("utf-8")
)
EVENTS: tuple[Event, ...] = (
    Opened("voxtral"),
    Opened("voxtral", "vllm"),
    Words(" of a\x9b", (Word("of", 0.1, 0.2000004), Word("a\x9b", 0.2, 0.2, estimated=True))),
    Tail("hel"),
    Progress(0.08, 2.0, 2.5),
    Resumed(3.5),
    Rotated(180.25),
    Notice("the model was guessed"),
    Reconnecting(2, 0.5, "the server is full"),
    StreamEnded(Usage(3, 4)),
    Seam(3.0, uncertain=True),
    Gap(3.0, 4.5, "lost"),
    Done(Usage(39, 12), 5.0, 0.62),
    Done(Usage(), 0.0, complete=False),
)


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_a_line_keeps_the_schema_of_its_event(event: Event) -> None:
    line = event_line(event, 1.23456)
    assert line.endswith("\n") and len(line.splitlines()) == 1 and "\x9b" not in line
    parsed = json.loads(line)
    jsonschema.validate(parsed, SCHEMA)
    name = type(event).__name__
    jsonschema.validate(parsed, {"$ref": f"#/$defs/{name}", "$defs": SCHEMA["$defs"]})
    assert parsed["elapsed_s"] == 1.235


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_a_line_can_be_read_back(event: Event) -> None:
    again = event_of(json.loads(event_line(event, 0.0)))
    assert type(again) is type(event) and event_line(again, 0.0) == event_line(event, 0.0)


def test_a_line_of_another_kind_holds_no_event() -> None:
    assert event_of({"type": "failed"}) is None and event_of({}) is None


@pytest.mark.parametrize("kind", get_args(Event), ids=lambda kind: kind.__name__)
def test_every_event_and_every_field_is_documented(kind: type[Event]) -> None:
    assert kind in {type(event) for event in EVENTS}, f"add a {kind.__name__} to EVENTS"
    definition = SCHEMA["$defs"].get(kind.__name__)
    assert definition, f"describe {kind.__name__} in events.schema.json"
    assert {"$ref": f"#/$defs/{kind.__name__}"} in SCHEMA["oneOf"]
    names = ["type", "elapsed_s", "source", "channel", *(field.name for field in fields(kind))]
    assert list(definition["properties"]) == names == definition["required"]
    assert definition["properties"]["type"] == {"const": type_name(kind)}


def test_nothing_is_documented_that_does_not_happen() -> None:
    documented = {entry["$ref"].rsplit("/", 1)[1] for entry in SCHEMA["oneOf"]}
    assert documented == {kind.__name__ for kind in get_args(Event)} | {"Failed"}


def test_a_failure_is_a_line_too() -> None:
    line = json.loads(
        failure_line(ServerFull("every stream is taken", code="server_full", hint="wait"), 2.0, channel=2)
    )
    jsonschema.validate(line, SCHEMA)
    assert line["type"] == "failed" and line["error"] == "server_full" and line["exit_code"] == 4
    assert line["message"] == "every stream is taken" and line["channel"] == 2 and line["source"] is None


def test_words_and_times_are_written_out() -> None:
    parsed = json.loads(event_line(EVENTS[2], 0))
    assert parsed["type"] == "words" and parsed["text"] == " of a\x9b"
    assert parsed["words"][0] == {"text": "of", "start_s": 0.1, "end_s": 0.2, "estimated": False}
    assert json.loads(event_line(StreamEnded(Usage(3, 4)), 0))["type"] == "stream_ended"
