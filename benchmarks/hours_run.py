"""``python -m benchmarks.hours_run HOURS [traced]``: a session of hours of virtual time; prints what it held, as JSON.

``traced`` counts what code of voxctl allocated, which makes it slower and the process larger.
"""

from __future__ import annotations

import json
import sys
import tracemalloc
from dataclasses import asdict

from tests.session.hours import hours_of_speech, survived_hours


def main(hours: str, *traced: str) -> None:
    """Run it and tell."""
    spoken = hours_of_speech(float(hours))
    if traced:
        tracemalloc.start()
    survived = survived_hours(spoken)
    tracemalloc.stop()
    verdict, kept = survived.verdict, survived.kept
    told = {
        "n_words": verdict.n_said,
        "n_lost": len(verdict.lost) + len(verdict.told),
        "n_doubled": len(verdict.doubled),
        "perfect": survived.perfect,
        "n_seams": kept.n_seams,
        "n_connections": survived.n_connections,
        "transcript": kept.n_bytes,
        "marks": [asdict(mark) for mark in survived.marks],
    }
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
