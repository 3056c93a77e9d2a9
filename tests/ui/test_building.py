"""What a build shows: in a terminal one row that tells how far it is, elsewhere lines."""

from __future__ import annotations

import asyncio
import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from tests.container.scripted import scripted_docker
from tests.ui.terminal import Terminal
from voxctl import __version__
from voxctl.ui.building import BuildView

LAYER = "#4 sha256:b09927b9f82be0abe2c6342a836480c7328a8422cabae064454bae48ce220a00 20.97MB / 37.77MB 0.2s"


@contextmanager
def building(folder: Path, columns: int) -> Iterator[Terminal]:
    """Run `voxctl build` in a terminal, with a docker that holds in the middle of a layer until ``go`` is there."""
    docker = scripted_docker(folder)
    docker.reply("buildx build", f"#4 [1/3] FROM public.ecr.aws/vllm:server\n{LAYER}")
    path = folder / "docker"
    wait = f"while [ ! -e {folder}/go ]; do sleep 0.02; done; exit 0"
    path.write_text(path.read_text().replace("docker-0; exit 0", f"docker-0; {wait}"))
    environment = {
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "VOXCTL_CONFIG": os.devnull,
        "HOME": str(folder),
    }
    terminal = Terminal([sys.executable, "-m", "voxctl", "build"], columns, 12, environment | {"TMPDIR": str(folder)})
    try:
        yield terminal
    finally:
        terminal.close()


@pytest.mark.real
@pytest.mark.parametrize("columns", [40, 100])
def test_a_terminal_shows_how_far_a_layer_is_and_what_stays_is_short(columns: int, tmp_path: Path) -> None:
    with building(tmp_path, columns) as terminal:
        # Until the layer that it holds in, which is shown beside the seconds where there is room.
        terminal.wait_until(lambda: re.search(r"  0:\d\d  2", terminal.rows[-1]) is not None, 40)
        row = terminal.rows[-1]
        assert row.startswith(f"● build voxctl:{__version__}  0:")
        assert len(row) < columns
        if columns == 100:
            assert "21.0 of 37.8 MB" in row and "step 1 of 3: FROM public.ecr.aws/vllm:server" in row
        assert not terminal.cursor_visible
        (tmp_path / "go").touch()
        assert terminal.finish() == 0
        assert terminal.rows[-1] == f"voxctl:{__version__}"
        (done,) = [row for row in terminal.everything if row.startswith("✓")]
        assert re.fullmatch(rf"✓ build voxctl:{re.escape(__version__)} \(\d+ s\)", done)
        assert not any("●" in row for row in terminal.everything)
        assert terminal.cursor_visible


def test_ctrl_c_leaves_a_terminal_as_it_was(tmp_path: Path) -> None:
    with building(tmp_path, 80) as terminal:
        terminal.wait_until(lambda: "0:0" in terminal.rows[-1], 40)
        terminal.press("\x03")
        assert terminal.finish() == 130
        assert terminal.rows[-1] == "interrupted" and terminal.cursor_visible
        assert not any("●" in row for row in terminal.everything)


async def test_where_nothing_can_be_drawn_it_says_now_and_then_that_it_goes_on() -> None:
    err, seconds = io.StringIO(), count(0, 8)
    view = BuildView(io.StringIO(), err, {}, clock=lambda: next(seconds))
    with view.step("push voxctl:v1", lambda: "1.2 of 9.8 GB"):
        view.stage("pushing")
        while "still" not in err.getvalue():  # noqa: ASYNC110  # a timer of its own writes it
            await asyncio.sleep(0.01)
    lines = err.getvalue().splitlines()
    assert lines[:2] == ["push voxctl:v1", "pushing"]
    assert lines[2].startswith("still at it: pushing, 1.2 of 9.8 GB, ") and lines[2].endswith(" s")
