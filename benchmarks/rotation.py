"""``python -m benchmarks.rotation [SECONDS [EVERY …]]``: what a delta costs the real vLLM, minute by minute.

The sound goes as fast as the server answers; ``EVERY`` is when another connection takes over, in seconds, 0 for never.
It needs what ``make test-real`` installs.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.measure import ROOT, Figure, load, machine_cpu_s, say, show, wait_for_quiet
from tests.vllm.make_tiny_model import write_tiny_model
from tests.vllm.server import VENV, VllmOptions, VllmServer, running_vllm
from voxctl.audio.decode import open_audio
from voxctl.audio.pcm import SAMPLE_RATE_HZ, Chunk
from voxctl.events import Progress, Seam
from voxctl.realtime.models import TICK_S, TICK_SAMPLES, VOXTRAL
from voxctl.session.policy import Policy
from voxctl.session.session import open_session
from voxctl.transport.base import Transport
from voxctl.transport.websocket import WebSocketTarget, open_websocket

_SPEECH = ROOT / "examples" / "sense-and-sensibility.wav"
_MINUTE_S = 60.0
_WARM_UP_S = 10.0
_PROMPT = 39


@dataclass
class Counted:
    """A transport that counts deltas, over all connections of a run."""

    inner: Transport
    n_deltas: list[int]

    async def send(self, text: str) -> None:
        """Send one frame."""
        await self.inner.send(text)

    async def receive(self) -> str:
        """Return the next frame."""
        text = await self.inner.receive()
        self.n_deltas[0] += "transcription.delta" in text
        return text

    async def send_eof(self) -> None:
        """Say that no more is sent."""
        await self.inner.send_eof()

    async def aclose(self) -> None:
        """Close it."""
        await self.inner.aclose()


@dataclass(frozen=True, slots=True)
class Mark:
    """Everything so far: processor time of the server's processes and of the machine, wall time, deltas given."""

    cpu_s: float
    machine_s: float
    at_s: float
    n_deltas: int


@dataclass(frozen=True, slots=True)
class Run:
    """A session's marks at the end of each minute, how many connections it began, and how many seams were in doubt."""

    every_s: float
    marks: list[Mark]
    n_connections: int
    n_uncertain: int

    @property
    def overlap_s(self) -> float:
        """How much sound was heard twice each time another connection took over, in seconds."""
        twice_s = self.marks[-1].n_deltas * TICK_S - _MINUTE_S * (len(self.marks) - 1)
        return twice_s / (self.n_connections - 1) if self.n_connections > 1 else 0.0

    def cpu_ms(self, *, of_session: bool = False) -> list[float]:
        """Return the processor time of a delta in each minute; ``of_session``: what was heard twice counts once."""
        deltas = [round(_MINUTE_S / TICK_S) if of_session else b.n_deltas - a.n_deltas for a, b in self._minutes()]
        return [1000 * (b.cpu_s - a.cpu_s) / n for (a, b), n in zip(self._minutes(), deltas, strict=True)]

    def wall_ms(self) -> list[float]:
        """Return the wall time of a delta of the session in each minute."""
        return [1000 * (b.at_s - a.at_s) * TICK_S / _MINUTE_S for a, b in self._minutes()]

    @property
    def growth(self) -> float:
        """The cost of a delta in the last minute by that in the first."""
        return self.cpu_ms()[-1] / self.cpu_ms()[0]

    @property
    def others_busy(self) -> float:
        """What all but the server took of a core meanwhile, this client included."""
        a, b = self.marks[0], self.marks[-1]
        return (b.machine_s - a.machine_s - (b.cpu_s - a.cpu_s)) / (b.at_s - a.at_s)

    def _minutes(self) -> list[tuple[Mark, Mark]]:
        return list(zip(self.marks, self.marks[1:], strict=False))

    def __str__(self) -> str:
        rows = {
            "a delta": self.cpu_ms(),
            "of the session": self.cpu_ms(of_session=True),
            "wall": self.wall_ms(),
        }
        told = "; ".join(f"{name} {' '.join(f'{ms:.1f}' for ms in row)} ms" for name, row in rows.items())
        seams = (
            f"{self.n_connections} connections, {self.n_uncertain} uncertain seams, {self.overlap_s:.0f} s twice each"
        )
        total_s = self.marks[-1].cpu_s - self.marks[0].cpu_s
        busy = f"total {total_s:.0f} s CPU, others {self.others_busy:.2f} of a core, load {load()}"
        return f"  rotated every {self.every_s:g} s: {told}; {seams}; {busy}"


def _tree_cpu_s(server: VllmServer) -> float:
    root = psutil.Process(server.process.pid)
    times = [process.cpu_times() for process in (root, *root.children(recursive=True))]
    return sum(spent.user + spent.system for spent in times)


async def _speech(seconds: float) -> AsyncIterator[Chunk]:
    """Yield the example over and over, cut to length."""
    with open_audio(_SPEECH) as clip:
        pcm = b"".join([chunk.pcm async for chunk in clip.chunks()])
    n_samples = round(seconds * SAMPLE_RATE_HZ)
    pcm *= 2 * n_samples // len(pcm) + 1
    for start in range(0, n_samples, TICK_SAMPLES):
        yield Chunk(pcm[2 * start : 2 * min(start + TICK_SAMPLES, n_samples)], start)


async def _heard(server: VllmServer, seconds: float, every_s: float) -> Run:
    n_deltas, n_connections, n_uncertain = [0], 0, 0

    async def connect() -> Transport:
        nonlocal n_connections
        n_connections += 1
        return Counted(await open_websocket(WebSocketTarget(server.url)), n_deltas)

    def mark() -> Mark:
        return Mark(_tree_cpu_s(server), machine_cpu_s(), time.monotonic(), n_deltas[0])

    policy, model = Policy(rotate_s=every_s), server.options.model_name
    async with open_session(connect, _speech(seconds), model=model, policy=policy) as session:
        marks = [mark()]
        async for event in session:
            n_uncertain += isinstance(event, Seam) and event.uncertain
            if isinstance(event, Progress) and event.acked_s >= len(marks) * _MINUTE_S:
                marks.append(mark())
    return Run(every_s, marks, n_connections, n_uncertain)


def runs(seconds: float, everies_s: list[float]) -> list[Run]:
    """Let one server hear ``seconds`` of speech for each of ``everies_s``, and say how it went."""
    found = []
    options = VllmOptions(max_model_len=_PROMPT + round(seconds / TICK_S) + 100)
    with (
        tempfile.TemporaryDirectory() as folder,
        running_vllm(write_tiny_model(Path(folder, "model")), options) as server,
    ):
        asyncio.run(_heard(server, _WARM_UP_S, 0.0))
        for every_s in everies_s:
            wait_for_quiet()
            # A little more, so that the last minute is a whole one however the end is counted.
            found.append(asyncio.run(_heard(server, seconds + 1.0, every_s)))
            say(str(found[-1]))
    return found


def pays(seconds: float = 240.0) -> list[Figure]:
    """Compare the default rotation with none."""
    what = f"last minute's cost / first's, {seconds:g} s of vLLM"
    if not (VENV / "bin" / "vllm").exists():
        return [Figure(what, "-", "<= 1.3 x", "not measured: `make test-real` installs the real vLLM")]
    assert VOXTRAL.rotate_s
    rotated, whole = runs(seconds, [VOXTRAL.rotate_s, 0.0])
    costs = [" → ".join(f"{run.cpu_ms()[i]:.0f}" for i in (0, -1)) for run in (rotated, whole)]
    beside = f"{costs[0]} ms a delta, every {rotated.every_s:g} s; never: {costs[1]} ms, {whole.growth:.2f} x"
    return [Figure(what, f"{rotated.growth:.2f} x", "<= 1.3 x", beside)]


if __name__ == "__main__":
    if len(sys.argv) > 2:
        runs(float(sys.argv[1]), [float(every_s) for every_s in sys.argv[2:]])
    else:
        show(pays(*map(float, sys.argv[1:])))
