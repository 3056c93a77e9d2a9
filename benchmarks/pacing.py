"""``python -m benchmarks.pacing [MINUTES]``: whether a paced file keeps time."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.measure import Child, Figure, peer, show, transcribe, write_wav

_CHUNK_S = 0.08
_MINUTE = round(60 / _CHUNK_S)


def drift(minutes: float = 10.0) -> Figure:
    """Pace a file at real time and look at when each chunk arrived.

    Lateness is against a clock that starts with the chunk that came soonest after its due moment. The drift is the
    median lateness of the last minute less that of the first.
    """
    with tempfile.TemporaryDirectory() as folder, peer(notes=True) as server:
        sound = write_wav(Path(folder, "sound.wav"), minutes * 60)
        Child(transcribe(server.url, sound, "--speed", "1")).wait()
        arrived_s = server.arrivals_s()
    after_due_s = [at_s - i * _CHUNK_S for i, at_s in enumerate(arrived_s)]
    late_ms = [1000 * (after_s - min(after_due_s)) for after_s in after_due_s]
    drift_ms = median(late_ms[-_MINUTE:]) - median(late_ms[:_MINUTE])
    p99_ms = sorted(late_ms)[int(0.99 * len(late_ms))]
    beside = f"late: median {median(late_ms):.1f}, p99 {p99_ms:.1f}, worst {max(late_ms):.1f} ms; {len(late_ms)} chunks"
    return Figure(f"drift over {minutes:g} min at --speed 1", f"{drift_ms:+.2f} ms", "<= 5 ms", beside)


if __name__ == "__main__":
    show([drift(*map(float, sys.argv[1:2]))])
