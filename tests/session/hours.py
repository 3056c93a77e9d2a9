"""Hours of live speech in virtual time, a fault a minute and a cut every half hour, and what memory they leave behind.

The words are kept in little more than their letters, so that what grows is the session's doing and not the test's.
"""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from array import array
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path

import psutil

import voxctl
from tests.fakes.oracle import OracleServer
from tests.fakes.schedule import Fault, Strike
from tests.fakes.tones import Script, Verdict, chunks, judge, script
from tests.fakes.virtual import run_virtual
from voxctl.audio.pcm import Chunk
from voxctl.errors import VoxError
from voxctl.events import Done, Event, Gap, Reconnecting, Seam, Word, Words
from voxctl.session.lane import Lane
from voxctl.session.replay import Replay
from voxctl.session.session import Session

HOUR_S = 3600.0
_CUT = Fault("close", code=1001)
_USUAL = (Fault("drop"), Fault("reset"), Fault("stall", s=10.0), Fault("unasked_done"), Fault("error", code=1012))
_PACKAGE = Path(voxctl.__file__).parent
#: What code of ours allocated. The wire in memory is the test's: it would be a socket.
_OURS = (tracemalloc.Filter(True, str(_PACKAGE / "*")), tracemalloc.Filter(False, str(_PACKAGE / "transport" / "*")))
#: Finished connections that the server's own record is cut down to: it is no part of a session.
_LINES = 3


@dataclass(frozen=True, slots=True)
class Held:
    """What there is in memory at one moment.

    ``n_lanes`` are connections, ``n_objects`` the objects of all a session's classes and the tasks at work; ``n_bytes``
    is the sound that is kept and what else code of ours allocated and has not let go, 0 unless tracemalloc is at work;
    ``rss`` is the whole process, in bytes, the test server included.
    """

    n_lanes: int
    n_objects: int
    n_bytes: int
    rss: int


def held() -> Held:
    """Look at this process."""
    gc.collect()
    ours = list(filter(_is_ours, gc.get_objects()))
    n_bytes = 0
    if tracemalloc.is_tracing():
        n_bytes = sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces(_OURS).traces)
        # The sound itself was made by the source.
        n_bytes += sum(len(piece) for thing in ours if isinstance(thing, Replay) for piece in thing._pieces)
    n_lanes = sum(isinstance(thing, Lane) for thing in ours)
    return Held(n_lanes, len(ours), n_bytes, psutil.Process().memory_info().rss)


def _is_ours(thing: object) -> bool:
    if isinstance(thing, asyncio.Task):
        return not thing.done()
    return str(type(thing).__module__).startswith(("voxctl.session.", "voxctl.realtime.", "voxctl.events"))


@dataclass
class Kept:
    """All that is kept of a session's events: its text, its words' times, and how often it was broken."""

    text: StringIO = field(default_factory=StringIO)
    times_s: array[float] = field(default_factory=lambda: array("d"))
    gaps: list[Gap] = field(default_factory=list)
    n_seams: int = 0
    n_reconnects: int = 0
    complete: bool = False

    @property
    def n_bytes(self) -> int:
        """How much the text and the times take."""
        return self.text.tell() + self.times_s.itemsize * len(self.times_s)

    def take(self, event: Event) -> None:
        """Take one event."""
        match event:
            case Words(text, words):
                self.text.write(text)
                for word in words:
                    self.times_s.extend((word.start_s, word.end_s))
            case Gap():
                self.gaps.append(event)
            case Seam():
                self.n_seams += 1
            case Reconnecting():
                self.n_reconnects += 1
            case Done():
                self.complete = event.complete

    def judged(self, spoken: Script) -> Verdict:
        """Compare it with what was said."""
        texts = self.text.getvalue()
        times_s = zip(self.times_s[::2], self.times_s[1::2], strict=True)
        words = tuple(Word(text, *times) for text, times in zip(texts.split(), times_s, strict=True))
        return judge(spoken, [Words(texts, words), *self.gaps])


@dataclass
class Survived:
    """What came of the hours. ``marks`` is what was held as each further part of the sound had been spoken."""

    verdict: Verdict
    kept: Kept
    n_connections: int
    error: VoxError | None
    marks: list[Held]

    @property
    def perfect(self) -> bool:
        """Whether every word is there once, in order, and nothing is missing."""
        return self.verdict.perfect and self.kept.complete and self.error is None


def hours_of_speech(hours: float) -> Script:
    """Return so much speech, with pauses."""
    return script(99, hours * HOUR_S, pause_rate=0.2)


def survived_hours(spoken: Script, *, fault_s: float = 60.0, look_s: float = HOUR_S) -> Survived:
    """Let a live session hear all of ``spoken`` with a fault each ``fault_s``; look at what is held each ``look_s``."""
    numbers = range(1, round(spoken.length_s / fault_s))
    faults = [Strike(_USUAL[i % len(_USUAL)] if i % 30 else _CUT, fault_s * i) for i in numbers]
    kept, marks, before = Kept(), list[Held](), held()

    async def source(server: OracleServer) -> AsyncIterator[Chunk]:
        async for chunk in chunks(spoken, 480, 1.0):
            if chunk.end_s >= look_s * (len(marks) + 1):
                del server.lines[:-_LINES], server.struck[:]
                now = held()
                n_lanes, n_objects = now.n_lanes - before.n_lanes, now.n_objects - before.n_objects
                marks.append(replace(now, n_lanes=n_lanes, n_objects=n_objects))
            yield chunk

    async def heard(session: Session) -> VoxError | None:
        async with session:
            try:
                async for event in session:
                    kept.take(event)
            except VoxError as exc:
                return exc
        return None

    async def work() -> tuple[int, VoxError | None]:
        server = OracleServer(faults=tuple(faults))
        async with server.listening() as connect:
            error = await heard(Session(connect, source(server), model="voxtral", live=True))
        assert not server.violations, server.violations
        return server.n_attempts, error

    n_connections, error = run_virtual(work, limit_s=spoken.length_s * 4 + 300)
    return Survived(kept.judged(spoken), kept, n_connections, error, marks)
