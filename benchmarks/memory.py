"""``python -m benchmarks.memory``: the most memory that an hour of sound needs."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.measure import PYTHON, Figure, peer, run, show, transcribe, write_wav

_NEEDED = "import asyncio, ssl, typer, rich, websockets.asyncio.client, numpy, soundfile"
_MINUTES = 60


def hour_of_wav() -> Figure:
    """Transcribe an hour as fast as the server answers; a minute and the bare libraries beside it."""
    floor = run([PYTHON, "-c", _NEEDED])
    with tempfile.TemporaryDirectory() as folder, peer() as server:
        short = run(transcribe(server.url, write_wav(Path(folder, "short.wav"), 60)))
        long = run(transcribe(server.url, write_wav(Path(folder, "long.wav"), _MINUTES * 60)))
    beside = f"its libraries: {floor.peak_mb:.0f} MB; one minute: {short.peak_mb:.0f} MB; took {long.took_s:.0f} s"
    return Figure(f"peak RSS, {_MINUTES} min of WAV", f"{long.peak_mb:.0f} MB", "<= 90 MB", beside)


if __name__ == "__main__":
    show([hour_of_wav()])
