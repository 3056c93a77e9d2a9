"""`voxctl transcribe --channel all`: both sides of a call, each with its own words."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import soundfile
import soxr

from tests.cli.program import CLIP, SHORT, run, run_here, shown_error
from tests.fakes.lawful import LawfulServer

#: Each starts processes for seconds: too long for `make test`.
pytestmark = pytest.mark.real

OTHER_FROM_S = 2.0


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording as telephone systems make them: 8 kHz mu-law, a side on each channel, the second speaks later."""
    left, right = soundfile.read(CLIP)[0][:72_000], soundfile.read(SHORT)[0]
    begin = int(16_000 * OTHER_FROM_S)
    sides = np.zeros((max(len(left), begin + len(right)), 2))
    sides[: len(left), 0] = left
    sides[begin : begin + len(right), 1] = right
    path = tmp_path_factory.mktemp("call") / "call.wav"
    soundfile.write(path, soxr.resample(sides, 16_000, 8_000), 8_000, subtype="ULAW")
    return path


async def test_a_call_becomes_subtitles_that_say_who_speaks(call: Path, tmp_path: Path) -> None:
    target = tmp_path / "call.vtt"
    names = ["--channel", "all", "--speakers", "Agent, Customer"]
    done = await run("transcribe", call, *names, "--format", "vtt", "--output", target)
    assert done.code == 0, done.err
    cues = re.findall(r"^00:00:(\S+) --> .*\n<v (\w+)>(.*(?:\n.+)?)", target.read_text("utf-8"), re.MULTILINE)
    said = {speaker: " ".join(text for _, who, text in cues if who == speaker) for speaker in ("Agent", "Customer")}
    assert "married" in said["Agent"] and "young" in said["Customer"], "the words of each side are at its own name"
    first = {speaker: min(float(start) for start, who, _ in cues if who == speaker) for speaker in said}
    assert first["Agent"] < 1 and OTHER_FROM_S - 1 < first["Customer"] < OTHER_FROM_S + 2


async def test_the_document_of_a_call_holds_a_transcript_for_each_channel(call: Path, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    done = await run("transcribe", call, "--channel", "all", "--format", "json", "--events", events)
    document = json.loads(done.out)
    schema = json.loads(resources.files("voxctl.transcript").joinpath("transcript.schema.json").read_text("utf-8"))
    jsonschema.validate(document, schema)
    assert document["complete"] and [side["speaker"] for side in document["channels"]] == ["Channel 1", "Channel 2"]
    assert all(side["words"] and side["complete"] for side in document["channels"])
    lines = [json.loads(line) for line in events.read_text("utf-8").splitlines()]
    for side in document["channels"]:
        own = [line for line in lines if line["channel"] == side["channel"]]
        assert "".join(line["text"] for line in own if line["type"] == "words") == side["text"]
        assert own[-1]["type"] == "done"


async def test_on_stdout_every_line_says_who_speaks(call: Path) -> None:
    done = await run("transcribe", call, "--channel", "all")
    assert done.code == 0
    lines = done.out.splitlines()
    assert len(lines) >= 2 and all(line.startswith(("Channel 1: ", "Channel 2: ")) for line in lines), done.out
    assert lines[0].startswith("Channel 1: ") and done.out.endswith("\n") and "\n\n" not in done.out


async def test_a_failure_on_one_channel_ends_the_call_and_keeps_what_was_heard(call: Path) -> None:
    async with LawfulServer(ends_after=40).on_a_port() as url:
        done = await run("transcribe", call, "--channel", "all", "--url", url, "--no-resume", "--format", "json")
    document = json.loads(done.out)
    assert done.code == 4 and "context ended" in shown_error(done)[0]
    assert document["complete"] is False
    assert 14 in [len(side["words"]) for side in document["channels"]]


async def test_one_channel_is_a_call_of_one_side() -> None:
    done = await run("transcribe", CLIP, "--channel", "all", "--speakers", "Narrator")
    assert done.code == 0 and done.out.startswith("Narrator: ")


async def test_a_file_without_a_channel_for_each_name_is_reported_and_the_others_are_transcribed(call: Path) -> None:
    async with LawfulServer().on_a_port() as url:
        names = ["--channel", "all", "--speakers", "Agent,Customer"]
        done = await run("transcribe", SHORT, call, *names, "--url", url, "--no-resume")
    assert done.code == 3 and "has 1 channel, and --speakers names 2" in done.err
    assert "Agent: w0" in done.out and "Customer: w0" in done.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--speakers", "A,B"], "--speakers names the channels of a call"),
        (["--channel", "1", "--speakers", "A"], "--speakers names the channels of a call"),
        (["--channel", "all", "--speakers", "A" * 21], "has 21 characters, and there is room for 20"),
        (["--channel", "all", "--speakers", "A,A"], "--speakers gives two channels one name"),
        (["--channel", "all", "--speakers", "A,"], "--speakers '' is no name"),
        (["--channel", "all", "--speakers", "A,\x1b[2J"], "is no name"),
        (["--channel", "left"], "there is no channel 'left'"),
        (["--channel", "0"], "there is no channel '0'"),
        (["--channel", "-1"], "there is no channel '-1'"),
    ],
)
def test_names_and_numbers_that_fit_no_channel_are_said_at_once(call: Path, arguments: list[str], message: str) -> None:
    done = run_here("transcribe", call, *arguments, cwd=call.parent)
    assert done.code == 2 and message in shown_error(done)[0] and "\x1b" not in done.err
