"""Every way out with `--output` saves the transcript in progress, and none takes for ever."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pexpect
import pytest

from tests.cli.program import CLIP, REPOSITORY, SHORT, VOXCTL, Program, run, started
from tests.fakes.lawful import LawfulServer
from tests.fakes.oracle import OracleServer
from tests.fakes.schedule import Fault, Strike
from voxctl.cli.journal import journal_of

#: Each starts processes for seconds: too long for `make test`.
pytestmark = pytest.mark.real

# A bug of ours cannot be typed: this is the program with one built in, in the part that shows words.
CRASHING = """
import sys
import voxctl.cli.transcribe
from voxctl.cli.app import main
from voxctl.events import Words
from voxctl.ui.plain import PlainView

class CrashingView(PlainView):
    n_words = 0

    def show(self, event):
        self.n_words += isinstance(event, Words)
        if self.n_words == 8:
            raise ZeroDivisionError("a bug")

    def end(self, complete):
        if WHERE == "end":
            raise ZeroDivisionError("another bug")

voxctl.cli.transcribe.open_view = lambda out, err, environment, live: CrashingView(out, err, live=live)
main()
"""


def kept(path: Path) -> dict[str, Any]:
    """Return the document at ``path``, whose journal is gone."""
    assert not journal_of(path).exists() and not list(path.parent.glob(".voxctl-*"))
    document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return document


async def journal_holds(output: Path, word: str) -> None:
    async with asyncio.timeout(30):
        while word not in (journal_of(output).read_text("utf-8") if journal_of(output).exists() else ""):  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.02)


async def stopped(program: Program, output: Path, number: signal.Signals, limit_s: float) -> tuple[int, float, str]:
    """Send the signal once some words are on record; return the exit code, how long that took, and stderr."""
    await journal_holds(output, "w9")
    program.process.send_signal(number)
    asked_s = asyncio.get_running_loop().time()
    done = await asyncio.wait_for(program.end(), limit_s)
    return done.code, asyncio.get_running_loop().time() - asked_s, done.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
async def test_a_signal_ends_the_utterance_and_saves_it(tmp_path: Path, number: signal.Signals) -> None:
    output = tmp_path / "talk.json"
    arguments: list[str | Path] = ["--realtime", "--format", "json", "--output", output]
    async with LawfulServer().on_a_port() as url, started("transcribe", CLIP, "--url", url, *arguments) as program:
        code, took_s, err = await stopped(program, output, number, 20)
    document = kept(output)
    assert code == 130 and took_s < 10 and "finishing with what was heard" in err
    assert not document["complete"] and len(document["words"]) >= 4 and 1 < document["audio_s"] < 9


async def test_a_server_that_hangs_at_the_end_is_not_waited_for(tmp_path: Path) -> None:
    output = tmp_path / "talk.json"
    arguments: list[str | Path] = ["--realtime", "--no-resume", "--format", "json", "--output", output]
    async with (
        LawfulServer(silent_after=14).on_a_port() as url,
        started("transcribe", CLIP, "--url", url, *arguments) as program,
    ):
        code, took_s, _ = await stopped(program, output, signal.SIGTERM, 20)
    assert code in (4, 130) and took_s < 13
    assert [word["text"] for word in kept(output)["words"]][:4] == ["w0", "w3", "w6", "w9"]


@pytest.mark.real
async def test_the_drain_is_bounded_though_every_new_connection_is_mute(tmp_path: Path) -> None:
    output = tmp_path / "talk.json"
    faults = (Strike(Fault("half_open"), 2.0), *[Strike(Fault("mute"))] * 20)
    async with (
        OracleServer(faults=faults).on_a_port() as url,
        started(
            "transcribe", CLIP, "--url", url, "--model", "voxtral", "--realtime", "--format", "json", "-o", output
        ) as program,
    ):
        async with asyncio.timeout(40):
            while not journal_of(output).exists():  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.02)
        await asyncio.sleep(2.5)
        program.process.send_signal(signal.SIGINT)
        asked_s = asyncio.get_running_loop().time()
        done = await asyncio.wait_for(program.end(), 60)
    # 15 s to drain, 10 s for a greeting, and a pause between two attempts.
    assert asyncio.get_running_loop().time() - asked_s < 30 and done.code in (4, 130)
    assert not journal_of(output).exists()


def closed_by_head(arguments: str) -> tuple[str, str]:
    """Run voxctl into a reader that leaves after one byte; return voxctl's exit code and stderr."""
    line = f'{shlex.join(VOXCTL)} transcribe {arguments} | head -c 1 > /dev/null; echo "${{PIPESTATUS[0]}}"'
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=50, check=True, cwd=REPOSITORY)
    return done.stdout.strip(), done.stderr


def test_a_reader_that_leaves_stdout_costs_a_document_nothing(tmp_path: Path) -> None:
    output = tmp_path / "talk.json"
    status, _ = closed_by_head(f"{shlex.quote(str(SHORT))} --format json --output {output}")
    assert status == "0" and kept(output)["complete"]


def test_a_reader_that_leaves_before_the_document_comes_is_no_failure() -> None:
    status, said = closed_by_head(f"{shlex.quote(str(SHORT))} --format json")
    assert status == "0" and "Traceback" not in said


async def test_the_end_of_standard_input_is_the_end_of_the_transcript(tmp_path: Path) -> None:
    output = tmp_path / "talk.json"
    arguments: list[str | Path] = ["--raw", "--format", "json", "--output", output]
    async with (
        LawfulServer().on_a_port() as url,
        started("transcribe", "-", "--url", url, *arguments, stdin=asyncio.subprocess.PIPE) as program,
    ):
        assert program.process.stdin
        program.process.stdin.write(bytes(2 * 16_000 * 4))
        await program.process.stdin.drain()
        await journal_holds(output, "w36")
        program.process.stdin.close()
        done = await asyncio.wait_for(program.end(), 20)
    assert done.code == 0 and kept(output)["complete"] and kept(output)["audio_s"] == 4.0


@pytest.mark.parametrize("where", ["show", "end"])
async def test_a_bug_of_ours_costs_no_word(tmp_path: Path, where: str) -> None:
    output = tmp_path / "talk.json"
    arguments = ["transcribe", str(CLIP), "--format", "json", "--output", str(output)]
    async with LawfulServer().on_a_port() as url:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", CRASHING.replace("WHERE", repr(where)), *arguments, "--url", url),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=REPOSITORY,
        )
        _, err = await asyncio.wait_for(process.communicate(), 40)
    assert process.returncode == 1 and b"ZeroDivisionError: a" in err
    if where == "end":  # so late that there is only the journal left
        done = await run("transcribe", SHORT, "--output", output, "--format", "json")
        assert done.code == 0 and "an earlier run was cut off" in done.err
        output = tmp_path / "talk.recovered.json"
    assert len(kept(output)["words"]) >= 8 and not kept(output)["complete"]


def in_a_terminal(command: str) -> pexpect.spawn[bytes]:
    return pexpect.spawn(
        "/bin/sh",
        ["-c", command],
        dimensions=(12, 80),
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "xterm-256color", "VOXCTL_CONFIG": os.devnull},
        cwd=str(REPOSITORY),
    )


@pytest.mark.parametrize("nohup", [False, True], ids=["closed", "nohup"])
async def test_a_terminal_that_is_closed_costs_no_word(tmp_path: Path, nohup: bool) -> None:
    output = tmp_path / "talk.json"
    async with LawfulServer().on_a_port() as url:
        words = shlex.join(
            [*VOXCTL, "transcribe", str(CLIP), "--url", url, "--speed", "2", "--format", "json", "-o", str(output)]
        )
        terminal = in_a_terminal(f"trap '' HUP; exec {words}" if nohup else f"exec {words}")
        try:
            await journal_holds(output, "w9")
            os.close(terminal.child_fd)  # the window is closed: nobody reads, and everybody in it gets a SIGHUP
            async with asyncio.timeout(40):
                while not output.exists():  # noqa: ASYNC110 - another process writes it
                    await asyncio.sleep(0.05)
                while journal_of(output).exists():  # noqa: ASYNC110 - another process removes it
                    await asyncio.sleep(0.05)
        finally:
            assert terminal.pid
            os.kill(terminal.pid, signal.SIGKILL)
            await asyncio.to_thread(os.waitpid, terminal.pid, 0)
    assert len(kept(output)["words"]) >= 4 and kept(output)["complete"] is nohup
