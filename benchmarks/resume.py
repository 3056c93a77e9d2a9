"""``python -m benchmarks.resume [CUTS]``: how long nothing comes when a live stream's connection is cut.

The server hears tones and answers at once, over real sockets on loopback, so that it is the session that is measured.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median

from websockets.asyncio.client import connect

from benchmarks.measure import Figure, show
from tests.fakes.oracle import Line, OracleServer
from tests.fakes.schedule import Fault, Strike
from tests.fakes.tones import Script, chunks, judge, script
from voxctl.connect import websocket
from voxctl.events import Event, Progress, Resumed, Words
from voxctl.session.session import open_session

_AT_ONCE = 4
_EVERY_S = 5.0
_TIMES = 20
_ABRUPT = (Fault("drop"), Fault("reset"))


@dataclass
class Cutting(OracleServer):
    """Notes the moment of each cut."""

    cut_at_s: list[float] = field(default_factory=list)

    def strike(self, line: Line) -> Fault | None:
        """Return the fault that is due; the line is cut in the same breath."""
        if fault := super().strike(line):
            self.cut_at_s.append(time.monotonic())
        return fault


@dataclass
class Wait:
    """Seconds from a cut to what came first of each kind over the next connection."""

    delta_s: float = 0.0
    sound_s: float = 0.0
    word_s: float = 0.0

    @property
    def over(self) -> bool:
        """Whether all of them came."""
        return bool(self.delta_s and self.sound_s and self.word_s)


@dataclass
class Waits:
    """Follows one session: ``sound`` is the first delta for sound that had not been answered before the cut."""

    server: Cutting
    all: list[Wait] = field(default_factory=list)
    _acked_s: float = 0.0
    _wait: Wait | None = None

    def take(self, event: Event, now_s: float) -> None:
        """Take an event and its moment."""
        cuts_s, wait = self.server.cut_at_s, self._wait
        match event:
            case Resumed():
                self._wait = Wait()
                self.all.append(self._wait)
            case Progress(acked_s=acked_s):
                if wait:
                    wait.delta_s = wait.delta_s or now_s - cuts_s[-1]
                    if acked_s > self._acked_s:
                        wait.sound_s = wait.sound_s or now_s - cuts_s[-1]
                self._acked_s = max(self._acked_s, acked_s)
            case Words(words=words) if words and wait:
                wait.word_s = wait.word_s or now_s - cuts_s[-1]


async def _session(seed: int, n_cuts: int) -> list[Wait]:
    """Run one live stream to its end; a word that is lost makes its figures worthless."""
    strikes = tuple(Strike(_ABRUPT[i % 2], _EVERY_S * (i + 1) + seed) for i in range(n_cuts))
    spoken, events = script(seed, _EVERY_S * n_cuts + seed), list[Event]()
    server = Cutting(faults=strikes, split=True)
    waits = Waits(server)
    async with (
        server.on_a_port() as url,
        open_session(websocket(url), chunks(spoken, 80, 1.0), model="voxtral", live=True) as session,
    ):
        async for event in session:
            waits.take(event, time.monotonic())
            if not isinstance(event, Progress):
                events.append(event)
    verdict = judge(spoken, events)
    if not verdict.perfect:
        raise SystemExit(f"seed {seed}: {verdict}")
    return waits.all


async def _bare_s() -> float:
    """Return how long the same library takes from connecting to a first delta, without a session."""
    spoken = script(0, 2.0)
    took_s = []
    async with OracleServer().on_a_port() as url:
        for _ in range(_TIMES):
            began_s = time.monotonic()
            socket = await connect(url, compression=None, proxy=None)
            for frame in _frames(spoken):
                await socket.send(frame)
            while "transcription.delta" not in str(await socket.recv()):
                pass
            took_s.append(time.monotonic() - began_s)
            socket.transport.abort()
    return median(took_s)


def _frames(spoken: Script) -> Iterator[str]:
    yield json.dumps({"type": "session.update", "model": "voxtral"})
    audio = b64encode(spoken.stretch(0, spoken.n_samples)).decode()
    yield json.dumps({"type": "input_audio_buffer.append", "audio": audio}, separators=(",", ":"))
    yield json.dumps({"type": "input_audio_buffer.commit"})


async def _all(n_cuts: int) -> tuple[list[Wait], float]:
    each = -(-n_cuts // _AT_ONCE)
    found = await asyncio.gather(*(_session(seed, each) for seed in range(_AT_ONCE)))
    return [wait for waits in found for wait in waits if wait.over], await _bare_s()


def after_a_cut(n_cuts: int = 80) -> list[Figure]:
    """Cut live connections every few seconds, by an end or a reset of TCP, and time what follows."""
    waits, bare_s = asyncio.run(_all(n_cuts))
    beside = f"{len(waits)} cuts; of that a pause of 0 to 0.5 s by lot; a bare client: {bare_s:.3f} s"
    return [
        _figure("cut → next delta", [wait.delta_s for wait in waits], "p95 <= 1.5 s", beside),
        _figure("cut → next sound", [wait.sound_s for wait in waits], "", "once it is joined to what was heard"),
        _figure("cut → next word", [wait.word_s for wait in waits], "", "pauses of the speaker counted in"),
    ]


def _figure(what: str, waits_s: list[float], wanted: str, beside: str) -> Figure:
    ordered = sorted(waits_s)
    p50_s, p95_s = (ordered[int(share * len(ordered))] for share in (0.5, 0.95))
    return Figure(what, f"{p95_s:.2f} s", wanted, f"p50 {p50_s:.2f}, worst {ordered[-1]:.2f} s; {beside}")


if __name__ == "__main__":
    show(after_a_cut(*map(int, sys.argv[1:2])))
