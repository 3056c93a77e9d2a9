"""`voxctl transcribe --format … --output …`, from the command line to the files."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import pytest
import soundfile

from tests.cli.program import CLIP, SHORT, run, run_here, shown_error, started
from tests.fakes.lawful import LawfulServer
from voxctl.cli.parsing import format_named_by


@pytest.mark.parametrize(
    ("arguments", "start"),
    [
        (["--format", "srt"], "1\n00:00:00,"),
        (["--format", "vtt"], "WEBVTT\n\n00:00:00."),
        (["--format", "jsonl"], '{"type":"segment",'),
        (["--timestamps"], "[00:00:00."),
    ],
)
@pytest.mark.real
async def test_every_format_can_go_to_stdout(arguments: list[str], start: str) -> None:
    done = await run("transcribe", SHORT, *arguments)
    assert done.code == 0 and done.out.replace('": ', '":').replace(", ", ",").startswith(start.replace(", ", ","))
    assert len(done.out.split()) > 8 and done.out.endswith("\n")


@pytest.mark.real
async def test_a_folder_gets_a_document_for_each_good_input(tmp_path: Path) -> None:
    inputs = [tmp_path / f"{name}.wav" for name in ("one", "two", "bad")]
    for path in inputs[:2]:
        beginning(path, 48_000)
    inputs[2].write_bytes(b"no sound")
    done = await run("transcribe", *inputs, "--format", "srt", "--output", tmp_path / "out")
    assert done.code == 3 and done.out == "" and "bad.wav is not audio" in done.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["one.srt", "two.srt"]


def beginning(path: Path, n_samples: int) -> None:
    soundfile.write(path, soundfile.read(CLIP, dtype="int16")[0][:n_samples], 16_000)


def fifty(folder: Path) -> list[Path]:
    inputs = [folder / f"{number:02}.wav" for number in range(50)]
    beginning(inputs[0], 32_000)
    for path in inputs[1:]:
        path.write_bytes(inputs[0].read_bytes())
    inputs[20].write_bytes(b"no sound")
    return inputs


async def test_one_bad_file_of_fifty_is_reported_and_the_others_are_written(tmp_path: Path) -> None:
    inputs, out = fifty(tmp_path), tmp_path / "out"
    async with LawfulServer().on_a_port() as url:
        done = await run("transcribe", *inputs, "--url", url, "--no-resume", "--format", "srt", "--output", out)
    assert done.code == 3 and done.err.count("error:") == 1 and "20.wav is not audio" in done.err
    assert sorted(path.stem for path in out.iterdir()) == [path.stem for path in inputs if path.stem != "20"]
    assert len({path.read_text("utf-8") for path in out.iterdir()}) == 1, "every document is whole"


@pytest.mark.real
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


@pytest.mark.real
async def test_a_file_gets_the_document_that_its_suffix_names_and_stdout_nothing(tmp_path: Path) -> None:
    target = tmp_path / "talk.json"
    done = await run("transcribe", CLIP, "-o", target)
    document = json.loads(target.read_text("utf-8"))
    assert done.code == 0 and done.out == "" and str(target) in done.err
    assert document["complete"] and document["source"].endswith("sense-and-sensibility.wav")


@pytest.mark.parametrize(
    ("output", "form"),
    [("a.srt", "srt"), ("x/A.VTT", "vtt"), ("a.b.jsonl", "jsonl"), ("a.txt", "txt")]
    + [(name, None) for name in ("a.md", "a", ".srt", "a.srt/", "there.srt", "", "-", "/dev/stdout")],
)
def test_a_suffix_names_a_format_and_a_folder_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str, form: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.srt").mkdir()
    assert format_named_by(output) == form


@pytest.mark.real
async def test_a_typed_suffix_is_nearer_than_timestamps_in_a_file_and_no_format_is_taken_from_it_that_is_there(
    tmp_path: Path,
) -> None:
    (tmp_path / "voxctl.toml").write_text("timestamps = true")
    async with LawfulServer().on_a_port() as url:
        done = await run("transcribe", SHORT, "--url", url, "-o", "talk.srt", cwd=tmp_path)
        assert done.code == 0 and (tmp_path / "talk.srt").read_text("utf-8").startswith("1\n00:00:00,"), done.err
        (tmp_path / "voxctl.toml").write_text('format = "json"')
        done = await run("transcribe", SHORT, "--url", url, "-o", "talk.srt", cwd=tmp_path)
    assert done.code == 0 and json.loads((tmp_path / "talk.srt").read_text("utf-8"))["complete"]


def test_a_suffix_and_a_format_that_were_both_typed_must_agree(tmp_path: Path) -> None:
    done = run_here("transcribe", SHORT, "-o", "talk.srt", "--format", "json", cwd=tmp_path)
    assert done.code == 2 and shown_error(done) == (
        "--format json and --output talk.srt contradict each other",
        "leave --format out for srt, or give the file another suffix.",
    )
    both = run_here("transcribe", SHORT, "-o", "talk.srt", "--timestamps", cwd=tmp_path)
    assert both.code == 2 and shown_error(both)[0] == "--timestamps is for --format txt, and this is srt"
    assert not list(tmp_path.iterdir())


async def test_an_input_is_never_written_over(tmp_path: Path) -> None:
    sound = tmp_path / "talk.txt"
    sound.write_bytes(CLIP.read_bytes())
    done = await run("transcribe", sound, "--output", sound)
    assert done.code == 2 and "never written over" in shown_error(done)[0]
    assert sound.read_bytes() == CLIP.read_bytes()


async def test_what_was_heard_before_a_failure_is_written_beside_an_older_document(tmp_path: Path) -> None:
    target, partial = tmp_path / "talk.json", tmp_path / "talk.partial.json"
    target.write_text("all of it")
    target.chmod(0o600)
    async with LawfulServer(ends_after=40).on_a_port() as url:
        done = await run("transcribe", CLIP, "--url", url, "--no-resume", "-o", target)
    document = json.loads(partial.read_text("utf-8"))
    assert done.code == 4 and document["complete"] is False and len(document["words"]) == 14
    assert target.read_text() == "all of it" and partial.stat().st_mode & 0o777 == 0o600
    assert f"wrote {partial}; {target} stays as it was" in done.err


def test_timestamps_are_for_text_only(tmp_path: Path) -> None:
    done = run_here("transcribe", CLIP, "--format", "srt", "--timestamps", cwd=tmp_path)
    message, hint = shown_error(done)
    assert done.code == 2 and "--timestamps is for --format txt" in message and "srt has times of its own" in hint


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["-o", "no/x.srt"], "the folder no does not exist", "run: mkdir -p no"),
        (["-o", "no/such/"], "no/such: the folder no does not exist", "run: mkdir -p no"),
        (["--events", "there"], "--events there is a folder", "name a file in it: --events there/events.jsonl"),
    ],
)
def test_a_folder_in_the_wrong_place_is_named_once(
    tmp_path: Path, arguments: list[str], message: str, hint: str
) -> None:
    (tmp_path / "there").mkdir()
    done = run_here("transcribe", SHORT, *arguments, cwd=tmp_path)
    assert done.code == 2 and shown_error(done) == (message, hint)
