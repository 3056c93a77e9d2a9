"""A server that hears perfectly, or as a real model does, on any number of connections, and fails when it is told to.

It hears the tones of ``tests.fakes.tones``, so the text is a function of the sound that it was given and of nothing
else; it keeps the token clock and the count law to the letter. Its faults are those of ``tests.fakes.schedule``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import random
import socket
import struct
from binascii import a2b_base64
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import pairwise

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.fakes.schedule import AT_CONNECT, Fault, Strike
from tests.fakes.sockets import Peer
from tests.fakes.tones import GAP_S, RATE_HZ, WORDS, Burst, Ear
from voxctl.errors import ConnectFailed, ConnectionLost, HandshakeRefused
from voxctl.realtime.models import LOOK_AHEAD_SAMPLES, TAIL_TICKS, TICK_S, TICK_SAMPLES
from voxctl.transport.base import Connector, Transport
from voxctl.transport.memory import MemoryTransport, memory_pair

_FIRST_TICK_SAMPLES = TICK_SAMPLES + LOOK_AHEAD_SAMPLES
_APPEND = '{"type":"input_audio_buffer.append","audio":"'
_BLANK = '{"type":"transcription.delta","delta":""}'
#: A context that ends sooner would not hold the sound that is replayed.
_LEAST_CONTEXT_TICKS = 75
_JITTER_TICKS = 3


class Pen:
    """Puts the words of one connection into its deltas.

    A perfect one writes each word into the first delta whose clock has reached the word's end; ``split`` spreads it
    over that and up to three more. With ``realistic`` times are off by up to three ticks, words share groups, and the
    first word of a connection that began in mid-speech is wrong or capitalised.
    """

    def __init__(self, rng: random.Random, *, split: bool, realistic: bool) -> None:
        self._rng = rng
        self._split = split
        self._realistic = realistic
        self._pieces: deque[tuple[int, str]] = deque()
        self._last_tick = -1
        self._n_words = 0

    @property
    def mid_word(self) -> bool:
        """Whether the next piece goes on with a word."""
        return bool(self._pieces) and not self._pieces[0][1].startswith(" ")

    def take(self, word: Burst) -> None:
        """Plan for a word that was heard."""
        text, tick = word.text, -(-word.end // TICK_SAMPLES) - 1
        if self._realistic:
            text = self._distorted(word)
            off = -_JITTER_TICKS - 1 if self._rng.random() < 0.15 else self._rng.randint(-_JITTER_TICKS, _JITTER_TICKS)
            tick = max(self._last_tick, tick + off)
        # As in the model, an empty token comes before each group, so that the word before must be out by then. Where
        # there is no room for it the word belongs to that one's group.
        out_by = max(self._last_tick, tick - 2) if tick > self._last_tick + 1 else tick
        self._pieces = deque((min(at, out_by), piece) for at, piece in self._pieces)
        self._pieces += [(tick + i, piece) for i, piece in enumerate(self._cut(f" {text}"))]
        self._n_words += 1
        self._last_tick = tick

    def write(self, tick: int | float) -> str:
        """Return the text of a delta; of an endless tick all that is left."""
        if not self._pieces or self._pieces[0][0] > tick:
            return ""
        text = ""
        while self._pieces and self._pieces[0][0] <= tick:
            text += self._pieces.popleft()[1]
        return text

    def _cut(self, text: str) -> list[str]:
        if not (self._split or self._realistic):
            return [text]
        n = min(self._rng.randint(2 if self._realistic else 1, 4), len(text) - 1)
        cuts = [0, *sorted(self._rng.sample(range(2, len(text)), n - 1)), len(text)]
        return [text[a:b] for a, b in pairwise(cuts)]

    def _distorted(self, word: Burst) -> str:
        if self._n_words:
            return word.text
        if word.start >= GAP_S[1] * RATE_HZ:
            return word.text if self._rng.random() < 0.5 else word.text.capitalize()
        return self._rng.choice([word.text.capitalize(), word.text[-3:], self._rng.choice(WORDS)])


@dataclass
class OracleServer:
    """Any number of connections at a time, each with its own ear.

    ``realistic`` is the seed of a human-like hearing, ``None`` a perfect one. A delta takes ``tick_cost_s``, and
    ``growth_s`` more with each one before it. Connections beyond ``slots`` wait for a free one without a word. A
    context ends at ``max_deltas``. ``faults`` strike in order. ``violations`` is what clients did against the
    protocol; ``lines`` are all connections there were.
    """

    faults: Sequence[Strike] = ()
    delay_s: float = 0.48
    split: bool = False
    realistic: int | None = None
    tick_cost_s: float = 0.0
    growth_s: float = 0.0
    slots: int | None = None
    max_deltas: int | None = None
    n_attempts: int = 0
    n_given: int = 0
    lines: list[Line] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    struck: list[Strike] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._pending = deque(self.faults)
        self._away_until_s = -math.inf
        self._free = asyncio.Semaphore(self.slots) if self.slots else contextlib.nullcontext()

    @property
    def given_s(self) -> float:
        """The sound answered so far, over all connections."""
        return self.n_given * TICK_S

    @property
    def _away(self) -> bool:
        return asyncio.get_running_loop().time() < self._away_until_s

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Connector]:
        """Yield what connects to this server in memory; its tasks end with the context, and their bugs are raised."""
        tasks: list[asyncio.Task[None]] = []

        async def connect() -> Transport:
            fault = self._at_attempt()
            await self._turn_away(fault)
            near, far = memory_pair()
            tasks.append(asyncio.create_task(self._serve(far, fault), name=f"line {self.n_attempts} of the oracle"))
            return near

        try:
            yield connect
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    @asynccontextmanager
    async def on_a_port(self) -> AsyncIterator[str]:
        """Yield the address of a real WebSocket. Who is not let in at all meets a connection that ends at once."""
        at_attempt: dict[ServerConnection, Fault | None] = {}
        bugs: list[Exception] = []

        async def screen(connection: ServerConnection, request: Request) -> Response | None:
            fault = at_attempt[connection] = self._at_attempt()
            try:
                await self._turn_away(fault)
            except HandshakeRefused as exc:
                return connection.respond(HTTPStatus(exc.status), "")
            except ConnectFailed:
                connection.transport.abort()
            return None

        async def accept(connection: ServerConnection) -> None:
            try:
                await self._serve(Peer(connection), at_attempt.pop(connection))
            except Exception as exc:  # the library would log it and go on
                bugs.append(exc)
                raise

        options = {"compression": None, "close_timeout": 0.5, "ping_interval": None}
        async with serve(accept, "127.0.0.1", 0, process_request=screen, **options) as server:  # type: ignore[arg-type]
            yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/realtime"
            for line in self.lines:
                line.end()
        if bugs:
            raise bugs[0]

    def strike(self, line: Line) -> Fault | None:
        """Return the fault for a connection that is about to give a delta."""
        if not self._pending:
            return None
        strike = self._pending[0]
        kind = strike.fault.kind
        if kind in AT_CONNECT or self.given_s < (strike.at_s or 0.0) - 1e-9:
            return None
        if kind == "blank" and line.mid_word:
            return None  # half a word cannot be told from a whole one
        if kind == "short_done" and line.n_left > max(1, strike.fault.n):
            return None
        if kind == "unasked_done" and line.n_deltas < _LEAST_CONTEXT_TICKS:
            return None
        # A client waits far longer for a first delta; that is for the very first connection to try.
        if kind in ("half_open", "stall") and not line.n_deltas and self.n_attempts > 1:
            return None
        self.struck.append(self._pending.popleft())
        return strike.fault

    def _at_attempt(self) -> Fault | None:
        self.n_attempts += 1
        if not self._pending or self._pending[0].fault.kind not in AT_CONNECT or self._away:
            return None
        if (self._pending[0].attempt or 0) > self.n_attempts:
            return None
        self.struck.append(self._pending.popleft())
        return self.struck[-1].fault

    async def _turn_away(self, fault: Fault | None) -> None:
        """Raise what ``transport/websocket.py`` would raise for those that are not let in."""
        match fault:
            case Fault(kind="away", s=s):
                self._away_until_s = asyncio.get_running_loop().time() + s
            case Fault(kind="unanswered", s=s):
                await asyncio.sleep(s)
                raise ConnectFailed("the oracle did not answer in time", hint="wait", timed_out=True)
            case Fault(kind="status", code=code):
                raise HandshakeRefused(f"the oracle answered HTTP {code}, not a WebSocket", status=code, hint="wait")
        if self._away or (fault and fault.kind == "refused"):
            raise ConnectFailed("nobody is listening at the oracle", hint="start it")

    async def _serve(self, wire: MemoryTransport | Peer, fault: Fault | None) -> None:
        line = Line(self, wire, len(self.lines) + 1)
        self.lines.append(line)
        with contextlib.suppress(ConnectionLost, ConnectionClosed):
            match fault:
                case Fault(kind="mute"):
                    while True:
                        await wire.receive()
                case Fault(kind="server_full"):
                    await wire.send('{"type":"error","error":"all streams are taken","code":"server_full"}')
                    await wire.close(1013)
                case _:
                    async with asyncio.TaskGroup() as group:
                        line.work = [group.create_task(line.take_all()), group.create_task(line.give_all(self._free))]


class Line:
    """One connection. ``ended`` says how: ``"done"``, ``"left"`` by the client, or by which fault."""

    def __init__(self, server: OracleServer, wire: MemoryTransport | Peer, number: int) -> None:
        self.n_samples = 0
        self.n_deltas = 0
        self.most_ahead = 0
        self.model: str | None = None
        self.ended: str | None = None
        self.work: list[asyncio.Task[None]] = []
        self._server = server
        self._wire = wire
        self._number = number
        self._ear = Ear()
        realistic = server.realistic is not None
        rng = random.Random(f"{server.realistic}/{number}")
        self._pen = Pen(rng, split=server.split, realistic=realistic)
        self._text: list[str] = []
        self._delay = round(server.delay_s * RATE_HZ)
        self._n_due = 0
        self._committed = self._final = False
        self._n_blank = self._n_slow = 0.0
        self._slow_s = 0.0
        self._drops_next = False
        self._reads_at_s = 0.0
        self._moved = asyncio.Event()

    @property
    def n_left(self) -> float:
        """How many deltas are left to give, endless before the final commit."""
        return self._n_due - self.n_deltas if self._final else math.inf

    @property
    def mid_word(self) -> bool:
        """Whether a part of a word was given, and its end was not."""
        return self._pen.mid_word

    def end(self) -> None:
        """End the connection's tasks."""
        for task in self.work:
            task.cancel()

    async def take_all(self) -> None:
        """Read what the client sends, until it leaves."""
        loop = asyncio.get_running_loop()
        await self._say('{"type":"session.created","id":"oracle","created":1}')
        try:
            while True:
                frame = await self._wire.receive()
                if self._reads_at_s > loop.time():
                    await asyncio.sleep(self._reads_at_s - loop.time())
                if frame.startswith(_APPEND):  # parsing it would cost more than all the rest
                    await self._append(a2b_base64(frame[len(_APPEND) : -2]))
                else:
                    await self._take(json.loads(frame))
        except (ConnectionLost, ConnectionClosed):
            self.ended = self.ended or "left"
        self.end()

    async def _take(self, message: dict[str, object]) -> None:
        match message:
            case {"type": "session.update", "model": str(model)} if model:
                self.model = model
            case {"type": "input_audio_buffer.append", "audio": str(audio)}:
                await self._append(a2b_base64(audio))
            case {"type": "input_audio_buffer.commit"} if self.model is None:
                self._violated("a commit came before session.update")
            case {"type": "input_audio_buffer.commit", "final": True}:
                if self._final or not self._committed:
                    self._violated("a final commit came without a first one, or twice")
                self._final = True
                self._hear(self._ear.finish())
                self._n_due = (self.n_samples - LOOK_AHEAD_SAMPLES) // TICK_SAMPLES + TAIL_TICKS
                self._moved.set()
            case {"type": "input_audio_buffer.commit"}:
                if self._committed:
                    self._violated("a second first commit came")
                self._committed = True
                self._moved.set()
            case _:
                self._violated(f"unknown or incomplete: {message}")

    async def _append(self, sound: bytes) -> None:
        if self._final:
            self._violated("sound came after the final commit")
            return
        alien = not sound or len(sound) % 2
        if alien:
            self._violated("a chunk was no sound")
        if alien or self._drops_next:
            self._drops_next = False
            await self._say('{"type":"error","error":"bad base64","code":"invalid_audio"}')
            return
        self._hear(self._ear.feed(sound))
        self.n_samples += len(sound) // 2
        self.most_ahead = max(self.most_ahead, self.n_samples - self.n_deltas * TICK_SAMPLES)
        self._n_due = (self.n_samples - _FIRST_TICK_SAMPLES - self._delay) // TICK_SAMPLES + 1
        if self._n_due > self.n_deltas:
            self._moved.set()

    def _hear(self, words: Sequence[Burst]) -> None:
        for word in words:
            self._pen.take(word)

    def _violated(self, what: str) -> None:
        if self.ended in (None, "done"):  # after a fault the client cannot know better
            self._server.violations.append(f"connection {self._number}: {what}")

    async def give_all(self, free: contextlib.AbstractAsyncContextManager[object]) -> None:
        """Give deltas as they fall due, and ``done``."""
        with contextlib.suppress(ConnectionLost, ConnectionClosed):
            while not self._committed:
                await self._wait()
            async with free:
                while not (self._final and self.n_deltas >= self._n_due):
                    while self.n_deltas < self._n_due and self.ended is None:
                        await self._give()
                    if self.ended:
                        return
                    if not self._final:
                        await self._wait()
                self.ended = "done"
                await self._done()

    async def _wait(self) -> None:
        self._moved.clear()
        await self._moved.wait()

    async def _give(self) -> None:
        server, i = self._server, self.n_deltas
        if i == server.max_deltas:
            await self._end_context("context")
            return
        if server.faults and (fault := server.strike(self)):
            await self._suffer(fault)
            if self.ended:
                return
        await self._compute(i)
        text = self._pen.write(math.inf if self._final and i + 1 == self._n_due else i)
        if self._n_blank:
            self._n_blank -= 1
            text = ""
        self.n_deltas += 1
        server.n_given += 1
        if text:
            self._text.append(text)
        await self._say(json.dumps({"type": "transcription.delta", "delta": text}) if text else _BLANK)

    async def _compute(self, i: int) -> None:
        cost_s = self._server.tick_cost_s + self._server.growth_s * i
        if self._n_slow:
            self._n_slow -= 1
            cost_s += self._slow_s
        if cost_s:
            await asyncio.sleep(cost_s)

    async def _suffer(self, fault: Fault) -> None:
        wire, loop = self._wire, asyncio.get_running_loop()
        match fault:
            case Fault(kind="drop" | "reset"):
                self.ended = fault.kind
                await _cut(wire, hard=fault.kind == "reset")
            case Fault(kind="half_open"):
                await asyncio.Event().wait()
            case Fault(kind="close", code=code):
                self.ended = str(fault)
                await _close(wire, code)
            case Fault(kind="stall", s=s):
                await (asyncio.sleep(s) if s < math.inf else asyncio.Event().wait())
            case Fault(kind="slow_read", s=s):
                self._reads_at_s = loop.time() + s
            case Fault(kind="slow_delta", s=s, n=n):
                self._n_slow, self._slow_s = n, s
            case Fault(kind="binary") if isinstance(wire, Peer):
                await wire.send_binary(b"\0\1\2")
            case Fault(kind="garbage" | "binary"):
                await self._say("<html>")
            case Fault(kind="error", code=code):
                await self._say('{"type":"error","error":"EngineCore died","code":"processing_error"}')
                if code:
                    self.ended = str(fault)
                    await _close(wire, code)
            case Fault(kind="invalid_audio"):
                self._drops_next = True
            case Fault(kind="unasked_done" | "short_done"):
                await self._end_context(fault.kind)
            case Fault(kind="blank", n=n):
                self._n_blank = n or math.inf

    async def _end_context(self, how: str) -> None:
        self.ended = how
        await self._done()

    async def _done(self) -> None:
        usage = {"prompt_tokens": 39, "completion_tokens": self.n_deltas}
        await self._say(json.dumps({"type": "transcription.done", "text": "".join(self._text), "usage": usage}))

    async def _say(self, frame: str) -> None:
        await self._wire.send(frame)


async def _cut(wire: MemoryTransport | Peer, *, hard: bool) -> None:
    if hard and isinstance(wire, Peer):
        plug: socket.socket = wire.connection.transport.get_extra_info("socket")
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await wire.abort()


async def _close(wire: MemoryTransport | Peer, code: int) -> None:
    if code == 1006 and isinstance(wire, Peer):  # it stands for the lack of a goodbye
        await wire.abort()
    else:
        await wire.close(code)
