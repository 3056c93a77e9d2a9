"""`--output` keeps what was heard, whatever ends the program; the next start makes a document of it."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from tests.cli.program import CLIP, run, shown_error, started
from tests.fakes.lawful import LawfulServer
from voxctl.cli.journal import Heading, journal_of, open_journal, read_journal, recover
from voxctl.errors import UsageError
from voxctl.events import Gap, Progress, Tail, Word, Words
from voxctl.transcript.export import Format

HEADING = Heading("talk.wav", "embedded", Format.TXT, False, None)
HELLO = Words(" hello", (Word("hello", 0.1, 0.5),))


def written(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def killed_in_mid_stream(output: Path, *arguments: str) -> None:
    async with (
        LawfulServer(silent_after=60).on_a_port() as url,
        started("transcribe", CLIP, "--url", url, "--no-resume", "--output", output, *arguments) as program,
    ):
        async with asyncio.timeout(30):
            while b"w45" not in written(journal_of(output)):  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.02)
        program.process.send_signal(signal.SIGKILL)
        await program.process.wait()


@pytest.mark.real
async def test_after_kill_9_the_next_start_says_so_and_recovers_the_text(tmp_path: Path) -> None:
    output = tmp_path / "talk.srt"
    await killed_in_mid_stream(output, "--format", "srt")
    journal = journal_of(output)
    assert journal.stat().st_mode & 0o777 == 0o600 and not output.exists()
    async with LawfulServer().on_a_port() as url:
        done = await run("transcribe", CLIP, "--url", url, "--no-resume", "--format", "srt", "--output", output)
    recovered = tmp_path / "talk.recovered.srt"
    assert done.code == 0 and "an earlier run was cut off" in done.err and str(recovered) in done.err
    assert recovered.read_text("utf-8").startswith("1\n00:00:00,") and "w45" in recovered.read_text("utf-8")
    assert files_in(tmp_path) == ["talk.recovered.srt", "talk.srt"], "the journals are gone"


@pytest.mark.real
async def test_a_second_recovery_writes_over_nothing(tmp_path: Path) -> None:
    output = tmp_path / "talk.txt"
    (tmp_path / "talk.recovered.txt").write_text("precious")
    await killed_in_mid_stream(output)
    async with LawfulServer().on_a_port() as url:
        assert (await run("transcribe", CLIP, "--url", url, "--no-resume", "-o", output)).code == 0
    assert (tmp_path / "talk.recovered.txt").read_text() == "precious"
    assert "w45" in (tmp_path / "talk.recovered-2.txt").read_text()


async def test_a_run_that_ends_leaves_no_journal_whatever_its_end(tmp_path: Path) -> None:
    output = tmp_path / "talk.txt"
    async with LawfulServer(ends_after=40).on_a_port() as url:
        assert (await run("transcribe", CLIP, "--url", url, "--no-resume", "-o", output)).code == 4
    assert files_in(tmp_path) == ["talk.txt"] and "w39" in output.read_text("utf-8")


@pytest.mark.real
async def test_two_runs_cannot_write_the_same_document(tmp_path: Path) -> None:
    output = tmp_path / "talk.txt"
    async with (
        LawfulServer(silent_after=60).on_a_port() as url,
        started("transcribe", CLIP, "--url", url, "--no-resume", "-o", output) as program,
    ):
        async with asyncio.timeout(30):
            while not written(journal_of(output)):  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.02)
        second = await run("transcribe", CLIP, "-o", output)
        assert second.code == 2 and "another voxctl is writing talk.txt" in shown_error(second)[0]
        assert program.process.returncode is None


def test_what_is_no_journal_is_left_alone_and_a_torn_one_gives_what_it_holds(tmp_path: Path) -> None:
    output = tmp_path / "talk.txt"
    said: list[str] = []
    with open_journal(output, HEADING) as journal:
        for event in (HELLO, Tail("wor"), Progress(0.5, 1.2), Gap(2.0, 3.0, "lost"), HELLO):
            journal.event(event, None)
    path = journal_of(output)
    path.write_bytes(path.read_bytes()[:-20])
    heading, transcript = read_journal(path)
    assert heading == HEADING and [word.text for word in transcript.words] == ["hello"]
    recover([output, tmp_path / "other.txt"], said.append)
    assert len(said) == 1 and (tmp_path / "talk.recovered.txt").read_text() == "hello\n" and not path.exists()
    for number, place in enumerate(["talk.recovered.voxctl-journal", "talk.recovered-2.voxctl-journal"], start=2):
        path.write_bytes(b"\xff\xfe nonsense %d\n{}\n[]\n" % number)
        recover([output], said.append)
        assert len(said) == number and "cannot be read" in said[-1] and not path.exists()
        assert b"nonsense %d" % number in (tmp_path / place).read_bytes()


def test_a_link_in_the_journals_place_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    journal_of(tmp_path / "talk.txt").symlink_to(victim)
    recover([tmp_path / "talk.txt"], lambda text: pytest.fail(text))
    with pytest.raises(UsageError), open_journal(tmp_path / "talk.txt", HEADING):
        pass
    assert victim.read_text() == "precious"


def test_a_journal_that_its_run_removes_meanwhile_is_not_taken_for_ours(tmp_path: Path) -> None:
    """Another run ends between our opening of the journal and our locking of it, at every such moment of a start."""
    output = tmp_path / "talk.txt"
    path = journal_of(output)
    removed: list[int] = []

    def end_the_other_run(event: str, arguments: tuple[object, ...]) -> None:
        if event == "fcntl.flock" and armed and len(removed) < 2:
            removed.append(path.stat().st_ino)
            path.unlink()

    sys.addaudithook(end_the_other_run)
    armed = True
    try:
        with open_journal(output, HEADING) as journal:
            armed = False
            journal.event(HELLO, None)
            assert len(removed) == 2 and path.exists()
            _, transcript = read_journal(path)
            assert [word.text for word in transcript.words] == ["hello"]
            with pytest.raises(UsageError), open_journal(output, HEADING):
                pass
    finally:
        armed = False


def test_a_journal_removed_before_it_can_be_recovered_is_no_failure(tmp_path: Path) -> None:
    output = tmp_path / "talk.txt"
    with open_journal(output, HEADING) as journal:
        journal.event(HELLO, None)
    armed = True

    def end_the_other_run(event: str, arguments: tuple[object, ...]) -> None:
        if event == "fcntl.flock" and armed:
            journal_of(output).unlink()

    sys.addaudithook(end_the_other_run)
    try:
        recover([output], lambda text: pytest.fail(text))
    finally:
        armed = False
    assert files_in(tmp_path) == []


def test_a_journal_left_since_the_start_of_the_command_is_recovered_too(tmp_path: Path) -> None:
    output = tmp_path / "talk.txt"
    said: list[str] = []
    recover([output], said.append)
    with open_journal(output, HEADING) as cut_off:
        cut_off.event(HELLO, None)
    with open_journal(output, HEADING, said.append) as journal:
        assert len(said) == 1 and (tmp_path / "talk.recovered.txt").read_text() == "hello\n"
        assert not read_journal(journal.path)[1].words
