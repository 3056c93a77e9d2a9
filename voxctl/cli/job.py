"""One run of `voxctl transcribe`: every file in turn, and where its transcript goes."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from voxctl.cli.interrupt import Interrupts
from voxctl.cli.targets import Target
from voxctl.errors import AudioError, ContextFull, VoxError
from voxctl.transcript.export import Format
from voxctl.ui.plain import show_error
from voxctl.ui.streams import weather
from voxctl.ui.view import View

if TYPE_CHECKING:
    from voxctl.audio.decode import AudioFile
    from voxctl.audio.raw import RawFormat
    from voxctl.cli.output import Output
    from voxctl.transcript.transcript import Transcript

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Job:
    """What was asked for, the target apart. ``speed`` is a multiple of real time, ``None`` without a limit."""

    files: list[str]
    model: str | None
    speed: float | None
    chunk_ms: int
    raw: RawFormat | None
    channel: int | None
    format: Format
    timestamps: bool
    output: str | None

    @property
    def live(self) -> bool:
        """Whether the words themselves are the product, written as they are committed."""
        return self.format is Format.TXT and not self.timestamps and self.output is None


class Run:
    """The job under way. A bad file does not stop the others, a server that fails does; the first failure is kept."""

    def __init__(self, job: Job, view: View) -> None:
        self._job = job
        self._view = view
        self._todo: list[str] = []
        self._open: dict[str, AudioFile] = {}
        self._output: Output | None = None
        self._failed: VoxError | None = None

    def prepare(self, kept: ExitStack) -> None:
        """Open every input and decode its first block, and judge where the documents will go.

        What cannot be opened twice stays open in ``kept``. Raises for a single bad input, and ends the program if
        all of several are bad.
        """
        from voxctl.cli.output import plan_output

        for name in self._job.files:
            with self._sparing_the_others():
                audio = self._opened(name)
                if name != STDIN and Path(name).is_file():
                    audio.close()
                else:
                    self._open[name] = kept.enter_context(audio)
                self._todo.append(name)
        if not self._todo:
            self.finish()
        if self._job.output is not None:
            plan = plan_output(self._job.output, self._job.files, self._job.format.suffix)
            self._output = kept.enter_context(plan)

    async def transcribe(self, target: Target, interrupts: Interrupts) -> None:
        """Transcribe every good input in turn."""
        for i, name in enumerate(self._todo):
            if interrupts.pressed:
                return
            try:
                with self._sparing_the_others():
                    await self._transcribe(name, target, interrupts)
            except VoxError:
                if rest := len(self._todo) - i - 1:
                    self._view.say(f"{rest} more {'file was' if rest == 1 else 'files were'} not tried")
                raise

    def finish(self) -> None:
        """End the program with the exit code of the first failure, if there was one."""
        if self._failed:
            raise typer.Exit(self._failed.exit_code)

    def _opened(self, name: str) -> AudioFile:
        from voxctl.audio.decode import open_audio

        job = self._job
        return open_audio(name, chunk_ms=job.chunk_ms, raw=job.raw, channel=job.channel)

    @contextmanager
    def _sparing_the_others(self) -> Iterator[None]:
        try:
            yield
        except (AudioError, ContextFull) as exc:
            if len(self._job.files) == 1:
                raise
            show_error(exc, weather(sys.stderr))
            self._failed = self._failed or exc

    async def _transcribe(self, name: str, target: Target, interrupts: Interrupts) -> None:
        from voxctl.transcript.transcript import Transcript

        with self._open.pop(name, None) or self._opened(name) as audio:
            transcript = Transcript(source=audio.name)
            started_s = time.monotonic()
            title = audio.name if len(self._job.files) > 1 else None
            self._view.begin(title, target=target.label, duration_s=audio.duration_s, pace=self._job.speed)
            try:
                if audio.n_missing_bytes > _CUT_SHORT_BYTES:
                    self._view.say(f"note: {audio.name} is cut short: {audio.n_missing_bytes // 1000} kB are missing")
                await self._listen(audio, transcript, target, interrupts)
            finally:
                self._view.end(transcript.complete)
                self._deliver(name, transcript, target)
            self._view.summary(transcript, time.monotonic() - started_s)

    async def _listen(self, audio: AudioFile, transcript: Transcript, target: Target, interrupts: Interrupts) -> None:
        from voxctl.audio.pace import paced
        from voxctl.events import Opened
        from voxctl.realtime.models import facts_for
        from voxctl.session.session import open_session

        async with AsyncExitStack() as stack:
            source = await stack.enter_async_context(aclosing(paced(audio.chunks(), self._job.speed)))
            session = await stack.enter_async_context(open_session(target.connect, source, model=self._job.model))
            stack.enter_context(interrupts.ending(session.finish, "finishing with what was heard"))
            async for event in session:
                transcript.apply(event)
                self._view.show(event)
                if isinstance(event, Opened) and facts_for(event.model).low_accuracy:
                    self._view.say_once(_LOW_ACCURACY.format(engine=event.engine or event.model))

    def _deliver(self, name: str, transcript: Transcript, target: Target) -> None:
        """Write the document; that of a transcript that failed too, if it has a word in it."""
        from voxctl.transcript.export import export

        job = self._job
        if job.live or not (transcript.words or transcript.complete):
            return
        document = export(transcript, job.format, target=target.label, timestamps=job.timestamps)
        if self._output is None:
            self._view.document(document)
            return
        self._output.write(name, document)
        if path := self._output.path_of(name):
            self._view.say(f"wrote {path}")


#: Some programs count a header's own bytes wrongly; this is a quarter of a second of telephone sound.
_CUT_SHORT_BYTES = 2_000

_LOW_ACCURACY = (
    "note: {engine} is a low-accuracy recogniser for trials and self-tests; name a vLLM server with --url for more"
)
