"""``python -m benchmarks.mic``: how soon a microphone's block is on the wire, and whether an hour leaves anything.

The device is scripted and has a thread of its own, as PortAudio has; all else is what ``voxctl mic -o talk.srt --record
talk.wav`` does without a terminal.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import numpy as np
import psutil

from benchmarks.measure import Figure, peer, show
from tests.fakes.microphone import ScriptedDevice, Step
from voxctl.audio.capture import Block
from voxctl.audio.mic import Microphone
from voxctl.audio.recording import open_recording
from voxctl.cli.listening import Said
from voxctl.connect import websocket
from voxctl.session.session import open_session
from voxctl.transcript.export import Format
from voxctl.transcript.growing import Growing
from voxctl.transcript.parts import Part
from voxctl.ui.plain import PlainView

_RATE_HZ, _BLOCK_S = 48_000, 0.08
_BLOCK = (np.random.default_rng(0).normal(0, 0.05, (round(_RATE_HZ * _BLOCK_S), 2))).astype(np.float32)
#: By this share of the hour everything that is bounded has reached its bound.
_SETTLED = 1 / 6


def latency(seconds: float = 60.0) -> Figure:
    """Speak at the pace of speech and look at when the frame of each block arrived at the server."""
    handed_s: list[float] = []
    with peer(notes=True) as server:
        _listen(server.url, _speaking(seconds, 1.0, handed_s.append), lambda: None)
        arrived_s = server.arrivals_s()
    took_ms = sorted(1000 * (there_s - at_s) for at_s, there_s in zip(handed_s, arrived_s, strict=False))
    p95_ms = took_ms[int(0.95 * len(took_ms))]
    beside = f"median {median(took_ms):.1f}, p99 {took_ms[int(0.99 * len(took_ms))]:.1f}, worst {took_ms[-1]:.1f} ms"
    return Figure("block handed over → frame at the server, p95", f"{p95_ms:.1f} ms", "<= 10 ms", beside)


def hour(speed: float = 60.0) -> Figure:
    """Speak for an hour, ``speed`` times as fast as people do, and look at the memory of this process."""
    rss_mb: list[float] = []
    process = psutil.Process()
    with peer() as server:
        script = _speaking(3600.0, speed, lambda at_s: None)
        _listen(server.url, script, lambda: rss_mb.append(process.memory_info().rss / 1e6))
    settled = rss_mb[round(_SETTLED * len(rss_mb)) :]
    beside = f"after 10 min {settled[0]:.1f}, at the end {settled[-1]:.1f}, most {max(settled):.1f} MB"
    return Figure(
        "an hour of microphone: RSS growth after 10 min", f"{settled[-1] - settled[0]:+.2f} MB", "flat", beside
    )


def _speaking(seconds: float, speed: float, handed: Callable[[float], None]) -> Iterator[Step]:
    begun_s = time.monotonic()
    for n in range(round(seconds / _BLOCK_S)):
        wait_s = begun_s + (n + 1) * _BLOCK_S / speed - time.monotonic()
        if wait_s > 0:
            yield wait_s
        now_s = time.monotonic()
        handed(now_s)
        yield Block(_BLOCK, _RATE_HZ, now_s)


def _listen(url: str, script: Iterator[Step], look: Callable[[], None]) -> None:
    with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w") as nowhere:
        growing = Growing(Format.SRT, target=url)

        def write(part: Part) -> None:
            with Path(folder, "talk.srt").open("a") as document:
                document.write(growing.part(part))

        said = Said(PlainView(nowhere, nowhere, live=True), None, None, write, keep=False)

        async def listen() -> None:
            device = ScriptedDevice([script])
            microphone = Microphone(device, recording=open_recording(Path(folder, "talk.wav")))
            n_events = 0

            async def stop() -> None:
                await asyncio.to_thread(device.played.wait)
                microphone.stop()

            async with asyncio.TaskGroup() as group, open_session(websocket(url), microphone) as session:
                group.create_task(stop())
                async for event in session:
                    said.take(0, event)
                    n_events += 1
                    if n_events % 500 == 0:
                        look()

        asyncio.run(listen())


if __name__ == "__main__":
    show([latency(), hour()])
