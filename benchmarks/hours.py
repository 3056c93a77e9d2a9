"""``python -m benchmarks.hours [HOURS]``: whether a live session's memory stays flat over ten hours of faults.

The hours are virtual: they pass in minutes. The server that hears tones is in the same process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from benchmarks.measure import PYTHON, ROOT, Figure, show

_HOURS = 10
#: By the end of this hour everything that is bounded has reached its bound.
_SETTLED = 2


def flat(hours: int = _HOURS) -> list[Figure]:
    """Run it as it is, and beside it with every allocation of voxctl's counted."""
    runs = [_started(hours), _started(hours, "traced")]
    plain, traced = (_told(run) for run in runs)
    words = f"{plain['n_lost']} and {plain['n_doubled']}"
    beside = f"of {plain['n_words']} words; {plain['n_connections']} connections, {plain['n_seams']} seams"
    if not (plain["perfect"] and traced["perfect"]):
        beside += "; NOT PERFECT"
    held = [mark["n_bytes"] / 1e3 for mark in traced["marks"]]
    rss = [mark["rss"] / 1e6 for mark in plain["marks"]]
    n_objects = [mark["n_objects"] for mark in plain["marks"]]
    n_later = hours - _SETTLED
    rss_beside = (
        f"{rss[_SETTLED - 1]:.1f} → {rss[-1]:.1f} MB; the transcript {plain['transcript'] / 1e6 / hours:.2f} MB/h"
    )
    return [
        Figure(f"words lost and doubled, {hours} h, a fault a minute", words, "0 and 0", beside),
        Figure(
            f"what a session holds, hour {hours} / hour {_SETTLED}",
            f"{held[-1] / held[_SETTLED - 1]:.2f} x",
            "<= 1.2 x",
            _row("kB", held),
        ),
        Figure(
            "its objects and tasks, most / least", f"{max(n_objects)} / {min(n_objects)}", "flat", _row("", n_objects)
        ),
        Figure(
            f"RSS growth an hour after hour {_SETTLED}",
            f"{(rss[-1] - rss[_SETTLED - 1]) / n_later:+.2f} MB",
            "flat",
            rss_beside,
        ),
    ]


def _row(unit: str, values: list[float]) -> str:
    return f"by hour: {' '.join(f'{value:.0f}' for value in values)} {unit}".rstrip()


def _started(hours: int, *how: str) -> subprocess.Popen[str]:
    command = [PYTHON, "-m", "benchmarks.hours_run", str(hours), *how]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def _told(run: subprocess.Popen[str]) -> dict[str, Any]:
    told, _ = run.communicate()
    if run.returncode:
        raise SystemExit(f"the hours ended with {run.returncode}")
    found: dict[str, Any] = json.loads(told)
    return found


if __name__ == "__main__":
    show(flat(*map(int, sys.argv[1:2])))
