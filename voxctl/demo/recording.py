"""One recording of one tab: its sound, its session, its transcript, and what the page does not know of it yet."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping
from enum import StrEnum

from voxctl.demo.sound import Arrivals
from voxctl.errors import StreamError, VoxError
from voxctl.events import Event, Gap, Notice, Opened, Progress, Reconnecting, Resumed, Tail, Words
from voxctl.realtime.models import facts_for
from voxctl.session.policy import Policy
from voxctl.session.session import Session, open_session
from voxctl.transcript.transcript import Transcript
from voxctl.transport.base import Connector

#: What the transcript of a recording is a transcript of.
SOURCE = "microphone"
#: After the last sound, until the session is told to hurry.
_SETTLE_S = 1.0


class Phase(StrEnum):
    """Where a recording is; the page has words for each."""

    OPENING = "opening"
    LIVE = "live"
    RECONNECTING = "reconnecting"
    FINISHING = "finishing"
    DONE = "done"
    FAILED = "failed"


class Recording:
    """``run`` it in a task of its own. Pages come and go: ``changed`` is set when there is news for the one there is.

    ``id`` is a secret of the page that began it.
    """

    def __init__(self, connect: Connector, *, model: str | None, policy: Policy | None) -> None:
        self.id = secrets.token_urlsafe(16)
        self.sound = Arrivals()
        self.transcript = Transcript(SOURCE)
        self.changed = asyncio.Event()
        self.phase = Phase.OPENING
        self._connect = connect
        self._model = model
        self._policy = policy
        self._session: Session | None = None
        self._words: list[tuple[str, float, float]] = []
        self._tail = ""
        self._heard_s = 0.0
        self._note = ""
        self._error: dict[str, str | None] | None = None
        self._low_accuracy = False

    @property
    def over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.phase in (Phase.DONE, Phase.FAILED)

    @property
    def n_words(self) -> int:
        """How many pieces of committed text there are."""
        return len(self._words)

    async def run(self) -> None:
        """Transcribe until the sound has ended and all of it is text, or until that has failed."""
        try:
            await self._transcribe()
            self.phase = Phase.DONE
        except VoxError as exc:
            self._fail(exc)
        except asyncio.CancelledError:
            self._fail(StreamError("voxctl demo was ended", hint="start it again, and open the address it prints."))
            raise
        finally:
            if self.phase not in (Phase.DONE, Phase.FAILED):  # a bug of ours, which whoever awaits this task is shown
                self.phase = Phase.FAILED
            self.sound.cut()
            self._session = None  # and with it the sound that it kept
            self.changed.set()

    async def _transcribe(self) -> None:
        source = self.sound.chunks()
        async with open_session(
            self._connect, source, model=self._model, policy=self._policy, live=True
        ) as self._session:
            async for event in self._session:
                self.transcript.apply(event)
                self._apply(event)
                self.changed.set()

    def stop_after(self, count: int) -> None:
        """Finish once the page's ``count`` messages have arrived."""
        self.sound.stop_after(count)
        self._finishing()

    def finish(self) -> None:
        """Finish with the sound that has arrived."""
        self.sound.cut()
        self._finishing()

    def _finishing(self) -> None:
        if self.sound.ended and not self.over and self.phase is not Phase.FINISHING:
            self.phase = Phase.FINISHING
            self.changed.set()
            asyncio.get_running_loop().call_later(_SETTLE_S, self._hurry)

    def _hurry(self) -> None:
        if self._session and not self.over:
            self._session.finish()

    def news(self, known: int) -> Mapping[str, object]:
        """Return what is so, and the committed text after the first ``known`` pieces."""
        return {
            "from": known,
            "words": self._words[known:],
            "tail": self._tail,
            "heard_s": round(self._heard_s, 3),
            "phase": self.phase,
            "note": self._note,
            "error": self._error,
            "gaps": [[gap.start_s, gap.end_s, gap.reason] for gap in self.transcript.gaps],
            "model": self.transcript.model,
            "low_accuracy": self._low_accuracy,
            "confidence": self.transcript.confidence,
            "at_ms": round(time.time() * 1000, 2),
        }

    def _apply(self, event: Event) -> None:
        match event:
            case Words(text, words):
                start_s, end_s = (words[0].start_s, words[-1].end_s) if words else (self._heard_s, self._heard_s)
                self._words.append((text, round(start_s, 3), round(end_s, 3)))
            case Tail(text):
                self._tail = text
            case Progress(acked_s):
                self._heard_s = acked_s
            case Opened(model):
                self._now(Phase.LIVE)
                self._low_accuracy = facts_for(model).low_accuracy
            case Reconnecting(_, _, reason):
                self._now(Phase.RECONNECTING, reason)
            case Resumed():
                self._now(Phase.LIVE)
            case Notice(text):
                self._note = text
            case Gap():
                self._note = event.reason

    def _now(self, phase: Phase, note: str = "") -> None:
        self.phase = Phase.FINISHING if self.sound.ended else phase
        self._note = note

    def _fail(self, error: VoxError) -> None:
        self.phase = Phase.FAILED
        self._error = {"message": error.message, "hint": error.hint}
