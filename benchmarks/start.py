"""``python -m benchmarks.start``: how soon the first audio is on the wire, and how soon there is help."""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median

from benchmarks.measure import PYTHON, VOXCTL, Figure, peer, run, show, transcribe, write_wav

_TIMES = 9
_NEEDED = "import typer, rich, websockets.asyncio.client, numpy, soundfile"


def first_audio() -> Figure:
    """Time a fresh process until its first audio frame reaches a server that is up."""
    floors, starts = [], []
    with tempfile.TemporaryDirectory() as folder, peer(notes=True) as server:
        sound = write_wav(Path(folder, "sound.wav"), 2)
        for _ in range(_TIMES):
            floors.append(run([PYTHON, "-c", _NEEDED]).took_s)
            cost = run(transcribe(server.url, sound))
            starts.append(server.arrivals_s()[0] - cost.started_s)
    beside = f"importing what it needs: {median(floors):.2f} s; best {min(starts):.2f} s, worst {max(starts):.2f} s"
    return Figure("start → first audio on the wire", f"{median(starts):.2f} s", "<= 0.5 s", beside)


def help_text() -> Figure:
    """Time ``voxctl --help`` against its two libraries for the command line."""
    floors, helps = [], []
    for _ in range(_TIMES):
        floors.append(run([PYTHON, "-c", "import typer, rich"]).took_s)
        helps.append(run([*VOXCTL, "--help"]).took_s)
    ratio = median(helps) / median(floors)
    beside = f"{median(helps):.2f} s; python -c 'import typer, rich': {median(floors):.2f} s"
    return Figure("voxctl --help", f"{ratio:.2f} x", "<= 2 x", beside)


if __name__ == "__main__":
    show([first_audio(), help_text()])
