"""Plain output: committed words on stdout as they come, everything else on stderr, no cursor control."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from voxctl.errors import Interrupted, VoxError
from voxctl.events import Event, Gap, Notice, Progress, Reconnecting, Words
from voxctl.transcript.conversation import Conversation
from voxctl.transcript.transcript import Transcript
from voxctl.ui.text import counted, one_line, printable, soon

if TYPE_CHECKING:
    from voxctl.ui.status import Sound

#: While the same failure is tried again, how often it is said, in seconds.
_AGAIN_S = 10.0
#: What AWS calls an attempt: it is the same failure though each has another name.
_REQUEST = re.compile(r" \(request [^)]*\)")


def show_error(error: VoxError, err: TextIO) -> None:
    """Write what happened and what to do about it, a line each."""
    prefix = "" if isinstance(error, Interrupted) else "error: "
    err.write(f"{prefix}{one_line(error.message)}\n")
    if error.hint:
        err.write(f"  try: {one_line(error.hint)}\n")
    err.flush()


def show_note(text: str, err: TextIO) -> None:
    """Write a line about something that is odd and stops nothing."""
    err.write(f"note: {one_line(text)}\n")
    err.flush()


def told_gap(gap: Gap) -> str:
    """Return the line that says what is missing."""
    return f"missing: {gap.start_s:.1f} to {gap.end_s:.1f} s: {gap.reason}"


def summary_of(transcript: Transcript | Conversation, took_s: float) -> str:
    """Return how much was heard, how fast, and how sure the recogniser is where it tells, in one line."""
    speed = f" ({transcript.audio_s / took_s:.1f}x real time)" if took_s > 0 else ""
    parts = [f"{transcript.audio_s:.1f} s of audio in {took_s:.1f} s{speed}", n_words(transcript)]
    if transcript.confidence is not None:
        parts.append(f"confidence {transcript.confidence:.2f}")
    return ", ".join(parts)


def n_words(transcript: Transcript | Conversation) -> str:
    """Return how many words there are, in words."""
    return counted(len(transcript.words), "word")


class PlainView:
    """Shows one transcript after another. ``live`` writes words to ``out`` as they are committed.

    A terminal gets text it cannot be commanded by; a file or a pipe gets it verbatim.
    """

    def __init__(self, out: TextIO, err: TextIO, *, live: bool) -> None:
        self._out = out
        self._err = err
        self._live = live
        self._safe = printable if out.isatty() else str
        self._begun = self._mid_line = False
        self._sound: Callable[[], Sound] | None = None
        self._said: set[str] = set()
        self._attempts: dict[str, tuple[int, float]] = {}

    def begin(
        self,
        name: str | None,
        *,
        target: str = "",
        duration_s: float | None = None,
        pace: float | None = None,
        sound: Callable[[], Sound] | None = None,
    ) -> None:
        """Begin a transcript; ``name`` is said on stderr when there are several. Most of the rest is for other views:
        of ``sound``, each thing that is wrong is said once.
        """
        self._begun = self._mid_line = False
        self._sound = sound
        if name is not None:
            self.say(f"{name}:")

    def show(self, event: Event) -> None:
        """Show what the event means to a reader, if anything."""
        match event:
            case Words(text) if self._live:
                self._write(text if self._begun else text.lstrip())
            case Notice(text):
                self.say(f"note: {text}")
            case Reconnecting(attempt, delay_s, reason):
                self._say_again(attempt, delay_s, reason.rstrip("."))
            case Gap():
                self.say(told_gap(event))
            case Progress() if self._sound and (warning := self._sound().warning):
                self.say_once(f"note: the microphone: {warning}")

    def rest(self) -> None:
        """Leave the terminal to others: there is nothing to take away."""

    def go_on(self) -> None:
        """Come back after ``rest``."""

    def end(self, complete: bool) -> None:
        """End the transcript with its one final newline; an incomplete one only if it has text."""
        if self._live and (self._mid_line or (complete and not self._begun)):
            self._out.write("\n")
            self._out.flush()
        self._begun = self._mid_line = False

    def document(self, text: str) -> None:
        """Write a whole document to stdout, ended by a newline."""
        self._out.write(self._safe(text if text.endswith("\n") else text + "\n"))
        self._out.flush()

    def say(self, text: str) -> None:
        """Write one line to stderr, below the text so far."""
        if self._mid_line and self._out.isatty() and self._err.isatty():
            self._err.write("\n")
        self._err.write(one_line(text) + "\n")
        self._err.flush()

    def say_once(self, text: str) -> None:
        """Write one line to stderr unless it was written before."""
        if text not in self._said:
            self._said.add(text)
            self.say(text)

    def summary(self, transcript: Transcript | Conversation, took_s: float) -> None:
        """Say how much was heard, how fast, and how sure the recogniser is where it tells."""
        self.say(summary_of(transcript, took_s))

    def _say_again(self, attempt: int, delay_s: float, reason: str) -> None:
        """Say that a connection is tried again, once for each reason and now and then while it lasts."""
        same = _REQUEST.sub("", reason)
        before, said_s = self._attempts.get(same, (attempt, -math.inf))
        now_s = time.monotonic()
        if attempt <= before or now_s - said_s >= _AGAIN_S:
            said_s = now_s
            self.say(f"{reason}; attempt {attempt} {soon(delay_s)}")
        self._attempts[same] = attempt, said_s

    def _write(self, text: str) -> None:
        if text:
            self._begun, self._mid_line = True, not text.endswith("\n")
            self._out.write(self._safe(text))
            self._out.flush()
