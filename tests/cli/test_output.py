"""``--output``: judged before anything begins, written whole or not at all, never over anything it must not be."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.program import REPOSITORY
from voxctl.cli.output import plan_output
from voxctl.errors import OutputClosed, OutputError, UsageError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Work in a folder of its own with two inputs, and see that no temporary file is left in it."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.wav", "b.wav"):
        Path(name).write_text(f"sound {name}")
    yield tmp_path
    assert not list(tmp_path.rglob(".voxctl-*"))


def write(path: str, *inputs: str, suffix: str = ".srt") -> None:
    """Plan and write a document for each input."""
    with plan_output(path, inputs, suffix) as output:
        for name in inputs:
            output.write(name, f"words of {name}\n")


def refused(path: str, *inputs: str, suffix: str = ".srt") -> UsageError:
    before = {p: p.lstat() for p in Path().rglob("*")}
    with pytest.raises(UsageError) as caught:
        plan_output(path, inputs, suffix)
    assert {p: p.lstat().st_mtime_ns for p in Path().rglob("*")} == {p: s.st_mtime_ns for p, s in before.items()}
    assert caught.value.hint
    return caught.value


def mode_of(path: str) -> int:
    return stat.S_IMODE(Path(path).lstat().st_mode)


def test_one_input_is_written_to_the_file() -> None:
    write("out.srt", "a.wav")
    assert Path("out.srt").read_text() == "words of a.wav\n"


@pytest.mark.parametrize("path", ["out/", "there", "there/"])
def test_a_folder_gets_a_file_for_each_input(path: str) -> None:
    Path("there").mkdir()
    write(path, "a.wav", "./b.wav", "-")
    assert {p.name: p.read_text() for p in Path(path).iterdir()} == {
        "a.srt": "words of a.wav\n",
        "b.srt": "words of ./b.wav\n",
        "stdin.srt": "words of -\n",
    }


def test_one_input_too_goes_into_a_folder() -> None:
    write("out/", "a.wav", suffix=".txt")
    assert Path("out/a.txt").exists()


def test_several_inputs_make_a_folder_of_the_path() -> None:
    write("out", "a.wav", "b.wav")
    assert sorted(p.name for p in Path("out").iterdir()) == ["a.srt", "b.srt"]


def test_several_inputs_for_one_file_are_refused() -> None:
    assert "single file" in refused("out.srt", "a.wav", "b.wav").message
    Path("old").write_text("old")
    assert "is a file" in refused("old", "a.wav", "b.wav").message
    refused("old/", "a.wav")


@pytest.mark.parametrize("other", ["sub/a.mp3", "A.wav", "a.wav"])
def test_two_inputs_for_one_name_are_refused_by_name(other: str) -> None:
    error = refused("out/", "a.wav", other)
    assert error.message.startswith(f"a.wav and {other} would both") and not Path("out").exists()


def test_a_missing_parent_is_not_made() -> None:
    for path in ("no/such/out.srt", "no/such/out/"):
        error = refused(path, "a.wav")
        assert "does not exist" in error.message and error.hint == "run: mkdir -p no/such"
    refused("a.wav/out.srt", "b.wav")
    refused("", "a.wav")


def test_names_of_every_kind_are_written() -> None:
    for name in ("sp ace", "quo'te\"", "new\nline", "-", "--help", "天気", "w\udcffrong", ".hidden", "x" * 240):
        write("out/", f"{name}.wav")
        assert Path("out", f"{name}.srt").read_text()
    refused("out/", "x" * 255)


def test_an_input_is_never_written_over() -> None:
    Path("same").mkdir()
    os.link("a.wav", "same/hard.srt")
    Path("link.wav").symlink_to("a.wav")
    assert "is an input" in refused("a.wav", "a.wav").message
    assert "is an input" in refused("./same/../a.wav", "a.wav").message
    assert "is an input" in refused("a.wav", "link.wav").message
    assert "a.wav" in refused("same/hard.srt", "a.wav").message
    refused("same/", "b.wav", "a.wav", "hard.wav")
    refused(".", "a.wav", suffix=".wav")


def test_an_input_that_stands_at_stdin_is_never_written_over() -> None:
    code = "from voxctl.cli.output import plan_output; plan_output('a.wav', ['-'], '.srt')"
    with Path("a.wav").open("rb") as sound:
        run = subprocess.run(
            [sys.executable, "-c", code],
            stdin=sound,
            env={"PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
        )
    assert "UsageError: a.wav is an input" in run.stderr


def test_a_symbolic_link_is_neither_followed_nor_replaced() -> None:
    Path("real.srt").write_text("old")
    Path("link.srt").symlink_to("real.srt")
    Path("dangling.srt").symlink_to("nowhere")
    assert refused("link.srt", "a.wav").hint == f"name its file: --output {Path('real.srt').resolve()}"
    refused("dangling.srt", "a.wav")
    assert not Path("nowhere").exists()
    refused(".", "link.wav")
    assert Path("real.srt").read_text() == "old"


def test_a_link_put_there_while_it_transcribes_is_replaced_and_not_written_through() -> None:
    with plan_output("out.srt", ["a.wav"], ".srt") as output:
        Path("out.srt").symlink_to("b.wav")
        output.write("a.wav", "new")
    assert Path("b.wav").read_text() == "sound b.wav" and not Path("out.srt").is_symlink()


def test_a_link_to_a_folder_is_a_folder() -> None:
    Path("there").mkdir()
    Path("link").symlink_to("there")
    write("link", "a.wav")
    assert Path("there/a.srt").exists()


def test_what_is_in_the_way_is_refused() -> None:
    Path("out/a.srt").mkdir(parents=True)
    assert "in the way" in refused("out", "a.wav").message
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        assert "no place for text" in refused("socket", "a.wav").message


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755])
def test_a_file_keeps_its_mode_when_it_is_replaced(mode: int) -> None:
    Path("out.srt").write_text("old")
    Path("out.srt").chmod(mode)
    write("out.srt", "a.wav")
    assert mode_of("out.srt") == mode and Path("out.srt").read_text() == "words of a.wav\n"


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_new_file_has_the_mode_that_the_umask_leaves(mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        write("out.srt", "a.wav")
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert mode_of("out.srt") == mode


def test_another_name_of_the_old_file_keeps_the_old_text() -> None:
    Path("out.srt").write_text("old")
    os.link("out.srt", "kept")
    write("out.srt", "a.wav")
    assert Path("kept").read_text() == "old"


def test_a_partial_document_goes_beside_a_whole_one_and_never_over_an_earlier_partial_one() -> None:
    with plan_output("out.srt", ["a.wav"], ".srt") as output:
        assert output.write("a.wav", "first", partial=True) == Path("out.srt"), "nothing else is there"
        assert output.write("a.wav", "whole") == Path("out.srt")
        assert output.write("a.wav", "part", partial=True) == Path("out.partial.srt")
        assert output.write("a.wav", "another", partial=True) == Path("out.partial-2.srt")
    texts = {path.name: path.read_text() for path in Path().glob("out*")}
    assert texts == {"out.srt": "whole", "out.partial.srt": "part", "out.partial-2.srt": "another"}
    Path("empty.srt").touch()
    with plan_output("empty.srt", ["a.wav"], ".srt") as output:
        assert output.write("a.wav", "part", partial=True) == Path("empty.srt"), "nobody misses an empty file"


# A process may be forbidden to write files longer than this: to the program it is a disk that fills up.
FULL = """
import resource, sys
from voxctl.cli.output import plan_output
from voxctl.errors import OutputError
with plan_output("out.srt", ["a.wav"], ".srt") as output:
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    try:
        output.write("a.wav", "x" * 5000)
    except OutputError as exc:
        sys.exit(f"{exc.message}|{exc.hint}")
"""


@pytest.mark.parametrize("old", ["old", None])
def test_a_full_disk_leaves_what_was_there_and_nothing_else(old: str | None) -> None:
    if old:
        Path("out.srt").write_text(old)
    run = subprocess.run(
        [sys.executable, "-c", FULL], env={"PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True, check=False
    )
    assert run.stderr.startswith("out.srt could not be written: File too large|free some space"), run.stderr
    assert (Path("out.srt").read_text() if Path("out.srt").exists() else None) == old


def test_a_folder_that_vanishes_while_it_transcribes_is_an_error_of_ours() -> None:
    Path("out").mkdir()
    with plan_output("out", ["a.wav"], ".srt") as output:
        Path("out").rmdir()
        with pytest.raises(OutputError, match="could not be written") as caught:
            output.write("a.wav", "text")
    assert caught.value.hint


def test_something_else_in_the_place_at_the_end_is_an_error_of_ours() -> None:
    with plan_output("out.srt", ["a.wav"], ".srt") as output:
        Path("out.srt").mkdir()
        with pytest.raises(OutputError):
            output.write("a.wav", "text")


def test_a_full_device_is_an_error_of_ours() -> None:
    with plan_output("/dev/full", ["a.wav"], ".srt") as output, pytest.raises(OutputError, match="No space left"):
        output.write("a.wav", "text")


def test_the_null_device_takes_everything_and_stays_what_it_is() -> None:
    write("/dev/null", "a.wav", "b.wav")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


@pytest.mark.real
@pytest.mark.parametrize("path", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_stdout_is_written_where_it_stands(path: str) -> None:
    code = f"from tests.cli.test_output import write; write({path!r}, 'a.wav', 'b.wav')"
    Path("log").write_text("before\n")
    with Path("log").open("a") as log:
        subprocess.run([sys.executable, "-c", code], stdout=log, env={"PYTHONPATH": str(REPOSITORY)}, check=True)
    assert Path("log").read_text() == "before\nwords of a.wav\nwords of b.wav\n"


def test_a_descriptor_that_is_not_open_is_refused() -> None:
    refused("/dev/fd/987", "a.wav")


def test_a_named_pipe_is_written_to_its_reader() -> None:
    os.mkfifo("pipe")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(Path("pipe").read_text()))
    reader.start()
    write("pipe", "a.wav", "b.wav")
    reader.join(5)
    assert read == ["words of a.wav\nwords of b.wav\n"]
    refused("pipe", "pipe")


def test_a_reader_that_has_seen_enough_is_no_failure() -> None:
    reading, writing = os.pipe()
    with plan_output(f"/dev/fd/{writing}", ["a.wav"], ".srt") as output:
        os.close(reading)
        with pytest.raises(OutputClosed):
            output.write("a.wav", "text")
    os.close(writing)


# Ctrl-C when all is written but not yet in its place: Python announces the renaming, and the signal comes then.
INTERRUPTED = """
import os, signal, sys
from voxctl.cli.output import plan_output
sys.addaudithook(lambda event, _: os.kill(os.getpid(), signal.SIGINT) if event == "os.rename" else None)
with plan_output("out.srt", ["a.wav"], ".srt") as output:
    output.write("a.wav", "x" * 5000)
"""


def test_an_interrupt_while_writing_leaves_no_part_of_it() -> None:
    run = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], env={"PYTHONPATH": str(REPOSITORY)}, capture_output=True, check=False
    )
    assert run.returncode == -signal.SIGINT and not Path("out.srt").exists()
