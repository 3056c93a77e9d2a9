"""One trial: the same moment, several processes, and what they saw together."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from voxctl.bench.clips import Clip
from voxctl.bench.measures import Load, Measures
from voxctl.errors import StreamError, UsageError

#: A line holds a whole measurement.
_LINE_BYTES = 1 << 30
_READY_S = 60.0
#: What a trial may take beyond its own length: last words and closing.
_BEYOND_S = 90.0


@dataclass(frozen=True, slots=True)
class Now:
    """How a trial is going: streams that are open, the lag of 95 % of the last half second's deltas, errors so far."""

    active: int
    lag_ms: float | None
    errors: int


def parts_of(load: Load, n_processes: int) -> list[Load]:
    """Return what each process is to do: all of ``load`` together, each stream in exactly one part."""
    n = min(n_processes, load.n_streams)
    parts, first = [], load.first
    for i in range(n):
        n_streams = load.n_streams // n + (i < load.n_streams % n)
        parts.append(replace(load, n_streams=n_streams, first=first))
        first += n_streams
    return parts


class Crew:
    """The processes of a trial. Used as a context, at whose end none of them is left."""

    def __init__(self) -> None:
        self._processes: list[asyncio.subprocess.Process] = []
        self._now: dict[int, Now] = {}

    async def __aenter__(self) -> Crew:
        return self

    async def __aexit__(self, *exc: object) -> None:
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        for process in self._processes:
            await process.wait()

    async def carry_out(
        self,
        load: Load,
        target: Mapping[str, Any],
        clips: Sequence[Clip],
        *,
        n_processes: int,
        told: Callable[[Now], None],
    ) -> Measures:
        """Run ``load`` and return what all processes saw. Raises what kept one from beginning."""
        parts = parts_of(load, n_processes)
        order = {"target": target, "clips": [clip.to_json() for clip in clips]}
        async with asyncio.timeout(_READY_S):
            await asyncio.gather(*(self._begin({"load": part.to_json(), **order}) for part in parts))
        for process in self._processes:
            assert process.stdin
            process.stdin.write(b"go\n")
        length_s = load.ramp_s + load.warmup_s + load.duration_s
        async with asyncio.timeout(3 * length_s + _BEYOND_S):
            every = await asyncio.gather(*(self._result(i, told) for i in range(len(parts))))
        whole = Measures()
        for measures in every:
            whole.merge(measures)
        return whole

    async def _begin(self, order: Mapping[str, Any]) -> None:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "voxctl.bench.worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LINE_BYTES,
            start_new_session=True,  # Ctrl-C is for us, who end it
        )
        self._processes.append(process)
        assert process.stdin and process.stdout
        process.stdin.write(json.dumps(order).encode() + b"\n")
        answer = await _line(process)
        if failed := answer.get("failed"):
            error = UsageError if failed["kind"] == "UsageError" else StreamError
            raise error(failed["message"], hint=failed["hint"])

    async def _result(self, i: int, told: Callable[[Now], None]) -> Measures:
        while True:
            answer = await _line(self._processes[i])
            if "measures" in answer:
                return Measures.from_json(answer["measures"])
            self._now[i] = Now(**answer["now"])
            lags = [now.lag_ms for now in self._now.values() if now.lag_ms is not None]
            active, errors = (sum(getattr(now, name) for now in self._now.values()) for name in ("active", "errors"))
            told(Now(active, max(lags, default=None), errors))


async def _line(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout
    line = await process.stdout.readline()
    if not line:
        raise RuntimeError(f"a process of the load ended early, with {await process.wait()}; its error is above")
    answer: dict[str, Any] = json.loads(line)
    return answer
