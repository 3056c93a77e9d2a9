"""Programs of others on a terminal of their own: what they say, how they end, and that they do."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from voxctl.errors import BuildFailed
from voxctl.image.process import Log, asked, carried_out, new_log


async def sh(script: str, log: Log, heard: list[str], secret: str | None = None) -> int:
    return await carried_out(["sh", "-c", script], {}, log, heard.append, secret=secret)


async def test_a_command_has_a_terminal_and_its_lines_come_without_what_moves_the_cursor() -> None:
    heard: list[str] = []
    with new_log() as log:
        script = "test -t 1 && test -t 2 && printf 'one\\r\\033[2Ktwo\\n' && echo three >&2; printf rest; exit 7"
        assert await sh(script, log, heard) == 7
        assert [line for line in heard if line] == ["one", "two", "three", "rest"]
        lines = log.path.read_text().splitlines()
    assert lines[0].startswith("$ sh -c") and lines[1:] == ["one", "two", "three", "rest"]


async def test_its_terminal_is_not_ours_to_read_from() -> None:
    heard: list[str] = []
    with new_log() as log:
        assert await sh('read line; echo "got <$line>"', log, heard) == 0
    assert "got <>" in heard


async def test_a_secret_is_read_from_standard_input_and_is_nowhere_else() -> None:
    heard: list[str] = []
    with new_log() as log:
        await sh("cat | tr a-z A-Z; tr '\\0' ' ' < /proc/$$/cmdline; env", log, heard, secret="sesame")
        assert any("SESAME" in line for line in heard)
        assert not any("sesame" in line for line in heard)
        assert "sesame" not in log.path.read_text()


async def test_bars_are_heard_and_not_kept() -> None:
    heard: list[str] = []
    with new_log() as log:
        await sh("echo '0123456789ab: Pushing  1MB/2MB'; echo '0123456789ab: Pushed'", log, heard)
        assert "0123456789ab: Pushing  1MB/2MB" in heard
        assert log.path.read_text().splitlines()[1:] == ["0123456789ab: Pushed"]


async def test_a_log_is_kept_for_a_failure_alone() -> None:
    with new_log() as log:
        assert log.path.stat().st_mode & 0o777 == 0o600
    assert not log.path.exists()
    with pytest.raises(BuildFailed), new_log() as log:
        raise BuildFailed("it failed")
    assert log.path.exists()
    log.path.unlink()
    with pytest.raises(KeyboardInterrupt), new_log() as log:
        raise KeyboardInterrupt
    assert not log.path.exists()


@pytest.mark.parametrize("trap", ["", "trap '' TERM; "])
async def test_when_it_is_cancelled_all_that_was_started_is_ended(trap: str, tmp_path: Path) -> None:
    heard: list[str] = []
    with new_log() as log:
        running = asyncio.create_task(sh(f"{trap}sleep 60 & echo $! ; echo go; wait; sleep 60", log, heard))
        async with asyncio.timeout(10):
            while "go" not in heard:  # noqa: ASYNC110  # it comes from a program
                await asyncio.sleep(0.01)
        child = int(next(line for line in heard if line.isdigit()))
        began_s = time.monotonic()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert time.monotonic() - began_s < 6
    deadline_s = time.monotonic() + 2
    while _lives(child):
        assert time.monotonic() < deadline_s
        await asyncio.sleep(0.01)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_what_it_leaves_running_does_not_hold_us_up() -> None:
    heard: list[str] = []
    began_s = time.monotonic()
    with new_log() as log:
        assert await sh("sleep 30 & echo $!; echo done", log, heard) == 0
    assert time.monotonic() - began_s < 5 and "done" in heard
    os.kill(int(next(line for line in heard if line.isdigit())), 9)


async def test_a_program_that_is_not_there_is_an_error_of_ours() -> None:
    with pytest.raises(BuildFailed, match="nowhere/docker cannot be run"), new_log() as log:
        await carried_out(["/nowhere/docker"], {}, log, print)
    log.path.unlink()
    assert await asked(["/nowhere/docker"], limit_s=1) is None


async def test_a_question_is_answered_or_given_up() -> None:
    answer = await asked(["sh", "-c", "echo out; echo err >&2; exit 3"], limit_s=5)
    assert answer and (answer.code, answer.out, answer.err) == (3, "out", "err")
    began_s = time.monotonic()
    assert await asked(["sleep", "30"], limit_s=0.2) is None
    assert time.monotonic() - began_s < 2
