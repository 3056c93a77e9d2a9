"""What a command shows a transcription with, whichever way it is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol, TextIO

from voxctl.events import Event
from voxctl.transcript.conversation import Conversation
from voxctl.transcript.transcript import Transcript
from voxctl.ui.console import display_for
from voxctl.ui.plain import PlainView

if TYPE_CHECKING:
    from voxctl.ui.status import Sound


class View(Protocol):
    """Shows one transcript after another: ``begin``, any number of ``show``, ``end``, and perhaps ``summary``."""

    def begin(
        self,
        name: str | None,
        *,
        target: str = "",
        duration_s: float | None = None,
        pace: float | None = None,
        sound: Callable[[], Sound] | None = None,
    ) -> None:
        """Begin a transcript, ``name`` given when there are several.

        ``target`` names the server, ``duration_s`` is the length of the sound where it is known, and ``pace`` the
        multiple of real time at which it is sent, ``None`` without a limit. ``sound`` looks at the microphone.
        """

    def show(self, event: Event) -> None:
        """Show what the event means to a reader, if anything."""

    def rest(self) -> None:
        """Leave the terminal to others until ``go_on``."""

    def go_on(self) -> None:
        """Come back after ``rest``, or show at once what has changed."""

    def end(self, complete: bool) -> None:
        """End the transcript; this must be called after ``begin``, whatever happens."""

    def document(self, text: str) -> None:
        """Write a whole document and a newline to stdout."""

    def say(self, text: str) -> None:
        """Write one line to stderr, below the text so far."""

    def say_once(self, text: str) -> None:
        """Write one line to stderr unless it was written before."""

    def summary(self, transcript: Transcript | Conversation, took_s: float) -> None:
        """Say how much was heard, how fast, and how sure the recogniser is where it tells."""


def open_view(out: TextIO, err: TextIO, environment: Mapping[str, str], *, live: bool) -> View:
    """Return captions where a terminal can show them, else plain output. ``live``: words are shown as they come."""
    display = display_for(out, err, environment)
    if display.screen is None:
        return PlainView(out, err, live=live)
    from voxctl.ui.captions import CaptionsView  # with Rich, which nobody else needs

    return CaptionsView(out, err, display, live=live)
