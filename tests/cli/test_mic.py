"""`voxctl mic` in a real terminal and beside real files; the microphone and the recogniser are scripted."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import termios
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import REPOSITORY, run_here, shown_error
from tests.ui.terminal import Terminal
from voxctl.cli.journal import journal_of

DICTATION = (sys.executable, "-m", "tests.mic.dictation")


@contextmanager
def dictating(*arguments: str | Path, shell: str = "{}") -> Iterator[Terminal]:
    # The shell lives on after Ctrl-C.
    line = "trap : INT; " + shell.format(" ".join(map(str, [*DICTATION, *arguments])))
    terminal = Terminal(["/bin/sh", "-c", line], 60, 12, {})
    try:
        yield terminal
    finally:
        terminal.close()


@contextmanager
def in_the_background(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    command = [*DICTATION, *map(str, arguments)]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def shown(terminal: Terminal) -> str:
    return "\n".join(terminal.everything)


def mode_of(terminal: Terminal) -> list[Any]:
    attributes: list[Any] = termios.tcgetattr(terminal._child.child_fd)
    return attributes


def wait_for(path: Path, text: str, limit_s: float = 15.0) -> str:
    deadline_s = time.monotonic() + limit_s
    while text not in (found := path.read_text("utf-8") if path.exists() else ""):
        assert time.monotonic() < deadline_s, found
        time.sleep(0.02)
    return found


def check_subtitles(text: str) -> list[str]:
    """Check that this is a whole SRT, and return its words."""
    assert text == "" or text.endswith("\n")
    words = []
    for n, cue in enumerate(text.split("\n\n") if text else [], 1):
        number, times, *lines = cue.strip("\n").split("\n")
        assert number == str(n) and re.fullmatch(r"[\d:,]{12} --> [\d:,]{12}", times) and lines
        words += " ".join(lines).split()
    return words


@pytest.mark.real
def test_words_levels_a_pause_and_an_end_in_a_terminal() -> None:
    # The shell has the terminal's state before and after.
    with dictating(shell="stty -g; {}; echo code $?; stty -g; sleep 60") as terminal:
        terminal.wait_until(lambda: "s2c" in shown(terminal))
        assert re.search(r"^● 00:\d\d  ━+─*  lag [\d.]+ s  scripted$", terminal.rows[-1]), terminal.rows
        assert "s1a s1b s1c s1d." in terminal.everything, "a silence ends a line"
        terminal.press(" ")
        terminal.wait_until(lambda: "‖" in terminal.rows[-1] and "paused; space goes on" in terminal.rows[-1])
        terminal.wait_until(lambda: "s2d." in shown(terminal))
        clocks = []
        for _ in range(2):
            until_s = time.monotonic() + 0.7
            terminal.wait_until(lambda until_s=until_s: time.monotonic() > until_s)  # type: ignore[misc]
            clocks.append(terminal.rows[-1][:7])
        assert clocks[0] == clocks[1], "time stands still"
        terminal.press(" ")
        terminal.wait_until(lambda: "s3a" in shown(terminal))
        terminal.press("\x03")
        terminal.wait_until(lambda: "code 0" in shown(terminal) and len(states(terminal)) == 2)
        assert "finishing the sentence" in shown(terminal) and terminal.cursor_visible
        first, last = states(terminal)
        assert first == last


def states(terminal: Terminal) -> list[bytes]:
    """Return the states of the terminal that stty has told, which are longer than a row."""
    return re.findall(rb"^[0-9a-f:]{60,}\r?$", terminal.bytes, re.MULTILINE)


@pytest.mark.real
@pytest.mark.parametrize("ending", ["error", "term", "Ctrl-C twice"])
def test_the_terminal_is_restored_whatever_ends_it(ending: str) -> None:
    arguments = {"error": ["--script", "fails"], "Ctrl-C twice": ["--script", "stalls"]}.get(ending, [])
    with dictating(*arguments, shell="{}; echo code $?; sleep 60") as terminal:
        before = mode_of(terminal)
        terminal.wait_until(lambda: "s1a" in shown(terminal))
        assert mode_of(terminal) != before, "keys come one by one"
        if ending == "term":
            subprocess.run(["pkill", "-TERM", "-P", str(terminal._child.pid)], check=True)
        elif ending == "Ctrl-C twice":
            terminal.press("\x03")
            terminal.wait_until(lambda: "finishing" in shown(terminal))
            terminal.press("\x03")
        code = {"error": 3, "term": 0, "Ctrl-C twice": 130}[ending]
        terminal.wait_until(lambda: f"code {code}" in shown(terminal))
        assert mode_of(terminal) == before and terminal.cursor_visible
        if ending == "error":
            assert "scripted has gone, and did not come back" in shown(terminal)


@pytest.mark.real
def test_ctrl_z_gives_the_terminal_back_and_fg_goes_on() -> None:
    terminal = Terminal(["/bin/bash", "--norc", "-i"], 60, 12, {"PS1": "shell> ", "HISTFILE": "/dev/null"})
    try:
        terminal.wait_until(lambda: "shell>" in shown(terminal))
        terminal.press(" ".join(DICTATION) + "\n")
        terminal.wait_until(lambda: "s1b" in shown(terminal))
        keys = mode_of(terminal)
        terminal.press("\x1a")
        terminal.wait_until(lambda: "Stopped" in shown(terminal) and shown(terminal).rstrip().endswith("shell>"))
        assert terminal.cursor_visible and mode_of(terminal) != keys
        terminal.press("fg\n")
        terminal.wait_until(lambda: "s2b" in shown(terminal))
        assert mode_of(terminal) == keys and not terminal.cursor_visible
        terminal.press("\x03")
        terminal.wait_until(lambda: "heard," in shown(terminal) and terminal.cursor_visible)
        assert "missing" not in shown(terminal), "time stood still"
    finally:
        terminal.close()


def test_without_a_terminal_there_is_plain_text_a_line_for_each_silence() -> None:
    with in_the_background() as process:
        assert process.stdout and process.stderr
        assert process.stdout.readline() == "s1a s1b s1c s1d.\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 0 and out.endswith("\n") and not out.endswith("\n\n")
    assert "listening to scripted" in err and "\x1b" not in out + err


@pytest.mark.parametrize(
    "form", ["srt", *(pytest.param(form, marks=pytest.mark.real) for form in ("vtt", "jsonl", "txt"))]
)
def test_a_document_grows_whole_cue_by_whole_cue_and_is_valid_after_kill_9(tmp_path: Path, form: str) -> None:
    output, recorded = tmp_path / f"talk.{form}", tmp_path / "talk.wav"
    with in_the_background("--format", form, "--output", output, "--record", recorded, "--speed", "8") as process:
        deadline_s = time.monotonic() + 20
        seen = ""
        while "s3d" not in seen:
            assert time.monotonic() < deadline_s
            now = output.read_text("utf-8") if output.exists() else ""
            assert now.startswith(seen) and (not now or now.endswith("\n")), "it only ever grows, by whole cues"
            seen = now
            if recorded.exists() and recorded.stat().st_size:
                with wave.open(str(recorded)) as played:
                    n_frames = played.getnframes()
                    assert len(played.readframes(n_frames)) == 2 * n_frames
        process.send_signal(signal.SIGKILL)
        process.wait()
    words = [f"s{s}{letter}{'.' if letter == 'd' else ''}" for s in (1, 2, 3) for letter in "abcd"]
    written = output.read_text("utf-8")
    if form == "srt":
        assert check_subtitles(written)[:12] == words
    elif form == "jsonl":
        lines = [json.loads(line) for line in written.splitlines()]
        assert [word["text"] for line in lines for word in line["words"]][:12] == words
    elif form == "vtt":
        assert written.startswith("WEBVTT\n\n00:00:0") and "s3a s3b s3c s3d." in written
    else:
        assert written.splitlines()[:3] == [" ".join(words[n : n + 4]) for n in (0, 4, 8)]
    with wave.open(str(recorded)) as played:
        assert played.getnframes() > 10 * 16_000


@pytest.mark.real
def test_json_is_written_at_the_end_and_its_journal_keeps_it_until_then(tmp_path: Path) -> None:
    output = tmp_path / "talk.json"
    with in_the_background("--format", "json", "--output", output) as process:
        wait_for(journal_of(output), "s1d.")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 0 and f"wrote {output}" in err
    document = json.loads(output.read_text("utf-8"))
    assert document["complete"] and document["text"].startswith("s1a s1b s1c s1d.") and document["target"] == "scripted"
    assert [path.name for path in tmp_path.iterdir()] == ["talk.json"]


@pytest.mark.real
def test_an_unplugged_microphone_is_a_gap_and_exit_code_6(tmp_path: Path) -> None:
    output = tmp_path / "talk.vtt"
    with in_the_background("--script", "unplugged", "--format", "vtt", "--output", output) as process:
        wait_for(output, "s3d.")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 6, err
    assert "scripted has gone; it is waited for" in err and "listening to scripted again" in err
    assert re.search(r"^missing: [\d.]+ to [\d.]+ s: the microphone was gone$", err, re.MULTILINE)
    assert "are not in the transcript" in err


@pytest.mark.real
def test_one_that_does_not_come_back_ends_it_with_what_was_heard(tmp_path: Path) -> None:
    output = tmp_path / "talk.srt"
    with in_the_background("--script", "fails", "--format", "srt", "--output", output, "--speed", "8") as process:
        _, err = process.communicate(timeout=30)
    assert process.returncode == 3 and "plug it in" in err
    assert check_subtitles(output.read_text("utf-8"))[:8] == [
        "s1a", "s1b", "s1c", "s1d.", "s2a", "s2b", "s2c", "s2d.",
    ]  # fmt: skip


def test_what_is_said_is_written_over_nothing(tmp_path: Path) -> None:
    output = tmp_path / "talk.srt"
    output.write_text("precious")
    with in_the_background("--format", "srt", "--output", output) as process:
        _, err = process.communicate(timeout=20)
    assert process.returncode == 2 and "is there already" in err and f"rm {output}" in err
    assert output.read_text() == "precious"


@pytest.mark.real
@pytest.mark.parametrize(
    ("module", "code", "message", "hint"),
    [
        ("raise ModuleNotFoundError(name='sounddevice')", 3, "needs sounddevice", "pip install 'voxctl[mic]'"),
        ("raise OSError('PortAudio library not found')", 3, "PortAudio, which listens to", "libportaudio2"),
    ],
)
def test_what_is_missing_is_named_with_the_line_that_installs_it(
    tmp_path: Path, module: str, code: int, message: str, hint: str
) -> None:
    (tmp_path / "sounddevice.py").write_text(module)
    command = [sys.executable, "-m", "voxctl", "mic"]
    environment = {"PYTHONPATH": f"{tmp_path}:{REPOSITORY}", "PATH": "/usr/bin:/bin", "VOXCTL_CONFIG": "/dev/null"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == code and message in done.stderr and hint in done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_json_without_a_list_is_refused(tmp_path: Path) -> None:
    done = run_here("mic", "--json", cwd=tmp_path)
    assert done.code == 2 and "--format json" in shown_error(done)[1]
