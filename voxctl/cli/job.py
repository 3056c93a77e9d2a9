"""One run of `voxctl transcribe`: every input in turn, and where its transcript goes."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, aclosing, contextmanager
from dataclasses import dataclass
from threading import Timer
from typing import TYPE_CHECKING

import typer

from voxctl.cli.inputs import Hearing, Input, called, can_be_opened_again
from voxctl.cli.interrupt import Interrupts
from voxctl.cli.reading import Reading
from voxctl.cli.targets import Target
from voxctl.errors import AudioError, ContextFull, Incomplete, VoxError
from voxctl.session.policy import Policy
from voxctl.transcript.export import Format
from voxctl.ui.plain import show_error
from voxctl.ui.streams import weather
from voxctl.ui.view import View

if TYPE_CHECKING:
    from voxctl.cli.eventlog import EventLog
    from voxctl.cli.journal import Journal
    from voxctl.cli.output import Output
    from voxctl.redact.choice import Choice
    from voxctl.transcript.conversation import Conversation
    from voxctl.transcript.transcript import Transcript


@dataclass(frozen=True, slots=True)
class Job:
    """What was asked for, the target apart. ``speed`` is a multiple of real time, ``None`` without a limit."""

    files: list[str]
    hearing: Hearing
    model: str | None
    speed: float | None
    policy: Policy
    format: Format
    timestamps: bool
    output: str | None
    events: str | None
    redact: Choice | None = None

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
        self._open: dict[str, Input] = {}
        self._output: Output | None = None
        self._events: EventLog | None = None
        self._failed: VoxError | None = None

    def prepare(self, kept: ExitStack) -> None:
        """Open every input and decode its first block, and judge where the documents will go.

        What cannot be opened twice stays open in ``kept``. Raises for a single bad input, and ends the program if
        all of several are bad.
        """
        if self._job.redact:
            self._job.redact.finders()  # a library that is missing must not be found out with the first word
        for name in self._job.files:
            with self._sparing_the_others(), self._patience_told(name, f"sound from {called(name)}"):
                opened = self._job.hearing.open(name)
                if can_be_opened_again(name):
                    opened.close()
                else:
                    self._open[name] = kept.enter_context(opened)
                self._todo.append(name)
        if not self._todo:
            self.finish()
        self._open_outputs(kept)

    def _open_outputs(self, kept: ExitStack) -> None:
        from voxctl.cli.eventlog import open_event_log
        from voxctl.cli.journal import recover
        from voxctl.cli.output import plan_output

        job = self._job
        if job.output is not None:
            with self._patience_told(job.output, f"a reader of {job.output}"):
                self._output = kept.enter_context(plan_output(job.output, job.files, job.format.suffix))
            recover(self._output.paths, self._view.say)
        if job.events is not None:
            paths = self._output.paths if self._output else ()
            with self._patience_told(job.events, f"a reader of {job.events}"):
                self._events = kept.enter_context(open_event_log(job.events, job.files, paths))

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
        if self._events and self._events.broken:
            raise self._events.broken
        if self._failed:
            raise typer.Exit(self._failed.exit_code)

    @contextmanager
    def _patience_told(self, name: str, what: str) -> Iterator[None]:
        """Say what is waited for if the other end of a pipe makes us wait."""
        if can_be_opened_again(name):
            yield
            return
        timer = Timer(_PATIENCE_S, self._view.say, [f"waiting for {what}; Ctrl-C leaves"])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    @contextmanager
    def _sparing_the_others(self) -> Iterator[None]:
        try:
            yield
        except (AudioError, ContextFull, Incomplete) as exc:
            if len(self._job.files) == 1:
                raise
            show_error(exc, weather(sys.stderr))
            self._failed = self._failed or exc

    async def _transcribe(self, name: str, target: Target, interrupts: Interrupts) -> None:
        with ExitStack() as kept:
            opened = self._open.pop(name, None)
            sound = kept.enter_context(opened or self._job.hearing.open(name))
            started_s = time.monotonic()
            title = sound.name if len(self._job.files) > 1 else None
            self._view.begin(title, target=target.label, duration_s=sound.duration_s, pace=self._job.speed)
            journal = kept.enter_context(self._journal(name, sound, target))
            stages = [self._job.redact.stage() for _ in sound.files] if self._job.redact else []
            reading = Reading(sound, self._view, self._events, journal, stages)
            try:
                with reading.recorded():
                    await self._listen(sound, reading, target, interrupts)
            finally:
                self._view.end(reading.transcript.complete)
                self._deliver(name, reading.transcript, target)
                if journal:
                    journal.needed = False
            self._view.summary(reading.transcript, time.monotonic() - started_s)
            _check_whole(sound, reading)

    @contextmanager
    def _journal(self, name: str, sound: Input, target: Target) -> Iterator[Journal | None]:
        """Keep what is heard beside the file that is to hold it, if there is one."""
        path = self._output.path_of(name) if self._output else None
        if path is None:
            yield None
            return
        from voxctl.cli.journal import Heading, open_journal

        heading = Heading(sound.name, target.label, self._job.format, self._job.timestamps, sound.speakers)
        with open_journal(path, heading, self._view.say) as journal:
            yield journal

    async def _listen(self, sound: Input, reading: Reading, target: Target, interrupts: Interrupts) -> None:
        from voxctl.audio.pace import paced
        from voxctl.session.session import AHEAD_S, open_session
        from voxctl.session.together import listen_together

        async with AsyncExitStack() as stack:
            sessions = []
            for file in sound.files:
                source = await stack.enter_async_context(aclosing(paced(file.chunks(), self._job.speed)))
                # A source with a pace of its own is let go on, so that a server's lag is seen for what it is.
                ahead_s = AHEAD_S if self._job.speed is None else self._job.policy.keep_s
                session = open_session(
                    target.connect, source, model=self._job.model, policy=self._job.policy, ahead_s=ahead_s
                )
                sessions.append(await stack.enter_async_context(session))

            def finish() -> bool:
                finishing = [session.finish() for session in sessions]
                return all(finishing)

            stack.enter_context(interrupts.ending(finish, "finishing with what was heard"))
            await listen_together(sessions, reading.take)

    def _deliver(self, name: str, transcript: Transcript | Conversation, target: Target) -> None:
        """Write the document; that of a transcript that failed too, if it has a word in it."""
        from voxctl.transcript.export import export

        job = self._job
        if job.live or not (transcript.words or transcript.complete):
            return
        document = export(transcript, job.format, target=target.label, timestamps=job.timestamps)
        if self._output is None:
            self._view.document(document)
            return
        path = self._output.write(name, document, partial=not transcript.complete)
        if path is not None:
            kept = self._output.path_of(name)
            self._view.say(f"wrote {path}" + ("" if path == kept else f"; {kept} stays as it was"))


def _check_whole(sound: Input, reading: Reading) -> None:
    """Raise ``Incomplete`` for sound that was to be heard and is not in the transcript."""
    if reading.lost_s:
        raise Incomplete(
            f"{reading.lost_s:.1f} s of {sound.name} are not in the transcript",
            hint="it says where; look at the server's log for why.",
        )
    if sound.n_missing_bytes > _CUT_SHORT_BYTES and reading.transcript.complete:
        raise Incomplete(
            f"{sound.name} is cut short: {sound.n_missing_bytes // 1000} kB that its header promises are missing",
            hint="all that is there was transcribed; copy or record the file again for the rest.",
        )


#: How long a pipe may make us wait before it is said.
_PATIENCE_S = 2.0
#: Some programs count a header's own bytes wrongly; this is a quarter of a second of telephone sound.
_CUT_SHORT_BYTES = 2_000
