"""The bundled engine: pocketsphinx, in one process per stream, with a warm one in reserve."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from voxctl.errors import EngineUnavailable
from voxctl.realtime.models import EMBEDDED
from voxctl.serving import pipe
from voxctl.serving.engine import HeardWord, Tick

MODEL = "pocketsphinx-en-us"
#: A worker is ready in half a second on an idle machine.
READY_DEADLINE_S = 30.0
#: A second of audio takes a fraction of that; a worker that is silent for longer is stuck.
REPLY_DEADLINE_S = 30.0
#: A stream that breaks off is most likely gone on with over another connection, which then knows the voice from its
#: first word. Whoever comes later than this, in seconds, is taken for somebody else.
VOICE_KEPT_S = 10.0
NOT_STARTED = "the recogniser is not started"
_HINT = "try again; if it stays so, reinstall with: pip install --force-reinstall pocketsphinx"
# Not `-m`, which would look for modules in the user's working directory first.
_BOOT = "import sys; sys.path.append(sys.argv[1]); from voxctl.serving.worker import main; main()"


def worker_command() -> list[str]:
    """Return the command line of a worker: this Python, and this voxctl, installed or not."""
    return [sys.executable, "-P", "-c", _BOOT, str(Path(__file__).parents[2])]


class PocketSphinxEngine:
    """English recognition without any download; its accuracy is low.

    One worker always waits, warm, for the next stream. It is also how the engine knows that it can work.
    """

    name = "pocketsphinx"

    def __init__(
        self,
        *,
        model: str = MODEL,
        command: Sequence[str] | None = None,
        ready_deadline_s: float = READY_DEADLINE_S,
        reply_deadline_s: float = REPLY_DEADLINE_S,
    ) -> None:
        self.model = model
        self.delay_s = EMBEDDED.delay_s
        self._command = command or worker_command()
        self._ready_deadline_s = ready_deadline_s
        self._reply_deadline_s = reply_deadline_s
        self._spare: _Worker | None = None
        self._warming: asyncio.Task[None] | None = None
        self._is_open = False
        self._problem: str | None = NOT_STARTED
        self._voice: tuple[str, float] | None = None

    async def start(self) -> None:
        """Start a worker, so that it is known that one can work."""
        self._spare = await self._hire()
        self._is_open = True

    def problem(self) -> str | None:
        """Say why no worker can be had; looking repairs, by replacing a reserve that has died."""
        if self._is_open and (self._spare is None or not self._spare.is_alive):
            self._warm_up()
        return self._problem

    async def open_stream(self) -> PocketSphinxStream:
        """Give a stream a worker of its own, the warm one if it is there."""
        spare, self._spare = self._spare, None
        if spare is None or not spare.is_alive:
            if spare is not None:
                await spare.end()
            spare = await self._hire()
        self._warm_up()
        stream = PocketSphinxStream(spare, self._broke_off)
        voice, self._voice = self._voice, None
        if voice and asyncio.get_running_loop().time() - voice[1] <= VOICE_KEPT_S:
            await stream.know(voice[0])
        return stream

    def _broke_off(self, voice: str) -> None:
        self._voice = voice, asyncio.get_running_loop().time()

    async def aclose(self) -> None:
        """End the reserve; streams end their own workers."""
        self._is_open, self._problem = False, NOT_STARTED
        warming, self._warming = self._warming, None
        if warming is not None:
            warming.cancel()
            with suppress(asyncio.CancelledError):
                await warming
        spare, self._spare = self._spare, None
        if spare is not None:
            await spare.end()

    async def _hire(self) -> _Worker:
        try:
            worker = await _Worker.start(self._command, self._ready_deadline_s, self._reply_deadline_s)
        except EngineUnavailable as exc:
            self._problem = exc.message
            raise
        self._problem = None
        return worker

    def _warm_up(self) -> None:
        if self._warming is None or self._warming.done():
            self._warming = asyncio.create_task(self._refill(), name="voxctl-warm-up")

    async def _refill(self) -> None:
        if self._spare is not None:
            await self._spare.end()
        # What goes wrong is kept in ``problem``, for the next who asks.
        with suppress(EngineUnavailable):
            self._spare = await self._hire()


class PocketSphinxStream:
    """One utterance in one worker. ``broke_off`` is told what is known of the voice if it does not come to its end."""

    def __init__(self, worker: _Worker, broke_off: Callable[[str], None]) -> None:
        self._worker = worker
        self._broke_off: Callable[[str], None] | None = broke_off
        self._confidence: float | None = None
        self._voice = ""

    @property
    def confidence(self) -> float | None:
        """The mean posterior of the words so far."""
        return self._confidence

    async def know(self, voice: str) -> None:
        """Take what another stream learnt of the voice; before any audio."""
        await self._ask(pipe.VOICE, voice.encode())

    async def feed(self, ticks: Sequence[Tick]) -> Sequence[Sequence[HeardWord]]:
        """Recognise the audio of some ticks."""
        return await self._ask(pipe.FEED, pipe.packed_ticks(ticks))

    async def finish(self, pcm: bytes) -> Sequence[HeardWord]:
        """Recognise the last audio."""
        self._broke_off = None
        (words,) = await self._ask(pipe.FINISH, pcm)
        return words

    async def aclose(self) -> None:
        """End the worker."""
        broke_off, self._broke_off = self._broke_off, None
        if broke_off and self._voice:
            broke_off(self._voice)
        await self._worker.end()

    async def _ask(self, kind: bytes, payload: bytes) -> list[list[HeardWord]]:
        reply = pipe.unpacked_reply(await self._worker.ask(kind, payload))
        self._confidence, self._voice = reply.confidence, reply.voice
        return reply.words


class _Worker:
    """The near end of a worker process."""

    def __init__(self, process: Process, reply_deadline_s: float) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process, self._requests, self._replies = process, process.stdin, process.stdout
        self._reply_deadline_s = reply_deadline_s

    @classmethod
    async def start(cls, command: Sequence[str], ready_deadline_s: float, reply_deadline_s: float) -> _Worker:
        """Start a process and wait until its recogniser is loaded."""
        try:
            # A session of its own: a Ctrl-C in the terminal is not for it.
            process = await asyncio.create_subprocess_exec(
                *command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, start_new_session=True
            )
        except OSError as exc:
            raise EngineUnavailable(f"the recogniser cannot be started: {exc}", hint=_HINT) from exc
        worker = cls(process, reply_deadline_s)
        is_ready = False
        try:
            await worker._reply(pipe.READY, ready_deadline_s)
            is_ready = True
        finally:
            if not is_ready:
                await worker.end()
        return worker

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process.returncode is None

    async def ask(self, kind: bytes, payload: bytes) -> bytes:
        """Send a request and return the payload of its reply."""
        # A pipe that breaks under the request is found when there is no reply.
        with suppress(ConnectionError):
            self._requests.write(pipe.packed(kind, payload))
        return await self._reply(pipe.WORDS, self._reply_deadline_s)

    async def end(self) -> None:
        """Kill the process, however busy it is, and wait until it has gone."""
        with suppress(ProcessLookupError):
            self._process.kill()
        self._requests.close()
        await self._process.wait()
        with suppress(ConnectionError):
            await self._requests.wait_closed()

    async def _reply(self, expected: bytes, deadline_s: float) -> bytes:
        try:
            async with asyncio.timeout(deadline_s):
                kind, n_bytes = pipe.HEADER.unpack(await self._replies.readexactly(pipe.HEADER.size))
                payload = await self._replies.readexactly(n_bytes)
        except TimeoutError as exc:
            raise EngineUnavailable(f"the recogniser has not answered for {deadline_s:.0f} s", hint=_HINT) from exc
        except (asyncio.IncompleteReadError, ConnectionError) as exc:
            raise EngineUnavailable("the recogniser's process has died", hint=_HINT) from exc
        if kind != expected:
            reason = payload.decode("utf-8", "replace")
            raise EngineUnavailable(f"the recogniser cannot work here: {reason}", hint=_HINT)
        return payload
