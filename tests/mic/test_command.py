"""`voxctl mic` as a person has it: a real terminal, a microphone of no hardware, the recogniser that comes along."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import wave
from pathlib import Path

import pytest

from tests.cli.program import CLIP, REPOSITORY
from tests.docs import README
from tests.mic.pulse import Pulse
from tests.ui.terminal import Terminal

pytestmark = pytest.mark.real
VOXCTL = [sys.executable, "-m", "voxctl", "mic"]


def shown(terminal: Terminal) -> str:
    return "\n".join(terminal.everything)


def known_in(text: str) -> set[str]:
    """Return which words of the beginning of the clip are in this; on a busy machine not each is heard right."""
    return set(text.split()) & {"had", "he", "married", "a", "more", "amiable", "woman", "might", "have", "been"}


def test_somebody_speaks_and_words_are_there(sound: Pulse, tmp_path: Path) -> None:
    output, record = tmp_path / "talk.vtt", tmp_path / "talk.wav"
    environment = {**sound.environment, "VOXCTL_CONFIG": "/dev/null"}
    terminal = Terminal([*VOXCTL, "-o", str(output), "--record", str(record)], 80, 14, environment)
    try:
        terminal.wait_until(lambda: terminal.rows[-1].startswith("●") and record.stat().st_size > 20_000, 20)
        with sound.playing(CLIP):
            terminal.wait_until(lambda: len(known_in(shown(terminal))) >= 4 and "lag" in terminal.rows[-1], 30)
            assert "━" in terminal.rows[-1], "the level is shown"
        terminal.press("\x03")
        assert terminal.finish() == 0
    finally:
        terminal.close()
    assert terminal.cursor_visible and "low-accuracy" in shown(terminal)
    document = output.read_text("utf-8")
    assert document.startswith("WEBVTT\n") and known_in(document) >= known_in(shown(terminal).split("finishing")[0])
    with wave.open(str(record)) as file:
        recorded = file.readframes(file.getnframes())
    assert record.stat().st_mode & 0o777 == 0o600 and max(recorded) > 0 and len(recorded) > 32_000


def test_no_microphone_is_one_line_and_what_mends_it(tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "VOXCTL_CONFIG": "/dev/null"}
    done = subprocess.run(
        VOXCTL, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 3 and len(done.stderr.splitlines()) == 2, done.stderr
    assert "microphone" in done.stderr and "  try: " in done.stderr


def test_a_microphone_that_is_not_there_starts_no_recogniser(sound: Pulse) -> None:
    begun_s = time.monotonic()
    command = [*VOXCTL, "--device", "no such thing"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 3 and "no microphone 'no such thing'" in done.stderr and "--list-devices" in done.stderr
    assert time.monotonic() - begun_s < 15


def test_what_the_readme_shows_of_the_library_runs_as_shown(sound: Pulse, tmp_path: Path) -> None:
    (shown_code,) = re.findall(r"^```py\n(.*?)^```", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert len([line for line in shown_code.splitlines() if line]) <= 10
    script = tmp_path / "shown.py"
    script.write_text(shown_code, "utf-8")
    with subprocess.Popen([sys.executable, script], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout
        try:
            while sound.ask("list", "short", "source-outputs").count("\n") < 1:  # the first one is the server's own
                assert program.poll() is None
                time.sleep(0.1)
            time.sleep(2.5)  # a null sink has rendered ahead
            with sound.playing(CLIP):
                heard = program.stdout.read(10)
        finally:
            program.kill()
    assert re.fullmatch(r"[a-z' ]{10}", heard), "words, as they are committed"
