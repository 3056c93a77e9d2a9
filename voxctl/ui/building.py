"""Shows long steps one after the other: how far each is, while it lasts, and what each came to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

from voxctl.ui.console import display_for
from voxctl.ui.screen import CYAN, DIM, Region, Row
from voxctl.ui.streams import scenery
from voxctl.ui.text import one_line
from voxctl.ui.wrap import cropped

#: The least time between two frames, and between two lines where nothing can be drawn, in seconds.
FRAME_S, PATIENCE_S = 0.25, 15.0
_GAP = "  "


class BuildView:
    """On a terminal one row says what is being done; elsewhere a line is written for each stage, and now and then."""

    def __init__(
        self, out: TextIO, err: TextIO, environment: Mapping[str, str], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        display = display_for(out, err, environment)
        self._out, self._err = out, err
        self._clock = clock
        self._region: Region | None = None
        if display.screen is not None:
            self._region = Region(scenery(display.screen), colour=display.colour, reflows=display.reflows)
        self._text = self._stage = ""
        self._progress: Callable[[], str] = str
        self._began_s = self._said_s = 0.0

    def say(self, text: str) -> None:
        """Write one line to stderr, above what is drawn."""
        if self._region is not None:
            self._region.clear()
        self._err.write(one_line(text) + "\n")
        self._err.flush()
        if self._text:
            self._draw()

    def document(self, text: str) -> None:
        """Write a line to stdout."""
        self._out.write(text + "\n")
        self._out.flush()

    @contextmanager
    def step(self, text: str, progress: Callable[[], str] = str) -> Iterator[None]:
        """Show a step while open; ``progress`` gives how much of it is done. It needs a running event loop."""
        self._text, self._stage, self._progress = one_line(text), "", progress
        self._began_s = self._said_s = self._clock()
        ticking = asyncio.ensure_future(self._tick())
        if self._region is None:
            self.say(self._text)
        try:
            yield
            took_s = self._clock() - self._began_s
            self._text, done = "", self._text
            if self._region is not None:
                self.say(f"✓ {done} ({took_s:.0f} s)")
        finally:
            ticking.cancel()
            self._text = ""
            if self._region is not None:
                self._region.clear()

    def stage(self, text: str) -> None:
        """Say what a step has come to."""
        self._stage = one_line(text)
        self._said_s = self._clock()
        if self._region is None:
            self.say(self._stage)

    async def _tick(self) -> None:
        while True:
            if self._region is not None:
                self._draw()
            elif self._clock() - self._said_s >= PATIENCE_S:
                self._said_s = self._clock()
                details = [self._stage, self._progress(), f"{self._said_s - self._began_s:.0f} s"]
                self.say(f"still at it: {', '.join(filter(None, details))}")
            await asyncio.sleep(FRAME_S)

    def _draw(self) -> None:
        if self._region is not None:
            self._region.draw((), (self._row(max(self._region.size()[0] - 1, 1)),))

    def _row(self, width: int) -> Row:
        minutes, seconds = divmod(int(self._clock() - self._began_s), 60)
        head = cropped(f"● {self._text}", width)
        rest = [part for part in (self._progress(), self._stage) if part]
        tail = cropped(_GAP + _GAP.join([f"{minutes}:{seconds:02}", *rest]), max(width - len(head), 0))
        return ((head, CYAN), (tail, DIM))
