"""``python -m benchmarks.streams``: how many paced streams one process holds, beside a bare client of the same library.

A process holds as many as it sends in time: the 99th percentile of the lateness stays below 20 ms. A trial that fails
while something else is at work on the machine says nothing and is made again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from benchmarks.measure import (
    Figure,
    children_cpu_s,
    load,
    machine_cpu_s,
    many_streams,
    peer,
    say,
    show,
    wait_for_quiet,
)

LATE_MS = 20.0
_FIRST = 300
_STEP = 1.1
_TIMES = 4
#: What anything else may take of a core while a failure still counts.
_QUIET = 0.1


@dataclass(frozen=True, slots=True)
class Trial:
    """What ``n`` streams did; each ``busy`` is a share of one core."""

    kind: str
    n: int
    p99_ms: float
    busy: float
    server_busy: float
    others_busy: float
    n_failed: int

    @property
    def held(self) -> bool:
        """Whether the process kept up."""
        return self.p99_ms <= LATE_MS and not self.n_failed


def trial(kind: str, n: int) -> Trial:
    """Run ``n`` streams in a fresh process against a fresh server, and say how it went."""
    wait_for_quiet()
    with peer() as server:
        began_s, machine_s, spent_s = time.monotonic(), machine_cpu_s(), children_cpu_s()
        seen = many_streams(kind, n, server.url)
        took_s, server_s = time.monotonic() - began_s, server.cpu_s()
        others_s = machine_cpu_s() - machine_s - server_s - (children_cpu_s() - spent_s)
    result = Trial(kind, n, seen.p99_ms, seen.busy, server_s / took_s, others_s / took_s, len(seen.failed))
    failed = f"; {result.n_failed} failed: {seen.failed[0]}" if result.n_failed else ""
    busy = f"busy {result.busy:.2f}, server {result.server_busy:.2f}, others {result.others_busy:.2f}"
    say(f"  {kind} {n}: p99 {result.p99_ms:.1f} ms, {busy}, load {load()}{failed}")
    return result


def _tried(kind: str, n: int) -> Trial:
    for _ in range(_TIMES):
        result = trial(kind, n)
        if result.held or result.others_busy < _QUIET:
            break
    return result


def most(kind: str, first: Trial) -> Trial:
    """Return the last trial that held, in steps of a tenth from where the processor time of ``first`` points to."""
    result = _tried(kind, round(0.9 * first.n / first.busy))
    upwards = result.held
    while True:
        further = _tried(kind, round(result.n * _STEP if upwards else result.n / _STEP))
        if further.held != upwards:
            return result if upwards else further
        result = further


def against_bare() -> list[Figure]:
    """Compare the most streams of both, and the processor time of a stream while neither is at its limit."""
    firsts = {kind: trial(kind, _FIRST) for kind in ("bare", "ours")}
    bare, ours = (most(kind, first) for kind, first in firsts.items())
    beside = (
        f"ours {ours.n} (p99 {ours.p99_ms:.0f} ms, busy {ours.busy:.2f}, server {ours.server_busy:.2f}), "
        f"bare {bare.n} (p99 {bare.p99_ms:.0f} ms, busy {bare.busy:.2f}, server {bare.server_busy:.2f})"
    )
    cpu_ms = {kind: 1000 * first.busy / first.n for kind, first in firsts.items()}
    cpu = f"ours {cpu_ms['ours']:.2f} ms, bare {cpu_ms['bare']:.2f} ms, {_FIRST} streams each"
    ratio = cpu_ms["ours"] / cpu_ms["bare"]
    return [
        Figure("paced streams in one process / bare client", f"{ours.n / bare.n:.2f} x", ">= 0.6 x", beside),
        Figure("CPU per second of sound / bare client", f"{ratio:.2f} x", "", cpu),
    ]


if __name__ == "__main__":
    show(against_bare())
