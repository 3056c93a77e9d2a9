"""``python -m benchmarks.gateway``: what the gateway costs, beside vLLM's server without it and a process in between.

Three servers run at once and take turns, so that what else the machine does meets all of them. It needs what
``make test-real`` installs.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psutil
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.measure import ROOT, Figure, show, wait_for_quiet
from tests.vllm.make_tiny_model import write_tiny_model
from tests.vllm.server import VENV, VllmOptions, running_vllm

KINDS = ("direct", "gateway", "relay")
_ROUNDS, _MESSAGES, _STREAMS, _IDLE, _BUSY = 7, 2_000, 16, 1_000, 64
_PACED, _PACED_S, _VLLM_ROUNDS = 8, 15.0, 3
_TICK_S = 0.08
_CHUNK = bytes((i * i * 31 + i * 7) % 251 for i in range(2560))
_APPEND = json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(_CHUNK).decode()})
_COMMIT = '{"type":"input_audio_buffer.commit"}'


@dataclass(slots=True)
class Server:
    """One of those compared; ``processes`` are all that a message goes through."""

    url: str
    processes: list[psutil.Process]
    trips_s: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    accepts_s: list[float] = field(default_factory=list)

    def cpu_s(self) -> float:
        """Return the processor time they have taken so far."""
        return sum(sum(process.cpu_times()[:2]) for process in self.processes)

    def held_b(self) -> int:
        """Return the memory they have."""
        return sum(int(process.memory_info().rss) for process in self.processes)


@contextlib.contextmanager
def servers() -> Iterator[dict[str, Server]]:
    """Run the three of them; the relay is in front of a direct one of its own."""
    with contextlib.ExitStack() as stack:
        running = {kind: stack.enter_context(_server(kind)) for kind in ("direct", "gateway")}
        behind = stack.enter_context(_server("direct"))
        between = stack.enter_context(_server("relay", behind.url))
        yield {**running, "relay": Server(between.url, between.processes + behind.processes)}


@contextlib.contextmanager
def _server(*arguments: str) -> Iterator[Server]:
    # -P: this module has the name of the package that it measures.
    command = [str(VENV / "bin" / "python"), "-P", str(ROOT / "benchmarks" / "gateway_server.py"), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "container")}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin and process.stdout
        yield Server(process.stdout.readline().strip(), [psutil.Process(process.pid)])
        process.stdin.close()


async def _open(url: str) -> ClientConnection:
    socket = await connect(url, compression=None, max_queue=None, ping_interval=None, open_timeout=60)
    await socket.recv()
    return socket


async def _trips(server: Server, n_streams: int) -> None:
    """Send chunks, each when the last one is answered, on so many streams at once."""

    async def one() -> None:
        socket = await _open(server.url)
        await socket.send(_COMMIT)
        for _ in range(_MESSAGES // n_streams):
            began_s = time.perf_counter()
            await socket.send(_APPEND)
            await socket.recv()
            if n_streams == 1:
                server.trips_s.append(time.perf_counter() - began_s)
        await socket.close()

    before_s = server.cpu_s()
    await asyncio.gather(*(one() for _ in range(n_streams)))
    if n_streams > 1:
        server.cpu_us.append((server.cpu_s() - before_s) / _MESSAGES * 1e6)


async def _idle_kb(server: Server) -> float:
    """Return what an idle connection costs a server that has had few before."""
    warm = [await _open(server.url) for _ in range(20)]
    before_b = server.held_b()
    sockets = [await _open(server.url) for _ in range(_IDLE)]
    held_b = server.held_b() - before_b
    await asyncio.gather(*(socket.close() for socket in [*warm, *sockets]))
    return held_b / _IDLE / 1024


async def _paced(url: str, until_s: float, lags_s: list[float], opening: Sequence[str] = (_COMMIT,)) -> None:
    """One stream at the pace of speech: note from each chunk to the delta that it makes due."""
    socket = await _open(url)
    sent_s: list[float] = []
    for message in opening:
        await socket.send(message)

    async def listen() -> None:
        n_deltas = 0
        async for text in socket:
            if "transcription.delta" in str(text):
                # Delta i is due with the sample 9,000 + 1,280 i, if the server waits for a delay at all.
                due = n_deltas + (7 if len(opening) > 1 else 0)
                lags_s.append(time.perf_counter() - sent_s[min(due, len(sent_s) - 1)])
                n_deltas += 1

    listening = asyncio.create_task(listen())
    began_s = time.perf_counter()
    while time.perf_counter() < until_s:
        sent_s.append(time.perf_counter())
        await socket.send(_APPEND)
        await asyncio.sleep(max(0.0, began_s + len(sent_s) * _TICK_S - time.perf_counter()))
    await socket.close()
    await listening


async def _accepts(server: Server) -> None:
    """Open streams while many others are busy, and note how long each takes to be accepted."""
    until_s = time.perf_counter() + 4.0
    busy = [asyncio.create_task(_paced(server.url, until_s, [])) for _ in range(_BUSY)]
    await asyncio.sleep(1.0)
    for _ in range(50):
        began_s = time.perf_counter()
        socket = await connect(server.url, compression=None, ping_interval=None)
        server.accepts_s.append(time.perf_counter() - began_s)
        await socket.close()
    await asyncio.gather(*busy)


def messages() -> list[Figure]:
    """Compare the three by message, by connection and by how fast they accept."""
    wait_for_quiet()
    idle_kb: dict[str, float] = {}
    with servers() as found:
        for kind in KINDS:
            idle_kb[kind] = asyncio.run(_idle_kb(found[kind]))
        for _ in range(_ROUNDS):
            for n_streams in (1, _STREAMS):
                for kind in KINDS:
                    asyncio.run(_trips(found[kind], n_streams))
        for kind in KINDS:
            asyncio.run(_accepts(found[kind]))
    direct, ours, between = (found[kind] for kind in KINDS)
    figures = []
    for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        least, mine, theirs = (1000 * _quantile(server.trips_s, share) for server in (direct, ours, between))
        beside = f"direct {least:.2f} ms, relay {theirs:.2f} ms"
        figures.append(Figure(f"80 ms of sound there and back, {name}", f"{mine:.2f} ms", "-", beside))
    least, mine, theirs = (median(server.cpu_us) for server in (direct, ours, between))
    pairs = sorted(b / a - 1 for a, b in zip(direct.cpu_us, ours.cpu_us, strict=True))
    beside = f"direct {least:.0f} µs, relay {theirs:.0f} µs; by round {', '.join(f'{p:+.1%}' for p in pairs)}"
    figures.append(
        Figure("CPU of the server for a message", f"{mine:.0f} µs ({mine / least - 1:+.1%})", "<= 5 %", beside)
    )
    beside = f"direct {idle_kb['direct']:.1f} KiB, relay {idle_kb['relay']:.1f} KiB"
    figures.append(Figure(f"one of {_IDLE} idle sockets", f"{idle_kb['gateway']:.1f} KiB", "-", beside))
    least, mine, theirs = (1000 * max(server.accepts_s) for server in (direct, ours, between))
    beside = f"worst of 50; direct {least:.0f} ms, relay {theirs:.0f} ms"
    figures.append(Figure(f"accepted beside {_BUSY} live streams", f"{mine:.0f} ms", "<= 250 ms", beside))
    return figures


def with_vllm() -> list[Figure]:
    """Compare eight live streams of the real vLLM, and how fast it accepts one more."""
    gated = VllmOptions(
        arguments=("--middleware", "gateway.Gateway"),
        environment={"PYTHONPATH": str(ROOT / "container"), "VOXCTL_EMF_SECONDS": "0"},
    )
    with (
        tempfile.TemporaryDirectory() as one,
        tempfile.TemporaryDirectory() as other,
        running_vllm(write_tiny_model(Path(one))) as plain,
        running_vllm(write_tiny_model(Path(other)), gated) as inside,
    ):
        wait_for_quiet()
        lags: dict[str, list[float]] = {"direct": [], "gateway": []}
        cpu_ms: dict[str, list[float]] = {"direct": [], "gateway": []}
        found = {kind: _family(vllm.url, vllm.process.pid) for kind, vllm in (("direct", plain), ("gateway", inside))}
        for _ in range(_VLLM_ROUNDS):
            for kind, server in found.items():
                n_before, before_s = len(lags[kind]), server.cpu_s()
                asyncio.run(_eight(server, lags[kind]))
                cpu_ms[kind].append(1000 * (server.cpu_s() - before_s) / (len(lags[kind]) - n_before))
    p50, p99 = ({kind: 1000 * _quantile(lags[kind], share) for kind in lags} for share in (0.5, 0.99))
    beside = f"direct {p99['direct']:.0f} ms; p50 {p50['gateway']:.0f} and {p50['direct']:.0f} ms"
    ours, direct = median(cpu_ms["gateway"]), median(cpu_ms["direct"])
    worst = {kind: 1000 * max(server.accepts_s) for kind, server in found.items()}
    rounds = (
        f"rounds {' '.join(f'{c:.2f}' for c in cpu_ms['gateway'])} and {' '.join(f'{c:.2f}' for c in cpu_ms['direct'])}"
    )
    return [
        Figure("vLLM, 8 live streams: sound → delta, p99", f"{p99['gateway']:.0f} ms", "noise", beside),
        Figure(
            "its processor time for a delta",
            f"{ours:.2f} ms ({ours / direct - 1:+.1%})",
            "<= 5 %",
            f"direct {direct:.2f} ms; {rounds}",
        ),
        Figure(
            "one more stream accepted",
            f"{worst['gateway']:.0f} ms",
            "<= 250 ms",
            f"worst of {len(found['gateway'].accepts_s)}; direct {worst['direct']:.0f} ms",
        ),
    ]


def _family(url: str, pid: int) -> Server:
    process = psutil.Process(pid)
    return Server(url, [process, *process.children(recursive=True)])


async def _eight(server: Server, lags_s: list[float]) -> None:
    until_s = time.perf_counter() + _PACED_S
    opening = ('{"type":"session.update","model":"voxtral-tiny"}', _COMMIT)
    streams = []
    for i in range(_PACED):
        # Not all in the same moment, as no eight people are.
        await asyncio.sleep(_TICK_S / _PACED if i else 0)
        streams.append(asyncio.create_task(_paced(server.url, until_s, lags_s, opening)))
    await asyncio.sleep(_PACED_S / 2)
    for _ in range(10):
        began_s = time.perf_counter()
        socket = await connect(server.url, compression=None, ping_interval=None)
        server.accepts_s.append(time.perf_counter() - began_s)
        await socket.close()
        await asyncio.sleep(0.1)
    await asyncio.gather(*streams)


def _quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def all_of_it() -> list[Figure]:
    """Measure everything."""
    return [*messages(), *with_vllm()]


if __name__ == "__main__":
    show(all_of_it())
