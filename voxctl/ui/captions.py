"""Live captions: committed text scrolls into the terminal's own history, the rest is drawn in place below it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TextIO

from voxctl.errors import VoxError
from voxctl.events import Event, Gap, Notice, Tail, Words
from voxctl.transcript.conversation import Conversation
from voxctl.transcript.transcript import Transcript
from voxctl.ui.console import Display
from voxctl.ui.flow import Flow
from voxctl.ui.plain import PlainView, n_words, summary_of, told_gap
from voxctl.ui.screen import DIM, Region
from voxctl.ui.status import Sound, Status
from voxctl.ui.streams import scenery
from voxctl.ui.text import one_line
from voxctl.ui.wrap import wrap

#: The least time between two frames, in seconds: 12 a second look continuous and cost little.
FRAME_S = 0.08
#: Between two looks at the terminal's size and the running numbers while nothing happens. Waking up costs more than
#: drawing does, so there is no steady beat: a frame is drawn with the event that it shows.
IDLE_S = 0.25


class CaptionsView:
    """Shows one transcript after another on the terminal ``display.screen``.

    Where stdout is that terminal, words are shown on it; where it is a file, they are written there as ``PlainView``
    does, and the terminal shows the status line alone. ``begin`` to ``end`` need a running event loop.
    """

    def __init__(
        self, out: TextIO, err: TextIO, display: Display, *, live: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if display.screen is None:
            raise ValueError("captions need a screen")
        self._clock = clock
        self._captioned = live and display.screen is out
        # Without words on it, it may be closed, and the document is written all the same.
        screen = display.screen if self._captioned else scenery(display.screen)
        self._region = Region(screen, colour=display.colour, reflows=display.reflows)
        self._plain = PlainView(out, err, live=live and not self._captioned)
        self._err = err
        self._said: set[str] = set()
        self._several = False
        self._tick: asyncio.TimerHandle | None = None
        self._owed = self._resting = False
        self._status, self._flow = Status(), Flow()
        self._n_rows = 0
        self._settled = True
        self._failure: VoxError | OSError | None = None
        self._next_frame_s = 0.0

    def begin(
        self,
        name: str | None,
        *,
        target: str = "",
        duration_s: float | None = None,
        pace: float | None = None,
        sound: Callable[[], Sound] | None = None,
    ) -> None:
        """Begin a transcript: from now to ``end`` the bottom of the terminal is ours."""
        self._several = name is not None
        self._status = Status(one_line(name or ""), one_line(target), duration_s, pace, sound)
        self._flow, self._n_rows = Flow(), 0
        self._plain.begin(None)
        self._draw()
        self._wake_in(IDLE_S)

    def show(self, event: Event) -> None:
        """Take what the event means to a reader; it is drawn at the next frame."""
        if self._failure:
            raise self._failure
        now_s = self._clock()
        self._status.apply(event, now_s)
        match event:
            case Words(text) if self._captioned:
                self._flow.add(text)
            case Words():
                self._plain.show(event)
            case Tail(text):
                self._flow.tail = text
            case Notice(text):
                self.say(f"note: {text}")
            case Gap():
                self.say(told_gap(event))
        # The tail that goes with new words comes right after them; a frame between the two would show text twice.
        self._settled = not isinstance(event, Words)
        if self._tick and self._settled and now_s >= self._next_frame_s:
            self._draw()
        elif self._tick and not self._owed:
            self._owed = True
            self._wake_in(FRAME_S)

    def rest(self) -> None:
        """Leave the terminal to others until ``go_on``: what may still change vanishes and the cursor is back."""
        if self._tick:
            self._tick.cancel()
            self._tick = None
            self._resting = True
        self._region.clear()

    def go_on(self) -> None:
        """Come back after ``rest``, or show at once what has changed."""
        if self._resting or self._tick:
            self._resting = False
            self._wake_in(IDLE_S)
            self._draw()

    def end(self, complete: bool) -> None:
        """End the transcript: its text stays, all else vanishes and the cursor is back."""
        self._resting = False
        if self._tick:
            self._tick.cancel()
            self._tick = None
        self._region.draw(self._flow.take_all(self._region.size()[0]), ())
        self._plain.end(complete)

    def document(self, text: str) -> None:
        """Write a whole document, or what is added to one, and a newline to stdout."""
        self._region.clear()
        self._plain.document(text)
        if self._tick:
            self._draw()

    def say(self, text: str) -> None:
        """Write one line to stderr, above the text that is still changing."""
        self._region.clear()
        for line in self._lines_of(text) if self._err.isatty() else [text]:
            self._plain.say(line)
        if self._tick:
            self._draw()

    def say_once(self, text: str) -> None:
        """Write one line to stderr unless it was written before."""
        if text not in self._said:
            self._said.add(text)
            self.say(text)

    def summary(self, transcript: Transcript | Conversation, took_s: float) -> None:
        """Say how much was heard and how fast; in one short line for each file where there are several."""
        text = summary_of(transcript, took_s)
        if self._several:
            speed = f", {transcript.audio_s / took_s:.1f}x" if took_s > 0 else ""
            text = f"✓ {self._status.name} {transcript.audio_s:.1f} s{speed}, {n_words(transcript)}"
        if not self._err.isatty():
            self._plain.say(text)
            return
        self._region.draw([((line, DIM),) for line in self._lines_of(text)], ())

    def _lines_of(self, text: str) -> list[str]:
        """Return one line of text as the lines it needs at this width."""
        text = one_line(text)
        return [text[line.start : line.end] for line in wrap(text, self._region.size()[0])]

    def _wake_in(self, seconds: float) -> None:
        if self._tick:
            self._tick.cancel()
        self._tick = asyncio.get_running_loop().call_later(seconds, self._on_tick)

    def _on_tick(self) -> None:
        self._owed = False
        self._wake_in(IDLE_S)
        try:
            if self._settled or self._region.resized:
                self._draw()  # which writes nothing when nothing has changed
        except (OSError, VoxError) as exc:
            self._failure = exc  # nobody waits here; `show` has a caller to tell

    def _draw(self) -> None:
        """Draw a frame: full rows of committed text go above the region, for good."""
        now_s = self._clock()
        self._next_frame_s = now_s + FRAME_S
        width, height = self._region.size()
        most = max(1, height - 1)
        above = self._flow.take(width)
        rows = self._flow.rest(width, most) if self._captioned else []
        # Text that scrolls away makes room; otherwise the status line stays where it is, even if the tail gets shorter.
        self._n_rows = min(max(len(rows), self._n_rows - len(above)), most)
        rows += [()] * (self._n_rows - len(rows))
        self._region.draw(above, [*rows, self._status.row(width, now_s)])
