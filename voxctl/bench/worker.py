"""``python -m voxctl.bench.worker``: the streams of one process of a load.

Standard input has one line of JSON, ``{"load", "target", "clips"}``; then, once this process has said it is ready, a
second line makes all begin together. Standard output has lines of JSON: ``{"ready"}``, ``{"now"}`` twice a second, and
``{"measures"}`` at the end. The end of standard input before that ends everything.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from voxctl import connect as connectors
from voxctl.bench.accuracy import count_errors
from voxctl.bench.clips import Clip, Scripts
from voxctl.bench.measures import Load, Measures
from voxctl.bench.stream import Stream, Window
from voxctl.errors import VoxError
from voxctl.transport.base import Connector

_TELL_S = 0.5
_BEAT_S = 0.05
#: From the common beginning until the first chunk of the first stream: time to connect.
_LEAD_S = 0.5

Told = Callable[[dict[str, Any]], None]


async def carry_out(load: Load, connect: Connector, scripts: Scripts, tell: Told) -> Measures:
    """Run the streams of ``load`` and return what they saw; ``tell`` hears how it goes twice a second."""
    loop = asyncio.get_running_loop()
    measures = Measures()
    began_s = loop.time() + _LEAD_S
    from_s = began_s + load.ramp_s + load.warmup_s
    window = Window(from_s, from_s + load.duration_s, [])
    streams = []
    tasks = []
    for i in range(load.n_streams):
        number = load.first + i
        draw = random.Random(f"{load.seed}/{number}")
        script = scripts.script(draw.randrange(1 << 30), load.ramp_s + load.warmup_s + load.duration_s + 1.0)
        stream = Stream(
            connect,
            script,
            scripts.n_samples,
            delay_s=load.delay_s,
            model=load.model,
            window=window,
            measures=measures,
            clock=loop.time,
        )
        start_s = began_s + load.ramp_s * i / load.n_streams + draw.random() * load.chunk_ms / 1000  # none in step
        streams.append(stream)
        tasks.append(asyncio.create_task(_from(stream, start_s)))
    watching = [asyncio.create_task(work) for work in (_watch(measures, window), _tell(tasks, window, measures, tell))]
    try:
        await asyncio.gather(*tasks)
        for task in watching:
            if task.done():
                task.result()
    finally:
        for task in [*tasks, *watching]:
            task.cancel()
        await asyncio.gather(*tasks, *watching, return_exceptions=True)
    for stream in streams:
        count_errors(measures, stream.reference, stream.text)
    return measures


async def _from(stream: Stream, start_s: float) -> None:
    await asyncio.sleep(max(0.0, start_s - _LEAD_S - asyncio.get_running_loop().time()))
    await stream.run(start_s)


async def _watch(measures: Measures, window: Window) -> None:
    """Measure the client itself: how late its loop wakes up, and how busy it is, while things are counted."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(max(0.0, window.from_s - loop.time()))
    began_s, spent_s, due_s = loop.time(), time.process_time(), loop.time()
    while due_s < window.until_s:
        due_s += _BEAT_S
        await asyncio.sleep(max(0.0, due_s - loop.time()))
        measures.add("loop_late_ms", 1000 * (loop.time() - due_s))
        measures.busy = (time.process_time() - spent_s) / (loop.time() - began_s)


async def _tell(tasks: list[asyncio.Task[None]], window: Window, measures: Measures, tell: Told) -> None:
    while True:
        await asyncio.sleep(_TELL_S)
        lags, window.lags_ms = sorted(window.lags_ms), []
        lag_ms = lags[-(-95 * len(lags) // 100) - 1] if lags else None
        active = sum(not task.done() for task in tasks)
        tell({"now": {"active": active, "lag_ms": lag_ms, "errors": sum(measures.errors.values())}})


def connector(target: dict[str, Any]) -> Connector:
    """Return the connector a description stands for: ``{"websocket": {…}}`` or ``{"sagemaker": {…}}``, the arguments
    of the functions of ``voxctl.connect``."""
    ((kind, arguments),) = target.items()
    if arguments.get("ca_bundle"):
        arguments = {**arguments, "ca_bundle": Path(arguments["ca_bundle"])}
    if kind == "websocket":
        return connectors.websocket(**arguments)
    return connectors.sagemaker(**arguments)


async def main(out: TextIO) -> None:
    """Do what standard input says and answer on ``out``."""

    def tell(message: dict[str, Any]) -> None:
        out.write(json.dumps(message) + "\n")
        out.flush()

    told = json.loads(sys.stdin.readline())
    load = Load(**told["load"])
    scripts = Scripts([Clip.from_json(clip) for clip in told["clips"]], load.chunk_ms)
    try:
        connect = connector(told["target"])
    except VoxError as exc:
        tell({"failed": {"message": exc.message, "hint": exc.hint, "kind": type(exc).__name__}})
        return
    tell({"ready": True})
    if not await asyncio.to_thread(sys.stdin.readline):
        return
    parent = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    parent.add_done_callback(lambda _: os._exit(1))
    measures = await carry_out(load, connect, scripts, tell)
    tell({"measures": measures.to_json()})
    os._exit(0)  # the reader of standard input would be waited for


if __name__ == "__main__":
    asyncio.run(main(sys.stdout))
