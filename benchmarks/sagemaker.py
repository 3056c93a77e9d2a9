"""``python -m benchmarks.sagemaker``: what the way through SageMaker costs, against the straight one.

The service is the stand-in, in a process of its own; the client is the real SDK over TLS and HTTP/2.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measure import (
    PYTHON,
    ROOT,
    VOXCTL,
    Figure,
    load,
    peer,
    process_cpu_s,
    run,
    say,
    show,
    transcribe,
    wait_for_quiet,
    write_wav,
)

_TIMES = 5
#: The lengths of the files, in seconds: their difference leaves the start-up out.
_LIVE, _FAST = (4.0, 34.0), (60.0, 360.0)
_KINDS = ("direct", "sagemaker")
#: How late 99 % of the messages of a stream that is held may be, in milliseconds.
_LATE_MS = 20.0
#: The streams of the first trial, and the steps of those after it.
_STREAMS, _STEP, _TRIALS = 40, 1.2, 4
#: How long each of them waits for a machine with nothing else to do, in seconds.
_QUIET_S = 15.0


@contextlib.contextmanager
def standin(upstream: str | None = None) -> Iterator[dict[str, Any]]:
    """Run the stand-in for as long as the context is open; the environment points voxctl at it meanwhile."""
    command = [PYTHON, "-m", "benchmarks.standin", *([upstream] if upstream else [])]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdin
        service: dict[str, Any] = json.loads(process.stdout.readline()) | {"pid": process.pid}
        before = dict(os.environ)
        os.environ.update(
            AWS_ACCESS_KEY_ID=service["access_key_id"],
            AWS_SECRET_ACCESS_KEY=service["secret_access_key"],
            AWS_CA_BUNDLE=service["ca_bundle"],
            AWS_EC2_METADATA_DISABLED="true",
        )
        try:
            yield service
        finally:
            os.environ.clear()
            os.environ.update(before)
            process.stdin.close()


def through(service: dict[str, Any], path: Path, *options: str) -> list[str]:
    """Return the command that transcribes ``path`` through the stand-in."""
    where = ("--endpoint", "local", "--region", service["region"], "--endpoint-url", service["endpoint_url"])
    return [*VOXCTL, "transcribe", str(path), *where, *options]


def messages() -> list[Figure]:
    """Time messages of 5.5 kB there and back, and find out how many streams at the pace of speech a process holds."""
    with standin() as service:
        wait_for_quiet()
        direct, ours = (_client(kind, 1, service) for kind in _KINDS)
        figures = [
            Figure(
                f"5.5 kB there and back, {name}",
                f"{ours[key]:.2f} ms",
                wanted,
                f"a WebSocket straight: {direct[key]:.2f} ms",
            )
            for name, key, wanted in (
                ("median", "p50_ms", "-"),
                ("95 %", "p95_ms", "-"),
                ("CPU", "cpu_ms", "<= 0.6 ms"),
            )
        ]
        straight, through_it = (_most(kind, service) for kind in _KINDS)
    beside = "; ".join(
        f"{name} {most.n} (99 % late by {most.p99_ms:.1f} ms, busy {most.busy:.2f}, stand-in {most.server_busy:.2f})"
        for name, most in (("straight", straight), ("through it", through_it))
    )
    return [*figures, Figure("streams in one process / straight", f"{through_it.n / straight.n:.2f} x", "-", beside)]


@dataclass(frozen=True, slots=True)
class Trial:
    """What ``n`` streams did; each ``busy`` is a share of one core."""

    n: int
    p99_ms: float
    busy: float
    server_busy: float

    @property
    def held(self) -> bool:
        """Whether the process sent in time."""
        return self.p99_ms <= _LATE_MS


def _most(kind: str, service: dict[str, Any]) -> Trial:
    """Return the largest trial that held, in steps of a fifth from where the processor time of a few points to."""
    best = _trial(kind, _STREAMS, service)
    if not best.held:
        return best
    n, tried = round(0.8 * best.n / best.busy), 0
    while n > best.n and tried < _TRIALS:
        found, tried = _trial(kind, n, service), tried + 1
        if found.held:
            best, n = found, round(n * _STEP)
        elif best.n == _STREAMS:
            n = round(n / _STEP)
        else:
            break
    return best


def _trial(kind: str, n: int, service: dict[str, Any]) -> Trial:
    wait_for_quiet(most_s=_QUIET_S)
    began_s, server_s = time.monotonic(), process_cpu_s(service["pid"])
    found = _client(kind, n, service)
    server_s = process_cpu_s(service["pid"]) - server_s
    trial = Trial(n, found["p99_ms"], found["busy"], server_s / (time.monotonic() - began_s))
    busy = f"busy {trial.busy:.2f}, stand-in {trial.server_busy:.2f}"
    say(f"  {kind} {n}: p99 {trial.p99_ms:.1f} ms, {busy}, load {load()}")
    return trial


def _client(kind: str, n: int, service: dict[str, Any]) -> dict[str, float]:
    command = [PYTHON, "-m", "benchmarks.sagemaker_client", kind, str(n), json.dumps(service)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if told.returncode:
        raise SystemExit(told.stderr)
    found: dict[str, float] = json.loads(told.stdout)
    return found


def first_audio() -> Figure:
    """Time a fresh process until its first audio frame reaches the model behind the stand-in."""
    starts: dict[str, list[float]] = {"direct": [], "sagemaker": []}
    with tempfile.TemporaryDirectory() as folder, peer(notes=True) as server, standin(server.url) as service:
        sound = write_wav(Path(folder, "sound.wav"), 2)
        for _ in range(_TIMES):
            for kind, command in (("direct", transcribe(server.url, sound)), ("sagemaker", through(service, sound))):
                cost = run(command)
                starts[kind].append(server.arrivals_s()[0] - cost.started_s)
    found = starts["sagemaker"]
    beside = f"best {min(found):.2f} s, worst {max(found):.2f} s; straight: {median(starts['direct']):.2f} s"
    return Figure("start → first audio, SageMaker", f"{median(found):.2f} s", "<= 1.0 s", beside)


def cpu() -> list[Figure]:
    """Measure what a second of sound costs, live and as fast as it goes: a long file less a short one."""
    figures = []
    with tempfile.TemporaryDirectory() as folder, peer() as server, standin(server.url) as service:
        for name, lengths, options, wanted in (
            ("live", _LIVE, ("--speed", "1"), "<= 8 ms"),
            ("unpaced", _FAST, (), "-"),
        ):
            costs = {}
            for kind in ("direct", "sagemaker"):
                used = []
                for seconds in lengths:
                    path = write_wav(Path(folder, "sound.wav"), seconds)
                    command = transcribe(server.url, path) if kind == "direct" else through(service, path)
                    wait_for_quiet(most_s=20)
                    used.append(run([*command, *options]).cpu_s)
                costs[kind] = 1000 * (used[1] - used[0]) / (lengths[1] - lengths[0])
            beside = f"a WebSocket straight: {costs['direct']:.1f} ms"
            what = f"CPU per second of sound, {name}, SageMaker"
            figures.append(Figure(what, f"{costs['sagemaker']:.1f} ms", wanted, beside))
    return figures


def all_of_it() -> list[Figure]:
    """Measure everything."""
    return [*messages(), first_audio(), *cpu()]


if __name__ == "__main__":
    show(all_of_it())
