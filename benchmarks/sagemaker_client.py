"""``python -m benchmarks.sagemaker_client KIND N STANDIN``: what messages cost a client, as one line of JSON.

``KIND`` is ``direct`` (the WebSocket transport to the stand-in's upstream) or ``sagemaker`` (its own transport, through
the stand-in); ``STANDIN`` is what ``benchmarks.standin`` printed. ``N`` is 1 for messages there and back one after
another, else that many streams at the pace of speech.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

from voxctl.transport.base import Transport
from voxctl.transport.websocket import WebSocketTarget, open_websocket

_MESSAGE = "x" * 5_500
_TIMES, _WARM = 2_000, 200
_CHUNK_S, _WINDOW_S = 0.08, 8.0
_OPENED_AT_ONCE = 8


async def opened(kind: str, service: dict[str, Any]) -> Transport:
    """Open one stream."""
    if kind == "direct":
        return await open_websocket(WebSocketTarget(service["upstream"]))
    from voxctl.transport.sagemaker import open_sagemaker
    from voxctl.transport.sagemaker_target import Credentials, SageMakerTarget

    async def keys() -> Credentials:
        return Credentials(service["access_key_id"], service["secret_access_key"])

    bundle = Path(service["ca_bundle"])
    return await open_sagemaker(
        SageMakerTarget("local", service["region"], service["endpoint_url"], keys, bundle, invocation_path="")
    )


async def there_and_back(kind: str, service: dict[str, Any]) -> dict[str, float]:
    """Send a message when the one before has come back."""
    stream = await opened(kind, service)
    took_ms: list[float] = []
    for i in range(_WARM + _TIMES):
        if i == _WARM:
            cpu_s = time.process_time()
        sent_s = time.perf_counter()
        await stream.send(_MESSAGE)
        await stream.receive()
        took_ms.append(1000 * (time.perf_counter() - sent_s))
    cpu_ms = 1000 * (time.process_time() - cpu_s) / _TIMES
    await stream.aclose()
    found = sorted(took_ms[_WARM:])
    return {"p50_ms": found[_TIMES // 2], "p95_ms": found[int(0.95 * _TIMES)], "cpu_ms": cpu_ms}


async def side_by_side(kind: str, n: int, service: dict[str, Any]) -> dict[str, float]:
    """Send a message each 80 ms on every stream, and read what comes back."""
    streams: list[Transport] = []
    for left in range(n, 0, -_OPENED_AT_ONCE):
        streams += await asyncio.gather(*(opened(kind, service) for _ in range(min(left, _OPENED_AT_ONCE))))
    late_ms: list[float] = []

    async def talk(stream: Transport, offset_s: float) -> None:
        reading = asyncio.create_task(read(stream))
        start_s = time.monotonic() + offset_s
        for i in range(round(_WINDOW_S / _CHUNK_S)):
            due_s = start_s + i * _CHUNK_S
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            await stream.send(_MESSAGE)
            late_ms.append(1000 * (time.monotonic() - due_s))
        reading.cancel()

    async def read(stream: Transport) -> None:
        while True:
            await stream.receive()

    cpu_s = time.process_time()
    await asyncio.gather(*(talk(stream, i * 0.618 % 1 * _CHUNK_S) for i, stream in enumerate(streams)))
    cpu_s = time.process_time() - cpu_s
    late_ms.sort()
    return {
        "p99_ms": late_ms[int(0.99 * len(late_ms))],
        "cpu_ms": 1000 * cpu_s / (n * _WINDOW_S),
        "busy": cpu_s / _WINDOW_S,
    }


async def main(kind: str, n: int, service: dict[str, Any]) -> None:
    """Measure, tell and leave."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    found = await (there_and_back(kind, service) if n == 1 else side_by_side(kind, n, service))
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])))
