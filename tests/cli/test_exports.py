"""`voxctl transcribe --format … --output …`, from the command line to the files."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import pytest

from tests.cli.program import CLIP, SHORT, run, shown_error, started
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
    done = await run("transcribe", SHORT, *arguments)
    assert done.code == 0 and done.out.replace('": ', '":').replace(", ", ",").startswith(start.replace(", ", ","))
    assert len(done.out.split()) > 8 and done.out.endswith("\n")


async def test_a_folder_gets_a_document_for_each_good_input(tmp_path: Path) -> None:
    inputs = [tmp_path / f"{name}.wav" for name in ("one", "two", "bad")]
    for path in inputs[:2]:
        path.write_bytes(CLIP.read_bytes()[:96_000])
    inputs[2].write_bytes(b"no sound")
    done = await run("transcribe", *inputs, "--format", "srt", "--output", tmp_path / "out")
    assert done.code == 3 and done.out == "" and "bad.wav is not audio" in done.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["one.srt", "two.srt"]


def fifty(folder: Path) -> list[Path]:
    inputs = [folder / f"{number:02}.wav" for number in range(50)]
    for path in inputs:
        path.write_bytes(CLIP.read_bytes()[:64_044])
    inputs[20].write_bytes(b"no sound")
    return inputs


async def test_one_bad_file_of_fifty_is_reported_and_the_others_are_written(tmp_path: Path) -> None:
    inputs, out = fifty(tmp_path), tmp_path / "out"
    async with LawfulServer().on_a_port() as url:
        done = await run("transcribe", *inputs, "--url", url, "--no-resume", "--format", "srt", "--output", out)
    assert done.code == 3 and done.err.count("error:") == 1 and "20.wav is not audio" in done.err
    assert sorted(path.stem for path in out.iterdir()) == [path.stem for path in inputs if path.stem != "20"]
    assert len({path.read_text("utf-8") for path in out.iterdir()}) == 1, "every document is whole"


async def test_ctrl_c_in_the_middle_of_fifty_leaves_only_whole_files(tmp_path: Path) -> None:
    inputs, out = fifty(tmp_path), tmp_path / "out"
    async with (
        LawfulServer(tick_pause_s=0.01).on_a_port() as url,
        started("transcribe", *inputs, "--url", url, "--no-resume", "--format", "srt", "--output", out) as program,
    ):
        await program.say_until("03.srt")
        program.process.send_signal(signal.SIGINT)
        done = await asyncio.wait_for(program.end(), 20)
    assert done.code == 130
    *whole, last = sorted(out.iterdir())
    assert 3 <= len(whole) < 40 and all(path.suffix == ".srt" for path in (*whole, last))
    assert len({path.read_text("utf-8") for path in whole}) == 1
    assert last.read_text("utf-8").startswith("1\n00:00:00,"), "that in progress holds what was heard"


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
        done = await run("transcribe", CLIP, "--url", url, "--no-resume", "--format", "json", "-o", target)
    document = json.loads(target.read_text("utf-8"))
    assert done.code == 4 and document["complete"] is False and len(document["words"]) == 14


async def test_timestamps_are_for_text_only() -> None:
    done = await run("transcribe", CLIP, "--format", "srt", "--timestamps")
    assert done.code == 2 and "--timestamps is for --format txt" in shown_error(done)[0]
