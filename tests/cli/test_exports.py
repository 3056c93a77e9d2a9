"""`voxctl transcribe --format … --output …`, from the command line to the files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.program import CLIP, run, shown_error
from tests.fakes.lawful import LawfulServer


@pytest.mark.parametrize(
    ("arguments", "start"),
    [
        (["--format", "srt"], "1\n00:00:00,"),
        (["--format", "vtt"], "WEBVTT\n\n00:00:00."),
        (["--format", "jsonl"], '{"type":"segment",'),
        (["--timestamps"], "[00:00:00."),
    ],
)
async def test_every_format_can_go_to_stdout(arguments: list[str], start: str) -> None:
    done = await run("transcribe", CLIP, *arguments)
    assert done.code == 0 and done.out.replace('": ', '":').replace(", ", ",").startswith(start.replace(", ", ","))
    assert "himself" in done.out and done.out.endswith("\n")


async def test_a_folder_gets_a_document_for_each_good_input(tmp_path: Path) -> None:
    inputs = [tmp_path / f"{name}.wav" for name in ("one", "two", "bad")]
    for path in inputs[:2]:
        path.write_bytes(CLIP.read_bytes()[:96_000])
    inputs[2].write_bytes(b"no sound")
    done = await run("transcribe", *inputs, "--format", "srt", "--output", tmp_path / "out")
    assert done.code == 3 and done.out == "" and "bad.wav is not audio" in done.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["one.srt", "two.srt"]


async def test_a_file_gets_the_document_and_stdout_nothing(tmp_path: Path) -> None:
    target = tmp_path / "talk.json"
    done = await run("transcribe", CLIP, "--format", "json", "-o", target)
    document = json.loads(target.read_text("utf-8"))
    assert done.code == 0 and done.out == "" and str(target) in done.err
    assert document["complete"] and document["source"].endswith("sense-and-sensibility.wav")


async def test_an_input_is_never_written_over(tmp_path: Path) -> None:
    sound = tmp_path / "talk.txt"
    sound.write_bytes(CLIP.read_bytes())
    done = await run("transcribe", sound, "--output", sound)
    assert done.code == 2 and "never written over" in shown_error(done)[0]
    assert sound.read_bytes() == CLIP.read_bytes()


async def test_what_was_heard_before_a_failure_is_written_and_says_so(tmp_path: Path) -> None:
    target = tmp_path / "talk.json"
    async with LawfulServer(ends_after=40).on_a_port() as url:
        done = await run("transcribe", CLIP, "--url", url, "--format", "json", "-o", target)
    document = json.loads(target.read_text("utf-8"))
    assert done.code == 4 and document["complete"] is False and len(document["words"]) == 14


async def test_timestamps_are_for_text_only() -> None:
    done = await run("transcribe", CLIP, "--format", "srt", "--timestamps")
    assert done.code == 2 and "--timestamps is for --format txt" in shown_error(done)[0]
