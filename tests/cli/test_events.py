"""`--events FILE`: what happens, a line each, while it happens."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.cli.program import CLIP, SHORT, run, shown_error, started
from tests.fakes.lawful import LawfulServer

#: Each starts processes for seconds: too long for `make test`.
pytestmark = pytest.mark.real

SCHEMA = jsonschema.Draft202012Validator(
    json.loads(resources.files("voxctl.transcript").joinpath("events.schema.json").read_text("utf-8"))
)


def lines_of(path: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for line in lines:
        SCHEMA.validate(line)
    return lines


async def test_every_event_is_a_line_and_the_words_are_the_transcript(tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    async with LawfulServer().on_a_port() as url:
        done = await run("transcribe", CLIP, "--url", url, "--no-resume", "--format", "json", "--events", events)
    lines = lines_of(events)
    assert done.code == 0 and lines[0]["type"] == "opened" and lines[-1]["type"] == "done"
    assert "".join(line["text"] for line in lines if line["type"] == "words") == json.loads(done.out)["text"]
    assert {line["source"] for line in lines} == {str(CLIP)}
    elapsed = [line["elapsed_s"] for line in lines]
    assert elapsed == sorted(elapsed)


async def test_the_lines_are_there_while_it_runs(tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    async with (
        LawfulServer(silent_after=40).on_a_port() as url,
        started("transcribe", CLIP, "--url", url, "--no-resume", "--events", events) as program,
    ):
        await program.read_until("w36")
        assert "".join(line["text"] for line in lines_of(events) if line["type"] == "words").endswith("w36")
        program.process.send_signal(signal.SIGKILL)
        await program.process.wait()
    assert lines_of(events), "what was written is whole lines, whatever ends the program"


async def test_each_input_has_its_lines_and_a_failure_is_one(tmp_path: Path) -> None:
    second = tmp_path / "second.wav"
    second.write_bytes(CLIP.read_bytes())
    events = tmp_path / "events.jsonl"
    async with LawfulServer(ends_after=40).on_a_port() as url:
        done = await run("transcribe", CLIP, second, "--url", url, "--no-resume", "--events", events)
    failed = [line for line in lines_of(events) if line["type"] == "failed"]
    assert done.code == 4 and [line["source"] for line in failed] == [str(CLIP), str(second)]
    assert failed[0]["error"] == "context_full" and failed[0]["exit_code"] == 4 and failed[0]["hint"]


async def test_a_named_pipe_can_be_followed(tmp_path: Path) -> None:
    pipe = tmp_path / "events"
    os.mkfifo(pipe)
    reading = asyncio.create_task(asyncio.to_thread(pipe.read_text, "utf-8"))
    done = await run("transcribe", SHORT, "--events", pipe)
    assert done.code == 0 and json.loads((await reading).splitlines()[-1])["type"] == "done"


async def test_a_reader_that_goes_away_costs_no_word_and_is_said(tmp_path: Path) -> None:
    pipe, target = tmp_path / "events", tmp_path / "talk.txt"
    os.mkfifo(pipe)

    def read_a_little() -> bytes:
        with pipe.open("rb") as reader:
            return reader.read(200)

    reading = asyncio.create_task(asyncio.to_thread(read_a_little))
    done = await run("transcribe", SHORT, "--events", pipe, "-o", target)
    assert len(await reading) == 200
    assert done.code == 6 and "--events" in shown_error(done)[0] and len(target.read_text("utf-8").split()) > 4


async def test_events_and_transcript_are_not_mixed() -> None:
    done = await run("transcribe", SHORT, "--events", "-")
    assert done.code == 2 and "both go to stdout" in shown_error(done)[0]


async def test_a_file_keeps_its_mode_and_is_begun_anew(tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    events.write_text("old\n" * 100_000)
    events.chmod(0o600)
    async with LawfulServer().on_a_port() as url:
        assert (await run("transcribe", CLIP, "--url", url, "--no-resume", "--events", events)).code == 0
    assert lines_of(events) and events.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("kind", ["input", "link", "folder", "missing", "output", "empty"])
async def test_a_place_that_is_none_is_refused_before_anything_is_heard(tmp_path: Path, kind: str) -> None:
    sound, target = tmp_path / "talk.wav", tmp_path / "talk.srt"
    sound.write_bytes(CLIP.read_bytes())
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    places = {
        "input": (str(sound), "is an input"),
        "link": (str(link), "is a symbolic link"),
        "folder": (str(tmp_path), "is a folder"),
        "missing": (str(tmp_path / "no" / "events"), "does not exist"),
        "output": (str(target), "gets the transcript"),
        "empty": ("", "--events is empty"),
    }
    place, message = places[kind]
    done = await run("transcribe", sound, "--format", "srt", "--output", target, "--events", place)
    told, hint = shown_error(done)
    assert done.code == 2 and message in told and done.took_s < 20
    assert "--output" not in hint, "the hint names the option that was wrong"
    assert sound.read_bytes() == CLIP.read_bytes() and not target.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device on this system")
async def test_a_full_disk_is_said_and_the_transcript_so_far_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "talk.txt"
    done = await run("transcribe", SHORT, "--events", "/dev/full", "--output", target)
    assert done.code == 6 and "--events could not be written" in shown_error(done)[0]
