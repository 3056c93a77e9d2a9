"""`voxctl transcribe` as a person runs it, on the recogniser that comes with it."""

from __future__ import annotations

import asyncio
import json
import os
import select
import shlex
import signal
import subprocess
import time
from importlib import resources
from itertools import pairwise
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import soundfile

from tests.cli.program import CLIP, REPOSITORY, SHORT, VOXCTL, Run, run, shown_error, started
from tests.fakes.lawful import LawfulServer

WORDS = "had he married a more amiable woman"
SHORT_WORDS = "he was not an"


async def test_text_goes_to_stdout_and_everything_else_to_stderr() -> None:
    done = await run("transcribe", CLIP)
    assert done.code == 0
    assert done.out.startswith(WORDS) and done.out.endswith(" himself\n") and done.out.count("\n") == 1
    note, summary = done.err.splitlines()  # and nothing of a whole file being cut short
    assert "low-accuracy" in note and "--url" in note
    assert "9.3 s of audio" in summary and "confidence 0." in summary


async def test_words_are_written_while_the_sound_still_plays() -> None:
    async with started("transcribe", CLIP, "--speed", "4") as program:
        done = await program.end()
    with_text = [at_s for at_s, text in program.writes if text.strip()]
    last_s = with_text[-1]
    assert done.code == 0 and len(with_text) > 5
    # At 4x the clip plays for 2.3 s; its first words are out more than a second before its last.
    assert last_s - with_text[0] > 1.0


@pytest.mark.real
async def test_the_json_document_is_all_of_stdout_and_keeps_its_schema() -> None:
    done = await run("transcribe", CLIP, "--format", "json")
    document = json.loads(done.out)
    schema = json.loads(resources.files("voxctl.transcript").joinpath("transcript.schema.json").read_text("utf-8"))
    jsonschema.validate(document, schema)
    assert done.code == 0 and done.out.count("\n") == 1
    assert " ".join(word["text"] for word in document["words"]) == document["text"]
    assert document["complete"] and document["target"] == "embedded" and document["audio_s"] == 9.34
    times = [t for word in document["words"] for t in (word["start_s"], word["end_s"])]
    assert all(a <= b for a, b in pairwise(times)) and times[0] >= 0 and times[-1] <= 9.34
    assert document["usage"]["completion_tokens"] == (149_440 - 40) // 1280 + 11


@pytest.mark.real
async def test_several_files_are_several_lines_in_order(tmp_path: Path) -> None:
    other = tmp_path / "a name with 'quotes' and\na new line.wav"
    other.write_bytes(SHORT.read_bytes())
    done = await run("transcribe", SHORT, other)
    first, second = done.out.splitlines()
    assert done.code == 0 and first == second and first.startswith(SHORT_WORDS)
    assert "ill-disposed.wav" in done.err and "new line.wav" in done.err
    assert all(line for line in done.err.splitlines())


@pytest.mark.real
async def test_several_documents_are_a_line_each() -> None:
    done = await run("transcribe", SHORT, SHORT, "--format", "json")
    texts = [json.loads(line)["text"] for line in done.out.splitlines()]
    assert len(texts) == 2 and texts[0] == texts[1]


@pytest.mark.real
async def test_standard_input_is_a_file_like_any_other() -> None:
    with CLIP.open("rb") as clip:
        async with started("transcribe", "-", stdin=clip.fileno()) as program:
            done = await program.end()
    assert done.code == 0 and done.out.startswith(WORDS)


@pytest.mark.real
async def test_words_of_a_live_pipe_come_before_it_ends() -> None:
    sound = CLIP.read_bytes()
    async with started("transcribe", "-", stdin=asyncio.subprocess.PIPE) as program:
        stdin = program.process.stdin
        assert stdin
        stdin.write(sound[: len(sound) // 2])
        await stdin.drain()
        await asyncio.wait_for(program.read_until("had he married"), 30)
        stdin.write(sound[len(sound) // 2 :])
        stdin.close()
        done = await program.end()
    assert done.code == 0 and done.out.endswith("himself\n")


@pytest.mark.real
async def test_a_pipe_that_closes_early_gives_what_came() -> None:
    async with started("transcribe", "-", stdin=asyncio.subprocess.PIPE) as program:
        assert program.process.stdin
        program.process.stdin.write(CLIP.read_bytes()[:128_000])
        program.process.stdin.close()
        done = await program.end()
    assert done.code == 0 and done.out.startswith("had he married")


async def bad(tmp_path: Path, kind: str) -> Run:
    path = tmp_path / "sound.wav"
    match kind:
        case "empty":
            path.touch()
        case "garbage":
            path.write_bytes(os.urandom(4096))
        case "header only":
            path.write_bytes(CLIP.read_bytes()[:44])
        case "folder":
            path.mkdir()
    return await run("transcribe", path.name, cwd=tmp_path)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "no such file: sound.wav"),
        ("empty", "sound.wav is empty (0 bytes)"),
        ("garbage", "sound.wav is not audio in a known format"),
        ("header only", "sound.wav has a header but no sound in it"),
        ("folder", "sound.wav is a folder, not an audio file"),
    ],
)
async def test_bad_input_is_two_lines_and_exit_code_3(tmp_path: Path, kind: str, message: str) -> None:
    done = await bad(tmp_path, kind)
    assert done.code == 3 and done.out == ""
    assert shown_error(done)[0] == message
    assert len(done.err.splitlines()) == 2 and done.took_s < 10


@pytest.mark.real
async def test_a_bad_file_among_good_ones_is_said_first_and_does_not_stop_them() -> None:
    done = await run("transcribe", SHORT, "missing.wav", SHORT)
    assert done.code == 3 and len(done.out.splitlines()) == 2
    assert done.err.startswith("error: no such file: missing.wav\n  try: ")


async def test_nothing_is_started_when_all_files_are_bad() -> None:
    done = await run("transcribe", "missing.wav", "also-missing.wav", "--url", "ws://127.0.0.1:1")
    assert done.code == 3 and done.out == "" and done.err.count("error: ") == 2


async def test_a_bad_file_is_found_before_a_server_is_asked() -> None:
    done = await run("transcribe", "missing.wav", "--url", "ws://127.0.0.1:1")
    assert done.code == 3


@pytest.mark.real
async def test_a_truncated_file_gives_what_is_there_and_exits_6(tmp_path: Path) -> None:
    path = tmp_path / "short.wav"
    path.write_bytes(CLIP.read_bytes()[:160_001])
    done = await run("transcribe", path)
    assert done.code == 6 and done.out.startswith(WORDS) and "5.0 s of audio" in done.err
    assert "short.wav is cut short: 138 kB that its header promises are missing" in shown_error(done)[0]


@pytest.mark.real
async def test_a_header_that_promises_a_little_more_is_no_matter(tmp_path: Path) -> None:
    path = tmp_path / "odd.wav"
    path.write_bytes(SHORT.read_bytes()[:-1_990])
    done = await run("transcribe", path)
    assert done.code == 0 and "cut short" not in done.err


def damaged_flac(path: Path) -> Path:
    """Write the clip twice over, with one wrong byte after the middle."""
    soundfile.write(path, np.tile(soundfile.read(CLIP, dtype="int16")[0], 2), 16_000)
    data = bytearray(path.read_bytes())
    data[len(data) * 2 // 3] ^= 0xFF
    path.write_bytes(data)
    return path


@pytest.mark.real
async def test_a_file_damaged_in_the_middle_keeps_its_words_and_exits_3(tmp_path: Path) -> None:
    done = await run("transcribe", damaged_flac(tmp_path / "broken.flac"))
    assert done.code == 3 and done.out.startswith(WORDS) and done.out.endswith("\n")
    assert "cannot be read past 1" in shown_error(done)[0]


@pytest.mark.real
async def test_a_damaged_file_does_not_stop_the_others(tmp_path: Path) -> None:
    done = await run("transcribe", damaged_flac(tmp_path / "broken.flac"), SHORT)
    first, second = done.out.splitlines()
    assert done.code == 3 and first.startswith(WORDS) and second.startswith(SHORT_WORDS)
    assert "error: " in done.err and "cannot be read past 1" in done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--speed", "fast"], "--speed takes max"),
        (["--url", "ws://a..b:80"], "ws://127.0.0.1:8000"),
        (["--speed", "0"], "--speed takes max"),
        (["--speed", "2", "--realtime"], "--realtime means"),
        (["--url", "ftp://x"], "ws://127.0.0.1:8000"),
        (["--chunk-ms", "5"], "--chunk-ms"),
        (["--format", "xml"], "txt"),
        (["-", "-"], "standard input"),
        (["--no-such-option"], "No such option"),
    ],
)
async def test_what_cannot_be_meant_is_exit_code_2(arguments: list[str], words: str) -> None:
    done = await run("transcribe", CLIP, *arguments)
    assert done.code == 2 and done.out == "" and words in done.err


async def test_ctrl_c_once_finishes_with_what_was_heard() -> None:
    async with started("transcribe", CLIP, "--realtime") as program:
        await program.read_until("had")
        program.process.send_signal(signal.SIGINT)
        done = await program.end()
    assert done.code == 130
    assert done.out.startswith("had he") and done.out.endswith("\n") and "himself" not in done.out
    assert "finishing with what was heard" in done.err and done.took_s < 10


@pytest.mark.real
async def test_ctrl_c_once_with_json_still_gives_a_whole_document() -> None:
    async with started("transcribe", CLIP, "--realtime", "--format", "json") as program:
        await program.say_until("low-accuracy")
        await asyncio.sleep(2.5)
        program.process.send_signal(signal.SIGINT)
        done = await program.end()
    document = json.loads(done.out)
    assert done.code == 130 and document["text"].startswith("had") and document["audio_s"] < 9
    assert document["complete"] is False


async def test_ctrl_c_twice_leaves_at_once() -> None:
    # A server that never says done: there is nothing else that would end it soon.
    async with (
        LawfulServer(silent_after=20).on_a_port() as url,
        started("transcribe", CLIP, "--url", url, "--realtime") as program,
    ):
        await program.read_until("w0")
        program.process.send_signal(signal.SIGINT)
        await program.say_until("finishing")
        program.process.send_signal(signal.SIGINT)
        pressed_s = time.monotonic()
        done = await asyncio.wait_for(program.end(), 10)
    assert done.code == 130 and "Traceback" not in done.err
    assert time.monotonic() - pressed_s < 3


@pytest.mark.real
@pytest.mark.parametrize("wait_s", [0.0, 1.5])
async def test_ctrl_c_twice_leaves_though_nobody_reads_what_is_written(wait_s: float) -> None:
    unread, writing = os.pipe()
    async with LawfulServer(speak=lambda i: " " + "x" * 5000).on_a_port() as url:
        command = [*VOXCTL, "transcribe", str(CLIP), "--url", url]
        process = await asyncio.create_subprocess_exec(
            *command, stdin=subprocess.DEVNULL, stdout=writing, stderr=subprocess.DEVNULL, cwd=REPOSITORY
        )
        await asyncio.to_thread(select.select, [unread], [], [], 30)
        await asyncio.sleep(wait_s)  # soon after its first words the pipe is full, and the program hangs in its write
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            await asyncio.sleep(0.3)
        assert await asyncio.wait_for(process.wait(), 10) == 130
    os.close(unread)
    os.close(writing)


@pytest.mark.parametrize("after_s", [0.05, 0.15, 0.25, 0.4])
@pytest.mark.real
async def test_ctrl_c_while_it_is_starting_shows_no_traceback_of_ours(after_s: float) -> None:
    async with started("transcribe", CLIP, "--realtime") as program:
        await asyncio.sleep(after_s)
        program.process.send_signal(signal.SIGINT)
        done = await asyncio.wait_for(program.end(), 10)
    # Before it runs any of our code Python ends in ways of its own.
    assert done.code == 130 or "voxctl/cli" not in done.err


def shell(command: str) -> subprocess.CompletedProcess[str]:
    """Run a command line in which voxctl stands for this program."""
    line = command.replace("voxctl", shlex.join(VOXCTL)).replace("CLIP", shlex.quote(str(SHORT)))
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=50, check=False, cwd=REPOSITORY)


@pytest.mark.real
def test_a_full_disk_is_said_and_is_no_bug_of_ours() -> None:
    for command in ("voxctl transcribe CLIP > /dev/full", "voxctl --help > /dev/full"):
        done = shell(command)
        assert done.returncode == 6 and "error: standard output cannot be written" in done.stderr, command
        assert "Traceback" not in done.stderr


def test_a_closed_stdout_is_said() -> None:
    done = shell("voxctl transcribe CLIP >&-")
    assert done.returncode == 6 and "standard output is closed" in done.stderr


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
@pytest.mark.real
def test_a_closed_or_full_stderr_costs_no_word(redirection: str) -> None:
    done = shell(f"voxctl transcribe CLIP {redirection}")
    assert done.returncode == 0 and done.stdout.startswith(SHORT_WORDS)


def test_help_into_a_closed_pipe_ends_quietly() -> None:
    done = shell('voxctl --help | head -c 1 > /dev/null; echo "${PIPESTATUS[0]}"')
    assert done.stdout.strip() == "0" and done.stderr == ""


@pytest.mark.real
async def test_ctrl_c_before_there_is_anything_to_keep_leaves() -> None:
    async with started("transcribe", "-", stdin=asyncio.subprocess.PIPE) as program:
        waiting = await asyncio.wait_for(program.say_until("waiting"), 20)
        assert waiting.startswith("waiting for sound from standard input")
        program.process.send_signal(signal.SIGINT)
        done = await asyncio.wait_for(program.end(), 10)
    assert done.code == 130 and "Traceback" not in done.err


@pytest.mark.real
async def test_a_named_pipe_without_a_writer_is_said_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    async with started("transcribe", pipe, "--url", "ws://127.0.0.1:9", "--no-resume") as program:
        await asyncio.wait_for(program.say_until(f"waiting for sound from {pipe}"), 20)
        pipe.write_bytes(SHORT.read_bytes())
        done = await asyncio.wait_for(program.end(), 20)
    assert done.code == 4 and "waiting" not in done.err


@pytest.mark.real
def test_a_reader_that_has_seen_enough_ends_it_quietly() -> None:
    shell = f'{shlex.join([*VOXCTL, "transcribe", str(SHORT), str(SHORT)])} | head -c 3; echo " ${{PIPESTATUS[0]}}"'
    done = subprocess.run(
        ["bash", "-c", shell], capture_output=True, text=True, timeout=50, check=False, cwd=REPOSITORY
    )
    assert done.stdout.strip() == "he  0"
    assert "Traceback" not in done.stderr and "Broken pipe" not in done.stderr
