"""``python -m benchmarks [NAME …]``: the whole table, or the parts that are named. It takes about 40 minutes."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from benchmarks import (
    cpu,
    demo,
    gateway,
    hours,
    memory,
    mic,
    pacing,
    redact,
    resume,
    rotation,
    sagemaker,
    start,
    streams,
)
from benchmarks.measure import Figure, show

PARTS: dict[str, Callable[[], list[Figure]]] = {
    "start": lambda: [start.first_audio(), start.help_text()],
    "memory": lambda: [memory.hour_of_wav()],
    "cpu": lambda: [*cpu.live_stream(), *cpu.fast_stream()],
    "streams": streams.against_bare,
    "pacing": lambda: [pacing.drift()],
    "resume": resume.after_a_cut,
    "hours": hours.flat,
    "mic": lambda: [mic.latency(), mic.hour()],
    "rotation": rotation.pays,
    "sagemaker": sagemaker.all_of_it,
    "gateway": gateway.all_of_it,
    "demo": demo.page,
    "redact": redact.masking,
}


def main() -> None:
    """Measure and print the parts that are named, all of them if none is."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure how fast voxctl is.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(PARTS)}")
    names = parser.parse_args().names
    if unknown := [name for name in names if name not in PARTS]:
        parser.error(f"no benchmark is called {unknown[0]!r}; there are {', '.join(PARTS)}")
    for name in names or PARTS:
        show(PARTS[name]())


if __name__ == "__main__":
    main()
