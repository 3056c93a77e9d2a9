"""Completion on Tab: in a real bash, and as each shell asks for it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from tests.cli.program import REPOSITORY, VOXCTL

#: Each starts processes for seconds: too long for `make test`.
pytestmark = pytest.mark.real

SHELLS = ("bash", "zsh", "fish")


def environment(**more: str) -> dict[str, str]:
    kept = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONPATH": str(REPOSITORY)}
    return kept | {"VOXCTL_CONFIG": os.devnull} | more


def asked(shell: str, line: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Ask as a shell's completion script does, the cursor at the end of ``line``."""
    words = shlex.split(line) + ([""] if line.endswith(" ") else [])
    protocol = {
        "_VOXCTL_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    return subprocess.run(
        VOXCTL, env=environment(**protocol, **more), cwd=folder, capture_output=True, text=True, timeout=30, check=True
    )


def candidates(line: str, folder: Path, **more: str) -> list[str]:
    done = asked("bash", line, folder, **more)
    assert not done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("voxctl ", ["transcribe", "demo", "mic", "serve"]),
        ("voxctl tr", ["transcribe"]),
        ("voxctl transcribe --format ", ["txt", "json", "jsonl", "srt", "vtt"]),
        ("voxctl transcribe --format js", ["json", "jsonl"]),
        ("voxctl transcribe --encoding m", ["mulaw"]),
        ("voxctl transcribe --model mis", ["mistralai/Voxtral-Mini-4B-Realtime-2602"]),
        ("voxctl transcribe --speed m", ["max"]),
        ("voxctl transcribe --chu", ["--chunk-ms"]),
        ("voxctl transcribe --channel ", ["1", "2", "all"]),
        ("voxctl serve --engine v", ["vllm"]),
        ("voxctl transcribe --use ", ["phone", "lab"]),
        ("voxctl transcribe a.wav --use la", ["lab"]),
        ("voxctl serve --use p", ["phone"]),
        ("voxctl config --use p", ["phone"]),
        # Nothing of ours: the shell then offers files.
        ("voxctl transcribe ", []),
        ("voxctl transcribe --output ", []),
        ("voxctl transcribe --ca-bundle ", []),
    ],
)
def test_what_can_follow_is_offered(tmp_path: Path, line: str, expected: list[str]) -> None:
    (tmp_path / "voxctl.toml").write_text("[profiles.phone]\nraw = true\n[profiles.lab]")
    offered = candidates(line, tmp_path)
    assert offered[: len(expected)] == expected and (expected or not offered)


def test_every_option_is_offered(tmp_path: Path) -> None:
    offered = candidates("voxctl transcribe --", tmp_path)
    assert {"--use", "--url", "--format", "--raw", "--no-raw", "--realtime", "--help"} <= set(offered)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("text", ["no TOML", "modle = 1", "[profiles.a]\nx = 1", "profiles = 1"])
@pytest.mark.parametrize(
    "line", ["voxctl transcribe --use ", "voxctl transcribe --use a --format ", "voxctl config --"]
)
def test_a_broken_file_is_no_matter_for_completion(tmp_path: Path, shell: str, text: str, line: str) -> None:
    (tmp_path / "voxctl.toml").write_text(text)
    done = asked(shell, line, tmp_path, VOXCTL_USE="none", VOXCTL_CHUNK_MS="x")
    assert not done.stderr and "error" not in done.stdout
    if "--format" in line:
        assert "jsonl" in done.stdout


def test_a_shell_that_takes_lines_gets_one_for_each_candidate(tmp_path: Path) -> None:
    lines = asked("fish", "voxctl transcribe --", tmp_path, COLUMNS="40").stdout.splitlines()
    assert len(lines) > 10
    assert all(re.match(r"-[-\w]+(\t|$)", line) for line in lines), lines


def test_completion_loads_nothing_heavy(tmp_path: Path) -> None:
    code = "import sys\ntry:\n    from voxctl.__main__ import main; main()\nexcept SystemExit: pass\n"
    code += "print(*sys.modules, file=sys.stderr)"
    protocol = {"_VOXCTL_COMPLETE": "complete_bash", "COMP_WORDS": "voxctl transcribe --use ", "COMP_CWORD": "3"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(**protocol),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
    )
    loaded = set(done.stderr.split())
    assert "voxctl.cli.settings" in loaded
    heavy = loaded & {"numpy", "websockets", "av", "uvicorn", "starlette", "pocketsphinx", "rich", "tomllib"}
    assert not heavy


def test_tab_works_in_a_real_bash_once_completion_is_installed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    commands = home / "bin"
    commands.mkdir(parents=True)
    program = commands / "voxctl"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(VOXCTL)} "$@"\n')
    program.chmod(0o755)
    mine = environment(
        HOME=str(home), PATH=f"{commands}:{os.environ['PATH']}", TERM="dumb", PS1="$ ", INPUTRC="/dev/null"
    )
    # The shell has to outlive the program, which asks the system which shell it was started by.
    done = subprocess.run(["bash", "-c", "voxctl --install-completion; true"], env=mine, capture_output=True, text=True)
    assert "bash completion installed" in done.stdout, done.stderr
    (tmp_path / "voxctl.toml").write_text("[profiles.phone]\nraw = true")
    (tmp_path / "talk.wav").touch()
    shell: pexpect.spawn[str] = pexpect.spawn(
        "bash", ["--noprofile", "-i"], env=mine, cwd=str(tmp_path), encoding="utf-8", timeout=20, dimensions=(24, 200)
    )
    try:
        shell.send("voxctl transcribe --use ph\t")
        shell.expect_exact("--use phone ")
        shell.send("tal\t")
        shell.expect_exact("talk.wav ")
        shell.send("--format \t\t")
        shell.expect(r"json\s+jsonl\s+srt\s+txt\s+vtt")
    finally:
        shell.close(force=True)
