"""What the status line says while a session survives: on a real pseudo-terminal, at three widths."""

from __future__ import annotations

import asyncio
import json
import re
import wave
from pathlib import Path

import pytest

from tests.cli.program import VOXCTL
from tests.fakes.oracle import OracleServer
from tests.fakes.schedule import Fault, Strike
from tests.fakes.tones import pcm, script
from tests.ui.terminal import Terminal, playing
from voxctl.events import Opened, Progress, Reconnecting, Resumed, Words
from voxctl.ui.screen import DIM, YELLOW
from voxctl.ui.status import LATE_S, TOLD_S, Sound, Status

AWAY = {
    40: "↻ reconnecting (2): the server went sil…",
    80: "↻ reconnecting (attempt 2 in 1.3 s): the server went silent at 3.6 s of audio (…",
    200: "↻ reconnecting (attempt 2 in 1.3 s): the server went silent at 3.6 s of audio (5 s without an answer)",
}
RESUMED = {
    40: "● 00:05 / 00:30  17%  lag 0.5 s  resumed",
    80: "● 00:05 / 00:30  ━━━────────────────────  17%  lag 0.5 s  resumed  ws://gpu:8000",
    200: "● 00:05 / 00:30  ━━━━━───────────────────────────  17%  lag 0.5 s  resumed  ws://gpu:8000",
}
ROTATED = {
    40: "● 00:08 / 00:30  27%  lag 0.5 s  rotated",
    80: "● 00:08 / 00:30  ━━━━━━─────────────────  27%  lag 0.5 s  rotated  ws://gpu:8000",
    200: "● 00:08 / 00:30  ━━━━━━━━────────────────────────  27%  lag 0.5 s  rotated  ws://gpu:8000",
}
BEHIND = {40: "● 00:09 / 00:30  30%  lag 12.5 s", 80: "  30%  lag 12.5 s  ws://gpu:8000", 200: "  30%  lag 12.5 s  ws:"}


@pytest.mark.real
@pytest.mark.parametrize("columns", [40, 80, 200])
def test_each_state_is_told_at_every_width_and_goes_again(columns: int) -> None:
    with playing("survived", columns) as terminal:
        for shown in (AWAY, RESUMED, ROTATED):
            terminal.wait_until(lambda shown=shown: terminal.rows[-1] == shown[columns])  # type: ignore[misc]
            terminal.press("\n")
        terminal.wait_until(lambda: BEHIND[columns] in terminal.rows[-1])  # after three seconds `rotated` has gone
        assert "rotated" not in terminal.rows[-1] and b"\x1b[33mlag 12.5 s" in terminal.bytes
        terminal.press("\n")
        assert terminal.finish() == 0
    text = " ".join(" ".join(terminal.everything).split())
    assert "missing: 9.0 to 9.5 s: no server was there" in text
    assert not any(word in text for word in ("reconnecting", "resumed", "rotated", "lag"))


def texts(status: Status, width: int, now_s: float) -> list[tuple[str, str]]:
    return [span for span in status.row(width, now_s) if span[0].strip()]


def test_a_lag_is_a_warning_only_beyond_what_a_model_takes() -> None:
    status = Status(pace=1.0)
    status.apply(Opened("model"), 0.0)
    for n, (lag_s, style) in enumerate([(2.5, DIM), (LATE_S, DIM), (LATE_S + 0.1, YELLOW), (0.5, DIM)], start=1):
        status.apply(Progress(5.0, 5.0 + lag_s), n)
        assert (f"lag {lag_s:.1f} s", style) in texts(status, 80, n)


def test_as_fast_as_the_server_goes_there_is_no_lag_to_warn_of() -> None:
    status = Status(pace=None)
    status.apply(Opened("model"), 0.0)
    status.apply(Progress(5.0, 5.0, 90.0), 2.0)
    assert not any("lag" in text for text, _ in texts(status, 200, 3.0))


@pytest.mark.parametrize("over", [Progress(1.0, 2.0), Words("a", ()), Resumed(0.0), Opened("model")])
def test_whatever_comes_from_a_connection_ends_the_trouble(over: Progress | Words | Resumed | Opened) -> None:
    status = Status()
    status.apply(Reconnecting(1, 0.0, "gone"), 0.0)
    assert "reconnecting" in texts(status, 80, 0.0)[-1][0]
    status.apply(over, 0.1)
    assert not any("reconnecting" in text for text, _ in texts(status, 80, 0.1))


def test_a_takeover_is_told_for_a_while_and_before_the_lag_where_there_is_no_room_for_both() -> None:
    status = Status(pace=1.0, duration_s=36_000.0)
    status.apply(Opened("model"), 0.0)
    status.apply(Progress(35_000.0, 35_500.0), 0.0)
    status.apply(Resumed(35_000.0), 1.0)
    assert "resumed" in texts(status, 40, 1.0)[-1][0]
    assert "lag 500.0 s" in texts(status, 40, 1.0 + TOLD_S)[-1][0]


@pytest.mark.real
async def test_the_command_shows_what_its_session_goes_through(tmp_path: Path) -> None:
    spoken = script(5, 64)
    sound, events = tmp_path / "speech.wav", tmp_path / "events.jsonl"
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(pcm(spoken))
    faults = (Strike(Fault("drop"), 4.0), Strike(Fault("away", s=1.0)), Strike(Fault("slow_delta", s=1.0, n=5), 10.0))
    async with OracleServer(faults=faults).on_a_port() as url:
        options = ["--model", "voxtral", "--speed", "6", "--rotate-every", "15", "--events", str(events)]
        terminal = Terminal([*VOXCTL, "transcribe", str(sound), "--url", url, *options], 80, 12, {})
        try:
            assert await asyncio.to_thread(terminal.finish) == 0
        finally:
            terminal.close()
    # What was drawn, not what was seen: on a busy machine nobody looks often enough.
    places = [terminal.bytes.find(state) for state in (b"reconnecting (", b"resumed", b"rotated")]
    assert -1 not in places and places == sorted(places)
    assert re.search(rb"\x1b\[33mlag (8\.[1-9]|9\.|[1-9]\d)", terminal.bytes)
    text = " ".join(" ".join(terminal.everything).split())
    assert text.count("s behind: it is slower than the speaker") == 1 == text.count("at worst the server was")
    for word in spoken.words:
        assert f" {word.text} " in f" {text} "
    kinds = [json.loads(line)["type"] for line in events.read_text("utf-8").splitlines()]
    assert {"reconnecting", "resumed", "rotated", "seam", "progress", "stream_ended"} <= set(kinds)


def heard_at(sound: Sound, width: int = 60) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return the line of a microphone that gives this, as text and with its styles."""
    status = Status(target="embedded", pace=1.0, sound=lambda: sound)
    status.apply(Opened("model"), 0.0)
    status.apply(Progress(4.5, 5.0, 5.0), 0.0)
    row = status.row(width, 1.0)
    return "".join(text for text, _ in row), row


@pytest.mark.parametrize(
    ("level_db", "meter"),
    [(-90.0, "────────"), (-60.0, "────────"), (-30.0, "━━━━────"), (0.0, "━━━━━━━━"), (6.0, "━━━━━━━━")],
)
def test_the_level_of_a_microphone_is_a_meter(level_db: float, meter: str) -> None:
    assert heard_at(Sound(level_db))[0] == f"● 00:04  {meter}  lag 0.5 s  embedded"


def test_what_is_wrong_with_a_microphone_is_a_warning_and_the_last_thing_to_be_left_out() -> None:
    text, row = heard_at(Sound(-50.0, "too quiet"))
    assert text == "● 00:04  ━───────  too quiet  lag 0.5 s  embedded"
    assert ("too quiet", YELLOW) in row and ("━", YELLOW) in row
    assert heard_at(Sound(-50.0, "too quiet"), 18)[0] == "● 00:04  too quiet"


def test_a_pause_is_shown_at_once() -> None:
    now = Sound(-20.0)
    status = Status(pace=1.0, sound=lambda: now)
    status.apply(Opened("model"), 0.0)
    assert status.row(60, 1.0)[0][0] == "● "
    now = Sound(-20.0, paused=True)
    assert "".join(text for text, _ in status.row(60, 1.01)) == "‖ 00:00  paused; space goes on, Ctrl-C ends"
