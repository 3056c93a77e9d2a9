"""The protocol of one connection as a machine: feed it sound and frames, take from it frames and events. No I/O.

Servers answer misuse with silence: a second utterance before ``done``, a final commit without a first, audio after the
end, all lose words without an error. The machine has no way to say any of these; asking it to raises ``RuntimeError``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from voxctl.errors import ProtocolError
from voxctl.events import Notice, Opened, Tail, Usage, Words
from voxctl.realtime.codec import decode, encode
from voxctl.realtime.faults import server_error
from voxctl.realtime.messages import (
    Append,
    Commit,
    ErrorMessage,
    SessionCreated,
    SessionUpdate,
    TranscriptionDelta,
    TranscriptionDone,
    Unknown,
)
from voxctl.realtime.models import DEFAULT_MODEL, SAMPLE_RATE_HZ, TICK_S, ModelFacts, facts_for
from voxctl.realtime.words import WordBuilder


class Phase(Enum):
    """Where a connection stands."""

    CONNECTING = "waiting for session.created"
    SENDING = "audio may be fed"
    FINISHING = "the final commit was given, done is awaited"
    ENDED = "nothing more will come"


@dataclass(frozen=True, slots=True)
class Ended:
    """The utterance is over. Not ``complete``: the model's context ended before the audio did.

    ``fragment`` is then the text in which it broke off: perhaps half a word, for whoever can hear the rest elsewhere.
    """

    complete: bool
    usage: Usage
    confidence: float | None
    fragment: Words | None = None


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """One more delta arrived; the machine's counters have moved. ``blank``: it held no text."""

    blank: bool = False


MachineEvent = Opened | Words | Tail | Acknowledged | Notice | Unknown | Ended


class Machine:
    """One connection, one utterance. ``model`` ``None`` takes the server's own when it names one."""

    def __init__(self, model: str | None = None) -> None:
        self._asked_model = model
        self.model = model or DEFAULT_MODEL
        self.facts: ModelFacts = facts_for(self.model)
        self.phase = Phase.CONNECTING
        self.n_deltas = 0
        self.n_samples_sent = 0
        self._acked_s = 0.0
        self._words = WordBuilder(self.facts)
        self._text: list[str] = []
        self._outbox: list[str] = []

    @property
    def sent_s(self) -> float:
        """Seconds of audio fed so far."""
        return self.n_samples_sent / SAMPLE_RATE_HZ

    @property
    def tail(self) -> str:
        """The text since the last committed word."""
        return self._words.tail

    @property
    def acked_s(self) -> float:
        """Seconds of audio that the deltas so far speak for; without a clock, what was sent when text last came."""
        return min(self._acked_s, self.sent_s)

    @property
    def unacked_s(self) -> float:
        """Seconds of audio the server has and has not answered. At rest this is the model's delay."""
        return self.sent_s - self.acked_s

    def feed(self, pcm: bytes) -> None:
        """Send ``pcm``: 16 kHz mono PCM16 little endian, whole samples, at least one."""
        self._require(Phase.SENDING, "feed audio")
        self._outbox.append(encode(Append(pcm)))
        if not self.n_samples_sent:  # audio first: some servers fail on a commit of nothing
            self._outbox.append(encode(Commit()))
        self.n_samples_sent += len(pcm) // 2

    def finish(self) -> list[MachineEvent]:
        """End the utterance. Without any audio it ends here: a final commit would spoil the next one."""
        self._require(Phase.SENDING, "finish")
        if not self.n_samples_sent:
            self.phase = Phase.ENDED
            return [Ended(True, Usage(), None)]
        self._outbox.append(encode(Commit(final=True)))
        self.phase = Phase.FINISHING
        return []

    def to_send(self) -> list[str]:
        """Take the frames that are to be sent now, in order."""
        frames, self._outbox = self._outbox, []
        return frames

    def receive(self, text: str) -> list[MachineEvent]:
        """Take one frame of the server; return what it means.

        Raises the ``ServerError`` an ``error`` message stands for, and ``ProtocolError`` for what is no message or
        comes where none can.
        """
        match decode(text):
            case SessionCreated(_, extension):
                return self._created(extension.get("model"), extension.get("engine"))
            case ErrorMessage(error, code):
                raise server_error(error, code, self.model)
            case TranscriptionDelta(delta) if self._open:
                return self._delta(delta)
            case TranscriptionDone() as done if self._open:
                return self._done(done)
            case Unknown() as unknown:
                return [unknown]
            case message:
                raise ProtocolError(
                    f"the server sent {type(message).__name__} while {self.phase.value}",
                    hint="the server does not keep the vLLM Realtime protocol; check its version.",
                )

    @property
    def _open(self) -> bool:
        return self.phase in (Phase.SENDING, Phase.FINISHING) and self.n_samples_sent > 0

    def _require(self, phase: Phase, what: str) -> None:
        if self.phase is not phase:
            raise RuntimeError(f"cannot {what}: the connection is {self.phase.name} ({self.phase.value})")

    def _created(self, model: object, engine: object) -> list[MachineEvent]:
        if self.phase is not Phase.CONNECTING:
            return []  # said once already; harmless
        if self._asked_model is None and isinstance(model, str) and model:
            self.model = model
            self.facts = facts_for(model)
            self._words = WordBuilder(self.facts)
        self._outbox.append(encode(SessionUpdate(self.model)))
        self.phase = Phase.SENDING
        return [Opened(self.model, engine if isinstance(engine, str) else None)]

    def _delta(self, text: str) -> list[MachineEvent]:
        self.n_deltas += 1
        if self.facts.has_clock:
            self._acked_s = self.n_deltas * TICK_S
        elif text:
            self._acked_s = self.sent_s
        if text:  # or hours of silence would fill the memory
            self._text.append(text)
        before = self._words.tail
        # Tail deltas run past the end of the audio; no word does.
        words = self._words.delta(text, self.acked_s)
        events: list[MachineEvent] = [words] if words else []
        if self._words.tail != before:
            events.append(Tail(self._words.tail))
        return [*events, Acknowledged(blank=not text)]

    def _done(self, done: TranscriptionDone) -> list[MachineEvent]:
        asked = self.phase is Phase.FINISHING
        complete = asked and (not self.facts.has_clock or self.n_deltas >= self.facts.deltas_for(self.n_samples_sent))
        self.phase = Phase.ENDED
        events = self._missed(done.text)
        rest = self._words.finish()
        if rest:
            events += [rest, Tail("")] if complete else [Tail("")]
        events += self._doubts(done)
        confidence = done.extension.get("confidence")
        sure = confidence if isinstance(confidence, float) else None
        return [*events, Ended(complete, done.usage or Usage(), sure, None if complete else rest)]

    def _missed(self, text: str) -> list[MachineEvent]:
        """Take what the server's final text has beyond its deltas: a word that came late is better than none."""
        heard = "".join(self._text)
        if text == heard or not text.startswith(heard):
            return []
        self._text.append(text[len(heard) :])
        words = self._words.delta(text[len(heard) :], self.sent_s)
        return [*([words] if words else []), Notice("the last words came in the server's final text only")]

    def _doubts(self, done: TranscriptionDone) -> list[MachineEvent]:
        """Say where the server's own account differs from the deltas; the deltas are what was shown."""
        doubts: list[MachineEvent] = []
        if done.text != "".join(self._text):
            doubts.append(Notice("the server's final text differs from its deltas; the deltas are kept"))
        if done.usage and self.facts.has_clock and done.usage.completion_tokens != self.n_deltas:
            doubts.append(
                Notice(
                    f"the server counted {done.usage.completion_tokens} tokens and sent {self.n_deltas} deltas; "
                    "word times may be off"
                )
            )
        return doubts
