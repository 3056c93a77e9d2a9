"""A whole session against the oracle, in virtual time or over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from tests.fakes.oracle import OracleServer
from tests.fakes.schedule import Schedule
from tests.fakes.tones import Script, Verdict, chunks, judge, script
from tests.fakes.virtual import run_virtual
from voxctl.errors import VoxError
from voxctl.events import Done, Event, Seam
from voxctl.session.policy import Policy
from voxctl.session.session import Session
from voxctl.transport.base import Connector


@dataclass
class Outcome:
    """What came of a session: its events, its error, and what the judge says."""

    server: OracleServer
    events: list[Event]
    error: VoxError | None
    verdict: Verdict

    @property
    def perfect(self) -> bool:
        last = self.events[-1] if self.events else None
        complete = isinstance(last, Done) and last.complete
        return complete and self.error is None and self.verdict.perfect and not self.server.violations

    def __str__(self) -> str:
        return f"{self.verdict}; error: {self.error}; {self.server.violations}; struck: {self.server.struck}"

    def count(self, kind: type[Event]) -> int:
        return sum(isinstance(event, kind) for event in self.events)

    @property
    def n_uncertain(self) -> int:
        return sum(isinstance(event, Seam) and event.uncertain for event in self.events)


async def listened(
    connect: Connector,
    spoken: Script,
    *,
    policy: Policy | None = None,
    pace: float | None = 1.0,
    chunk_ms: int = 80,
    live: bool = False,
) -> tuple[list[Event], VoxError | None]:
    """Transcribe ``spoken``; return the events and the error at their end."""
    events: list[Event] = []
    source = chunks(spoken, chunk_ms, pace)
    async with Session(connect, source, model="voxtral", policy=policy, live=live) as session:
        try:
            async for event in session:
                events.append(event)  # noqa: PERF401 - what came before an error counts
        except VoxError as exc:
            return events, exc
    return events, None


def survived(
    make_server: Callable[[], OracleServer],
    spoken: Script,
    *,
    policy: Policy | None = None,
    pace: float | None = 1.0,
    chunk_ms: int = 80,
    live: bool = False,
) -> Outcome:
    """Run it all in virtual time, which must come to an end and leave no task behind."""

    async def work() -> tuple[OracleServer, list[Event], VoxError | None]:
        server = make_server()
        async with server.listening() as connect:
            return server, *await listened(connect, spoken, policy=policy, pace=pace, chunk_ms=chunk_ms, live=live)

    server, events, error = run_virtual(work, limit_s=spoken.length_s * 4 + 300)
    return Outcome(server, events, error, judge(spoken, events))


def struck(schedule: Schedule, *, realistic: bool = False, pace: float | None = 1.0) -> Outcome:
    """Run a schedule of faults; chunks, and whether words come in pieces, depend on its seed."""
    seed = schedule.seed
    return survived(
        lambda: OracleServer(
            faults=schedule.strikes,
            split=seed % 2 == 0,
            realistic=seed if realistic else None,
            tick_cost_s=0.0 if pace else 0.005,
        ),
        script(seed, schedule.script_s),
        pace=pace,
        chunk_ms=240 if seed % 4 else 80,
    )


async def over_a_socket(schedule: Schedule) -> Outcome:
    """Run a schedule over real WebSockets, twice as fast as speech."""
    from voxctl.connect import websocket

    server = OracleServer(faults=schedule.strikes, split=True)
    spoken = script(schedule.seed, schedule.script_s)
    async with server.on_a_port() as url, asyncio.timeout(120):
        events, error = await listened(websocket(url), spoken, pace=2.0)
    return Outcome(server, events, error, judge(spoken, events))
