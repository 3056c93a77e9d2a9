"""One run of `voxctl mic`: what is said, where it is shown, and where it is written while it is said."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from voxctl.cli.interrupt import Interrupts
from voxctl.cli.keys import keyboard
from voxctl.cli.reading import Reading
from voxctl.cli.targets import Target
from voxctl.errors import Incomplete
from voxctl.events import Event
from voxctl.session.policy import Policy
from voxctl.transcript.export import Format, export
from voxctl.transcript.growing import Growing
from voxctl.transcript.lines import Lines
from voxctl.transcript.parts import Part, Parts
from voxctl.ui.text import counted
from voxctl.ui.view import View

if TYPE_CHECKING:
    from voxctl.audio.mic import Microphone
    from voxctl.cli.eventlog import EventLog
    from voxctl.cli.journal import Journal
    from voxctl.cli.output import Output
    from voxctl.ui.status import Sound

#: What documents and their files are named after.
NAME = "microphone"


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for, the microphone and the target apart."""

    model: str | None
    policy: Policy
    format: Format
    timestamps: bool
    output: str | None
    events: str | None

    @property
    def is_plain(self) -> bool:
        """Whether the words themselves are the product, written as they are committed."""
        return self.format is Format.TXT and not self.timestamps and self.output is None


class _Heard:
    """What is listened to, as a ``Reading`` takes it."""

    name = NAME
    speakers: tuple[str, ...] | None = None
    channels: list[int | None] = [None]  # noqa: RUF012 - never changed


class Said(Reading):
    """Takes a session's events. Only what is not settled is kept, unless ``keep``; ``write`` gets each settled part."""

    def __init__(
        self, view: View, log: EventLog | None, journal: Journal | None, write: Callable[[Part], None], *, keep: bool
    ) -> None:
        super().__init__(_Heard(), view, log, journal)
        self.parts = Parts(NAME)
        self._lines = Lines()
        self._write = write
        self._keep = keep

    @property
    def lost_s(self) -> float:
        """Seconds of sound that nobody will ever hear."""
        return self.parts.lost_s

    def settle(self) -> None:
        """Write what is left, when no more will come."""
        for part in self.parts.finish():
            self._write(part)

    def _folded(self, number: int, event: Event) -> Sequence[Event]:
        for part in self.parts.apply(event):
            self._write(part)
        if self._keep:
            self._single.apply(event)
        return self._lines.apply(event)


class Listening:
    """The run. ``prepare`` it before the event loop starts; it hears from then on."""

    def __init__(self, wish: Wish, microphone: Microphone, view: View) -> None:
        self._wish = wish
        self._microphone = microphone
        self._view = view
        self._output: Output | None = None
        self._events: EventLog | None = None
        self._append: Callable[[str], None] = view.document
        self._rested = False

    def prepare(self, kept: ExitStack) -> None:
        """Judge where documents will go, and open the microphone. Raises ``UsageError`` and ``AudioError``."""
        from voxctl.cli.eventlog import open_event_log
        from voxctl.cli.growth import open_growth
        from voxctl.cli.journal import recover
        from voxctl.cli.output import plan_output

        wish = self._wish
        if wish.output is not None:
            self._output = kept.enter_context(plan_output(wish.output, [NAME], wish.format.suffix))
            if wish.format is Format.JSON:
                recover(self._output.paths, self._view.say)
            else:
                self._append = kept.enter_context(open_growth(self._output, NAME, _growing(wish, "").head()))
        if wish.events is not None:
            paths = self._output.paths if self._output else ()
            self._events = kept.enter_context(open_event_log(wish.events, (), paths))
        kept.enter_context(self._microphone).open()

    async def run(self, target: Target, interrupts: Interrupts) -> None:
        """Listen until Ctrl-C. Raises whatever ends it otherwise; what was said until then is written all the same."""
        wish = self._wish
        growing = None
        if wish.format is not Format.JSON and not wish.is_plain:
            growing = _growing(wish, target.label)
            self._put(growing.head())
        with ExitStack() as kept:
            journal = kept.enter_context(self._journal(target))
            said = Said(
                self._view,
                self._events,
                journal,
                lambda part: self._put(growing.part(part)) if growing else None,
                keep=wish.format is Format.JSON,
            )
            self._view.begin(None, target=target.label, pace=1.0, sound=self._sound)
            recording = self._microphone.recording
            also = f"; recording to {recording.path}" if recording else ""
            self._view.say(f"listening to {self._microphone.name}{also}; space pauses, Ctrl-C ends")
            try:
                with said.recorded():
                    await self._listen(said, target, interrupts)
            finally:
                self._view.end(said.parts.whole.complete)
                said.settle()
                self._put(growing.foot(said.parts.whole) if growing else "")
                self._deliver(said, target)
                if journal:
                    journal.needed = False
        self._tell(said)

    def finish(self) -> None:
        """Raise what did not keep a word from being heard, and was to be done all the same."""
        recording = self._microphone.recording
        for broken in (self._events and self._events.broken, recording and recording.broken):
            if broken:
                raise broken

    async def _listen(self, said: Said, target: Target, interrupts: Interrupts) -> None:
        from voxctl.session.session import open_session

        session = open_session(target.connect, self._microphone, model=self._wish.model, policy=self._wish.policy)

        def finish() -> bool:
            # First: a source that has come to its own end makes a transcript that is complete.
            self._microphone.stop()
            return session.finish()

        async with session:
            with keyboard(self._press, self._rest, self._go_on) as keys:
                interrupts.at_last = keys.give_back
                with interrupts.ending(finish, "finishing the sentence"):
                    async for event in session:
                        said.take(0, event)

    def _press(self, key: str) -> None:
        if key == " ":
            if self._microphone.paused:
                self._microphone.resume()
            else:
                self._microphone.pause()
            self._view.go_on()

    def _rest(self) -> None:
        self._rested = not self._microphone.paused
        self._microphone.pause(let_go=True)
        self._view.rest()

    def _go_on(self) -> None:
        if self._rested:
            self._microphone.resume()
        self._view.go_on()

    def _sound(self) -> Sound:
        from voxctl.ui.status import Sound

        heard = self._microphone
        return Sound(heard.level.peak_db, heard.trouble or heard.level.verdict, heard.paused)

    def _put(self, text: str) -> None:
        if text:
            self._append(text)

    @contextmanager
    def _journal(self, target: Target) -> Iterator[Journal | None]:
        """Keep what is heard beside a document that is written at the end, if there is one."""
        path = self._output.path_of(NAME) if self._output else None
        if path is None or self._wish.format is not Format.JSON:
            yield None
            return
        from voxctl.cli.journal import Heading, open_journal

        heading = Heading(NAME, target.label, self._wish.format, self._wish.timestamps, None)
        with open_journal(path, heading, self._view.say) as journal:
            yield journal

    def _deliver(self, said: Said, target: Target) -> None:
        """Write the document that cannot grow."""
        transcript = said.transcript
        if self._wish.format is not Format.JSON or not (transcript.words or transcript.complete):
            return
        document = export(transcript, Format.JSON, target=target.label)
        if self._output is None:
            self._view.document(document)
        elif path := self._output.write(NAME, document, partial=not transcript.complete):
            self._view.say(f"wrote {path}")

    def _tell(self, said: Said) -> None:
        whole = said.parts.whole
        sure = f", confidence {whole.confidence:.2f}" if whole.confidence is not None else ""
        self._view.say(f"{whole.audio_s:.1f} s heard, {counted(said.parts.n_words, 'word')}{sure}")
        if said.lost_s:
            raise Incomplete(
                f"{said.lost_s:.1f} s of what was said are not in the transcript",
                hint="it says where; look at the server's log, or at the microphone's cable, for why.",
            )


def _growing(wish: Wish, target: str) -> Growing:
    return Growing(wish.format, target=target, timestamps=wish.timestamps)
