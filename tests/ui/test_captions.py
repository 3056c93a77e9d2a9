"""Captions as a person sees them: a real pseudo-terminal, whole screens, what is left in the history."""

from __future__ import annotations

import asyncio
import io
import re
import subprocess
import sys
from pathlib import Path
from typing import TextIO, cast

import pytest
from rich.cells import cell_len

from tests.ui.session import CHINESE, TEXT
from tests.ui.terminal import REPOSITORY, Terminal, playing
from voxctl.errors import OutputClosed
from voxctl.events import Tail
from voxctl.ui.console import Display, display_for
from voxctl.ui.flow import Flow
from voxctl.ui.view import open_view

HELD = {
    20: """\
It is a truth well
known to all the
world that an
excellent cook is
born, and that a
kettle never boils
while somebody
watches it. The fire
was low, the rain
had not stopped
since the three of
● 00:10 / 00:30""",
    40: """\
It is a truth well known to all the
world that an excellent cook is born,
and that a kettle never boils while
somebody watches it. The fire was low,
the rain had not stopped since the three
of
● 00:10 / 00:30  36%  lag 0.5 s""",
    80: """\
It is a truth well known to all the world that an excellent cook is born, and
that a kettle never boils while somebody watches it. The fire was low, the rain
had not stopped since the three of
● 00:10 / 00:30  ━━━━━─────────  36%  lag 0.5 s  ws://127.0.0.1:8000/v1/realtime""",
    200: """\
It is a truth well known to all the world that an excellent cook is born, and that a kettle never boils while \
somebody watches it. The fire was low, the rain had not stopped since the three of
● 00:10 / 00:30  ━━━━━━━━━━━─────────────────────  36%  lag 0.5 s  ws://127.0.0.1:8000/v1/realtime""",
}
SUMMARY = "30.0 s of audio in 7.5 s (4.0x real time), 53 words, confidence 0.87"


def words_of(lines: list[str]) -> list[str]:
    return " ".join(lines).split()


def is_held(terminal: Terminal) -> bool:
    return any("three of" in row for row in terminal.rows) and any("00:10" in row for row in terminal.rows)


@pytest.mark.real
@pytest.mark.parametrize("columns", HELD)
def test_text_tail_and_status_line_fill_the_width(columns: int) -> None:
    with playing("held", columns) as terminal:
        terminal.wait_until(lambda: terminal.everything == HELD[columns].splitlines())
        assert not terminal.cursor_visible
        terminal.press("\n")
        assert terminal.finish() == 0
    assert words_of(terminal.everything) == f"{TEXT} {SUMMARY}".split()
    assert terminal.cursor_visible


def test_the_tail_is_dim_and_committed_text_is_not() -> None:
    with playing("held") as terminal:
        terminal.wait_until(lambda: is_held(terminal))
        assert b"had not stopped since\x1b[2m the three of\x1b[0m" in terminal.bytes
        assert b"\x1b[2mIt is" not in terminal.bytes


@pytest.mark.real
@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_in_the_end_every_word_is_there_once_and_nothing_else_but_a_summary(columns: int) -> None:
    with playing("plain", columns, rows=6) as terminal:
        assert terminal.finish() == 0
    assert words_of(terminal.everything) == f"{TEXT} {SUMMARY}".split()
    assert terminal.cursor_visible
    assert terminal.screen.cursor.x == 0


def test_a_long_text_at_full_speed_goes_into_the_history_word_by_word() -> None:
    with playing("fast", 40, rows=8) as terminal:
        assert terminal.finish() == 0
    assert words_of(terminal.everything)[: 20 * len(TEXT.split())] == TEXT.split() * 20
    assert all(len(line) <= 40 for line in terminal.everything)


def test_a_file_as_fast_as_possible_shows_its_speed_instead_of_a_lag() -> None:
    with playing("held-max") as terminal:
        terminal.wait_until(lambda: is_held(terminal) and "x  ws://" in terminal.rows[-1])
        assert re.search(r"36%  \d+\.\dx  ws://", terminal.rows[-1])
        assert "lag" not in terminal.rows[-1]


def test_before_the_server_answers_it_says_to_whom_it_connects() -> None:
    with playing("connecting", 40) as terminal:
        terminal.wait_until(lambda: terminal.rows == ["○ connecting to ws://127.0.0.1:8000/v1/…"])


def test_a_reconnect_is_in_the_status_line_until_it_is_over() -> None:
    with playing("troubled", 80) as terminal:
        terminal.wait_until(lambda: "reconnecting" in terminal.rows[-1])
        assert terminal.rows[-1] == "↻ reconnecting (attempt 2 in 1.3 s): the server closed the connection"
        terminal.press("\n")
        assert terminal.finish() == 0
    text = "\n".join(terminal.everything)
    assert "reconnecting" not in text
    assert "note: the clock of the server jumped\n" in text
    assert words_of([text.replace("note: the clock of the server jumped\n", "")])[: len(TEXT.split())] == TEXT.split()


@pytest.mark.real
@pytest.mark.parametrize("sizes", [(40,), (20,), (120,), (30, 100, 25)])
def test_a_resize_wraps_again_what_is_not_history(sizes: tuple[int, ...]) -> None:
    with playing("held", 80) as terminal:
        terminal.wait_until(lambda: is_held(terminal))
        for columns in sizes:
            terminal.resize(columns, 14)
            bar = "●" if columns < 41 else "ws://127.0.0.1:8000/v1/realtime"
            terminal.wait_until(lambda bar=bar: bar in terminal.rows[-1] and is_held(terminal))  # type: ignore[misc]
        terminal.press("\n")
        assert terminal.finish() == 0
    text = "\n".join(terminal.everything)
    assert text.count("●") == 0
    assert "the three of them sat round the table" in " ".join(words_of(terminal.everything))
    assert " ".join(words_of(terminal.everything)).count("had not") == 1


@pytest.mark.parametrize("scene", ["error", "interrupt"])
def test_the_terminal_is_restored_whatever_happens(scene: str) -> None:
    with playing(scene) as terminal:
        assert terminal.finish() != 0
    assert terminal.cursor_visible
    text = " ".join(words_of(terminal.everything))
    assert text.startswith("It is a truth well known")
    assert "●" not in text
    assert "as the scene demands" in text or "KeyboardInterrupt" in text


def test_what_a_server_sends_commands_nothing() -> None:
    with playing("hostile") as terminal:
        terminal.wait_until(lambda: "reconnecting" in terminal.rows[-1])
        assert "[bold red]hi" in terminal.rows[0]
        assert "[bold red]hi" in terminal.rows[-1]
        terminal.press("\n\n")
        assert terminal.finish() == 0
    assert terminal.screen.title == ""
    assert b"\x1b]" not in terminal.bytes
    assert b"\x1b[35m" not in terminal.bytes
    assert "\x9b" not in terminal.bytes.decode()
    cells = [cell for row in terminal.screen.buffer.values() for cell in row.values()]
    assert all(cell.fg == "default" for cell in cells)
    assert "[bold red]hi" in terminal.everything[0]


def test_without_colour_there_is_none() -> None:
    with playing("plain") as coloured, playing("plain", NO_COLOR="1") as terminal:
        assert coloured.finish() == terminal.finish() == 0
    colour = re.compile(rb"\x1b\[[0-9;]*?[349][0-9][0-9;]*m")
    assert colour.search(coloured.bytes)
    assert not colour.search(terminal.bytes)


@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_terminal_that_obeys_nothing_gets_plain_text(term: str) -> None:
    with playing("plain", TERM=term) as terminal:
        assert terminal.finish() == 0
    assert b"\x1b" not in terminal.bytes
    assert terminal.bytes.decode() == f"{TEXT}\r\n{SUMMARY}\r\n"


def test_without_a_terminal_there_is_plain_text() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.ui.session", "plain"], capture_output=True, cwd=REPOSITORY, timeout=30, check=True
    )
    assert run.stdout.decode() == f"{TEXT}\n"
    assert run.stderr.decode() == f"{SUMMARY}\n"


def test_text_into_a_file_leaves_the_status_line_on_the_terminal(tmp_path: Path) -> None:
    with playing("held", shell=f"{{}} > {tmp_path}/text") as terminal:
        terminal.wait_until(lambda: len(terminal.rows) == 1 and "00:10" in terminal.rows[0])
        terminal.press("\n")
        assert terminal.finish() == 0
    assert (tmp_path / "text").read_text("utf-8") == f"{TEXT}\n"
    assert terminal.everything == [SUMMARY]


def test_text_into_a_pipe_is_not_drawn_over() -> None:
    with playing("plain", shell="{} | cat") as terminal:
        assert terminal.finish() == 0
    assert b"\x1b" not in terminal.bytes
    assert TEXT in terminal.bytes.decode()


def test_several_files_have_a_line_each(tmp_path: Path) -> None:
    with playing("several", shell=f"{{}} > {tmp_path}/text") as terminal:
        assert terminal.finish() == 0
    assert terminal.everything == [
        "✓ monday.wav 30.0 s, 4.0x, 53 words",
        "✓ tuesday.wav 30.0 s, 4.0x, 53 words",
    ]


def test_wide_characters_fill_rows_and_break_where_their_scripts_allow() -> None:
    with playing("chinese", 20) as terminal:
        assert terminal.finish() == 0
    lines = [line.replace("\u3000", "") for line in terminal.everything if line]
    text = "".join(lines).replace(" ", "")
    assert text.startswith(CHINESE)
    assert not any(line.startswith(("，", "。")) for line in lines)


class Stream(io.StringIO):
    """A stream that says of itself what it is told to."""

    def __init__(self, terminal: bool, encoding: str = "utf-8") -> None:
        super().__init__()
        self._terminal, self._encoding = terminal, encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return self._terminal


def test_the_display_is_chosen_by_the_streams_and_the_environment() -> None:
    terminal, file, latin = Stream(True), Stream(False), Stream(True, "latin-1")
    xterm = {"TERM": "xterm"}
    assert display_for(terminal, file, xterm) == Display(terminal, colour=True)
    assert display_for(file, terminal, xterm) == Display(terminal, colour=True)
    assert display_for(file, file, xterm) == Display(None)
    assert display_for(latin, terminal, xterm) == Display(None)
    assert display_for(terminal, terminal, xterm | {"NO_COLOR": "1"}) == Display(terminal, colour=False)
    assert display_for(terminal, terminal, xterm | {"NO_COLOR": ""}) == Display(terminal, colour=True)
    assert display_for(terminal, terminal, {"TERM": "dumb"}) == Display(None)
    assert display_for(terminal, terminal, {}) == Display(None)


def test_a_frame_that_cannot_be_written_is_told_to_whoever_shows_the_next_event() -> None:
    class Gone(Stream):
        def write(self, text: str) -> int:
            if self.getvalue():
                raise OutputClosed("the terminal is gone")
            return super().write(text)

    async def run() -> None:
        out = Gone(True)
        view = open_view(cast(TextIO, out), cast(TextIO, out), {"TERM": "xterm"}, live=True)
        view.begin(None)
        view.show(Tail("one"))
        await asyncio.sleep(0.3)
        with pytest.raises(OutputClosed):
            view.show(Tail("two"))
        with pytest.raises(OutputClosed):
            view.end(False)

    asyncio.run(run())


@pytest.mark.real
def test_the_tail_between_new_words_and_its_own_change_is_never_drawn() -> None:
    with playing("slow", 80) as terminal:
        terminal.wait_until(lambda: "an excellent cook is born" in " ".join(terminal.rows))
    for word in ["truth", "known", "world", "excellent"]:
        assert f"{word}\x1b[2m {word}" not in terminal.bytes.decode()


@pytest.mark.parametrize("width", [8, 13, 20, 41])
def test_text_wraps_the_same_however_it_arrives(width: int) -> None:
    text = f"{TEXT} {CHINESE} {'x' * 50}\n\nnext line\twith a tab {TEXT}"
    whole, pieces, lines = Flow(), Flow(), []
    whole.add(text)
    for start in range(0, len(text), 3):
        pieces.add(text[start : start + 3])
        lines += pieces.take(width)
    lines += pieces.take_all(width)
    assert lines == whole.take_all(width)
    assert all(cell_len(row[0][0]) <= width for row in lines)
    assert "".join("".join(row[0][0].split()) for row in lines) == "".join(text.split())
