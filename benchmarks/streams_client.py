"""``python -m benchmarks.streams_client KIND N URL``: N paced streams in this process; prints how late they sent.

``KIND`` is ``ours`` (``open_session`` over ``paced`` chunks in memory) or ``bare`` (the same WebSocket library, frames
encoded beforehand, deltas read and thrown away).
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import resource
import sys
import time
from collections.abc import AsyncGenerator

from websockets.asyncio.client import connect

from voxctl.audio.pace import paced
from voxctl.audio.pcm import SAMPLE_RATE_HZ, Chunk
from voxctl.session.session import open_session
from voxctl.transport.base import Transport
from voxctl.transport.websocket import WebSocketTarget, open_websocket

CHUNK_S = 0.08
_CHUNK_SAMPLES = round(CHUNK_S * SAMPLE_RATE_HZ)
#: Connecting costs more than a second of sound, so the streams start one after another, and then settle.
_STARTS_PER_S = 250
_SETTLE_S = 1.0
_WINDOW_S = 6.0

_PCM = bytes((i * i * 31 + i * 7) % 251 for i in range(2 * _CHUNK_SAMPLES))
_FRAME = json.dumps(
    {"type": "input_audio_buffer.append", "audio": base64.b64encode(_PCM).decode()}, separators=(",", ":")
)
Times = list[float]


class Timed:
    """A transport that notes when each audio frame was handed over."""

    def __init__(self, inner: Transport, sent_s: Times) -> None:
        self._inner = inner
        self._sent_s = sent_s
        self.receive, self.send_eof, self.aclose = inner.receive, inner.send_eof, inner.aclose

    async def send(self, text: str) -> None:
        """Send one frame."""
        await self._inner.send(text)
        if len(text) > len(_PCM):
            self._sent_s.append(time.monotonic())


async def ours(url: str, sent_s: Times, chunks: list[Chunk]) -> None:
    """Run one session of voxctl, reading every event."""

    async def source() -> AsyncGenerator[Chunk]:
        for chunk in chunks:
            yield chunk

    async def timed() -> Transport:
        return Timed(await open_websocket(WebSocketTarget(url)), sent_s)

    async with open_session(timed, paced(source(), 1.0), model="voxtral") as session:
        async for _ in session:
            pass


async def bare(url: str, sent_s: Times, chunks: list[Chunk]) -> None:
    """Send the same frame each 80 ms and read what comes back."""
    async with connect(url, compression=None, ping_interval=None, proxy=None) as socket:

        async def read() -> None:
            async for _ in socket:
                pass

        reading = asyncio.create_task(read())
        start_s = time.monotonic()
        for chunk in chunks:
            await asyncio.sleep(max(0.0, start_s + chunk.end_s - time.monotonic()))
            await socket.send(_FRAME)
            sent_s.append(time.monotonic())
        await reading


def _late_ms(streams: list[Times], from_s: float) -> list[float]:
    """Return how late each frame was since ``from_s``; a stream's clock starts with its frame that was most in time."""
    late: list[float] = []
    for sent_s in streams:
        after_due_s = [at_s - i * CHUNK_S for i, at_s in enumerate(sent_s)]
        soonest_s = min(after_due_s, default=0.0)
        late += [1000 * (a - soonest_s) for at_s, a in zip(sent_s, after_due_s, strict=True) if at_s >= from_s]
    return sorted(late)


async def measured(kind: str, n: int, url: str) -> dict[str, object]:
    """Start ``n`` streams, let them settle, and look at them for a while."""
    run = {"ours": ours, "bare": bare}[kind]
    whole_s = n / _STARTS_PER_S + _SETTLE_S + _WINDOW_S + 60.0  # nobody reaches the end
    chunks = [Chunk(_PCM, i * _CHUNK_SAMPLES) for i in range(round(whole_s / CHUNK_S))]
    streams: list[Times] = [[] for _ in range(n)]
    started_s = time.monotonic()
    tasks = []
    for i, sent_s in enumerate(streams):
        due_s = started_s + i / _STARTS_PER_S + i * 0.618 % 1 * CHUNK_S  # no two in step
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        tasks.append(asyncio.create_task(run(url, sent_s, chunks)))
    await asyncio.sleep(_SETTLE_S)
    from_s, cpu_s = time.monotonic(), _cpu_s()
    await asyncio.sleep(_WINDOW_S)
    took_s, cpu_s = time.monotonic() - from_s, _cpu_s() - cpu_s
    failed = [repr(task.exception()) for task in tasks if task.done()]
    late = _late_ms(streams, from_s)
    return {"p99_ms": late[int(0.99 * len(late))], "busy": cpu_s / took_s, "failed": failed}


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main(kind: str, n: str, url: str) -> None:
    """Measure, tell and leave without closing thousands of streams in good form."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    sys.stdout.write(json.dumps(asyncio.run(_told(kind, int(n), url))))


async def _told(kind: str, n: int, url: str) -> None:
    sys.stdout.write(json.dumps(await measured(kind, n, url)) + "\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
