"""voxctl as a library: what the README shows runs as shown, is typed, and costs nothing until it is used."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import voxctl
from tests.cli.program import CLIP, REPOSITORY
from tests.docs import README

SHOWN = re.findall(r"^```python\n(.*?)^```", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def python(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=100, check=False)


@pytest.fixture(params=range(len(SHOWN)))
def shown(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "shown.py"
    path.write_text(SHOWN[request.param], "utf-8")
    return path


def test_the_readme_shows_the_library_in_a_few_lines() -> None:
    assert SHOWN and all(len([line for line in code.splitlines() if line]) <= 12 for code in SHOWN)


@pytest.mark.real
def test_what_the_readme_shows_runs_as_shown(shown: Path) -> None:
    done = python(shown)
    assert done.returncode == 0, done.stderr
    assert "had he married" in done.stdout and done.stderr == ""


def test_what_the_readme_shows_is_typed(shown: Path) -> None:
    done = python("-m", "mypy", "--strict", shown)
    assert done.returncode == 0, done.stdout


def test_every_public_name_is_there_and_the_others_are_not() -> None:
    for name in voxctl.__all__:
        assert getattr(voxctl, name) is not None and name in dir(voxctl)
    with pytest.raises(AttributeError, match="no attribute 'Session'"):
        _ = voxctl.Session  # type: ignore[attr-defined]


def test_importing_it_loads_nothing_but_itself() -> None:
    code = "import sys; import voxctl; print(*sorted(m for m in sys.modules if m.startswith('voxctl')))"
    assert python("-c", code).stdout.split() == ["voxctl", "voxctl._version", "voxctl.errors"]


async def test_a_session_makes_a_transcript_and_a_document() -> None:
    transcript = voxctl.Transcript(source="clip")
    async with voxctl.embedded() as connect:
        with voxctl.open_audio(CLIP) as audio:
            async with voxctl.open_session(connect, voxctl.paced(audio.chunks(), 8.0)) as session:
                async for event in session:
                    transcript.apply(event)
    assert transcript.complete and len(transcript.words) > 15
    assert voxctl.export(transcript, voxctl.Format.VTT, target="embedded").startswith("WEBVTT\n\n00:00:0")


def test_an_address_that_is_none_is_refused_before_anything_is_connected() -> None:
    with pytest.raises(voxctl.VoxError, match="is not a WebSocket address"):
        voxctl.websocket("ftp://host")
