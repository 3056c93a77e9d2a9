"""`voxctl shred`: what belongs to a transcript is listed, asked about and removed; nothing else is."""

from __future__ import annotations

import fcntl
import json
import os
import sys
from pathlib import Path

import pexpect
import pytest

from tests.cli.program import VOXCTL, run_here, shown_error


def laid_out(folder: Path) -> tuple[list[str], list[str]]:
    """Make files and return the names of those that belong to talk.srt, and of those that do not."""
    ours = ["talk.srt", ".talk.srt.voxctl-journal", "talk.partial.srt", "talk.partial-2.srt", "talk.recovered.srt"]
    ours += ["talk.recovered-3.srt", "talk.recovered.voxctl-journal"]
    others = ["talk.wav", "talk.txt", "talk.partial.txt", "talks.srt", "talk.other.srt", ".talk.txt.voxctl-journal"]
    for name in ours + others:
        (folder / name).write_text("precious")
    return ours, others


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_transcript_and_all_that_belongs_to_it_are_removed_and_nothing_else(tmp_path: Path) -> None:
    ours, others = laid_out(tmp_path)
    done = run_here("shred", "talk.srt", "--yes", "--json", cwd=tmp_path)
    assert done.code == 0 and sorted(json.loads(done.out)["removed"]) == sorted(ours)
    assert names_in(tmp_path) == sorted(others) and all(name in done.err for name in ours)
    again = run_here("shred", "talk.srt", "--yes", "--json", cwd=tmp_path)
    assert again.code == 0 and json.loads(again.out) == {"removed": []} and "nothing to remove" in again.err


def test_without_a_suffix_it_is_every_format_and_never_the_sound(tmp_path: Path) -> None:
    laid_out(tmp_path)
    assert run_here("shred", "talk", "-y", cwd=tmp_path).code == 0
    assert names_in(tmp_path) == ["talk.other.srt", "talk.wav", "talks.srt"]


def test_its_text_is_overwritten_unless_it_has_another_name(tmp_path: Path) -> None:
    for name in ("talk.txt", "shared.txt"):
        (tmp_path / name).write_text("precious")
    os.link(tmp_path / "shared.txt", tmp_path / "other-name")
    with (tmp_path / "talk.txt").open("rb") as held:
        assert run_here("shred", "talk.txt", "shared.txt", "-y", cwd=tmp_path).code == 0
        assert held.read() == bytes(8)
    assert names_in(tmp_path) == ["other-name"] and (tmp_path / "other-name").read_text() == "precious"


@pytest.mark.parametrize("what", ["talk.wav", "link.txt", "folder.txt"])
def test_what_is_no_transcript_is_refused_and_nothing_is_removed(tmp_path: Path, what: str) -> None:
    for name in ("talk.wav", "talk.txt"):
        (tmp_path / name).write_text("precious")
    (tmp_path / "link.txt").symlink_to("talk.wav")
    (tmp_path / "folder.txt").mkdir()
    before = names_in(tmp_path)
    done = run_here("shred", "talk.txt", what, "-y", cwd=tmp_path)
    assert done.code == 2 and what in shown_error(done)[0] and names_in(tmp_path) == before


def test_a_journal_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    laid_out(tmp_path)
    with (tmp_path / ".talk.srt.voxctl-journal").open("rb+") as journal:
        fcntl.flock(journal, fcntl.LOCK_EX)
        done = run_here("shred", "talk.srt", "-y", cwd=tmp_path)
    assert done.code == 2 and "voxctl is writing" in shown_error(done)[0] and (tmp_path / "talk.srt").exists()


@pytest.mark.parametrize("answer", ["n", "y"])
def test_a_person_sees_the_list_and_is_asked(tmp_path: Path, answer: str) -> None:
    (tmp_path / "talk.txt").write_text("precious")
    program = pexpect.spawn(VOXCTL[0], [*VOXCTL[1:], "shred", "talk.txt"], cwd=str(tmp_path), timeout=30, echo=False)
    program.expect("would remove talk.txt")
    program.expect(r"Remove this file for good\?")
    program.sendline(answer)
    program.expect("nothing was removed" if answer == "n" else "removed talk.txt")
    program.expect(pexpect.EOF)
    program.close()
    assert program.exitstatus == (130 if answer == "n" else 0)
    assert (tmp_path / "talk.txt").exists() == (answer == "n")


def test_where_nobody_can_be_asked_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "talk.txt").write_text("precious")
    with Path(os.devnull).open() as nobody:
        monkeypatch.setattr(sys, "stdin", nobody)
        done = run_here("shred", "talk.txt", cwd=tmp_path)
    assert done.code == 2 and "--yes" in shown_error(done)[1] and (tmp_path / "talk.txt").exists()
