"""One input under way: its transcript grows, is shown, and every event is put on record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from voxctl.errors import OutputError, VoxError
from voxctl.events import Event, Opened
from voxctl.transcript.conversation import Conversation, Turns
from voxctl.transcript.transcript import Transcript
from voxctl.ui.view import View

if TYPE_CHECKING:
    from voxctl.cli.eventlog import EventLog
    from voxctl.cli.journal import Journal
    from voxctl.redact.stage import Redaction


class Heard(Protocol):
    """What is listened to: ``channels`` are their numbers, ``[None]`` for the whole; ``speakers`` names them."""

    name: str
    speakers: tuple[str, ...] | None

    @property
    def channels(self) -> list[int | None]: ...


class Reading:
    """Takes the events of an input's sessions. ``transcript`` is right at any moment.

    With ``stages``, one for each channel, nothing is shown, logged or kept that they have not let pass.
    """

    def __init__(
        self,
        sound: Heard,
        view: View,
        log: EventLog | None,
        journal: Journal | None,
        stages: Sequence[Redaction] = (),
    ) -> None:
        self.transcript: Transcript | Conversation
        self._channels = sound.channels
        self._name = sound.name
        self._view = view
        self._log = log
        self._journal = journal
        self._stages = stages
        self._turns: Turns | None = None
        if sound.speakers is None:
            self.transcript = self._single = Transcript(sound.name, channel=self._channels[0])
        else:
            self.transcript = conversation = Conversation(sound.speakers, sound.name)
            self._turns = Turns(conversation)

    def take(self, number: int, event: Event) -> None:
        """Take an event of the session ``number``, 0 being that of the first channel."""
        for seen in self._stages[number].take(event) if self._stages else (event,):
            self._put(number, seen)

    def _put(self, number: int, event: Event) -> None:
        for record in (self._journal, self._log):
            if record:
                record.event(event, self._channels[number])
        for shown in self._folded(number, event):
            self._show(shown)

    @property
    def lost_s(self) -> float:
        """Seconds of sound that nobody will ever hear."""
        sides = [self.transcript] if isinstance(self.transcript, Transcript) else self.transcript.channels
        return sum(gap.end_s - gap.start_s for side in sides for gap in side.gaps)

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Put the beginning and the failure of what is done inside on record; show at the end what was held back."""
        if self._log:
            self._log.begin(self._name)
        try:
            yield
        except OutputError:  # perhaps the log's own
            raise
        except VoxError as exc:
            self._let_out()
            if self._log:
                self._log.failed(exc)
            raise
        finally:
            self._let_out()
            for shown in self._turns.finish() if self._turns else ():
                self._show(shown)

    def _let_out(self) -> None:
        """Put what the stages still keep back: what could be a number is masked."""
        for number, stage in enumerate(self._stages):
            for seen in stage.finish():
                self._put(number, seen)

    def _folded(self, number: int, event: Event) -> Sequence[Event]:
        if self._turns:
            return self._turns.apply(number, event)
        self._single.apply(event)
        return (event,)

    def _show(self, event: Event) -> None:
        from voxctl.realtime.models import facts_for

        self._view.show(event)
        if isinstance(event, Opened) and facts_for(event.model).low_accuracy:
            self._view.say_once(_LOW_ACCURACY.format(engine=event.engine or event.model))


_LOW_ACCURACY = (
    "note: {engine} is a low-accuracy recogniser for trials and self-tests; name a vLLM server with --url for more"
)
