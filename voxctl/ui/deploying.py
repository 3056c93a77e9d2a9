"""What is about to be done to AWS, and what is being done: steps on stderr, one row below them on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TextIO

from voxctl.ui.checks import ChecksView, Line, broken
from voxctl.ui.console import display_for
from voxctl.ui.screen import DIM, GREEN, YELLOW, Region
from voxctl.ui.text import one_line
from voxctl.ui.wrap import cropped


class DeployingView:
    """Shows what was found, the plan, and its steps. ``quiet`` leaves stdout to a document."""

    def __init__(self, out: TextIO, err: TextIO, environment: Mapping[str, str], *, quiet: bool) -> None:
        self._checks = ChecksView(out, err, environment)
        self._out, self._err, self._quiet = out, err, quiet
        display = display_for(err, err, environment)
        self._region = (
            Region(display.screen, colour=display.colour, reflows=display.reflows) if display.screen else None
        )
        self._columns = Region(out, colour=False, reflows=False).size()[0] if out.isatty() else None
        self._status = ""

    def found(self, lines: Sequence[Line]) -> None:
        """Show what was found before, as a table."""
        if not self._quiet:
            self._checks.table(lines)

    def plan(self, title: str, lines: Sequence[str], more: Sequence[str] = ()) -> None:
        """Show what is to be done, and what there is to know of it."""
        if self._quiet:
            return
        for text in (title, *(f"  {n}. {line}" for n, line in enumerate(lines, 1)), *more):
            self._write(text)
        self._out.flush()

    def document(self, text: str) -> None:
        """Write a document to stdout."""
        self._checks.document(text)

    def done(self, text: str) -> None:
        """Write a line of what came of it to stdout."""
        self.rest()
        if not self._quiet:
            self._write(text)
            self._out.flush()

    def step(self, text: str) -> None:
        """Say that a step begins."""
        self._say(text, GREEN)

    def undo(self, text: str) -> None:
        """Say that something is taken back."""
        self._say(f"taking back: {text}", YELLOW)

    def heard(self, text: str) -> None:
        """Say a line of the container's."""
        self._say(f"  | {text}", DIM)

    def waiting(self, text: str, kind: str) -> None:
        """Show what is waited for. Without a terminal only a new ``kind`` is said."""
        if self._region is not None:
            self._region.draw((), (((cropped(one_line(text), max(self._region.size()[0] - 1, 1)), DIM),),))
        elif kind != self._status:
            self._say(text, "")
        self._status = kind

    def rest(self) -> None:
        """Take the row of what is waited for away."""
        self._status = ""
        if self._region is not None:
            self._region.clear()

    def _write(self, text: str) -> None:
        """Write a line to stdout, broken between words where it is a terminal, as far in as it begins."""
        indent = " " * (len(text) - len(text.lstrip()))
        for part in broken(text, self._columns and self._columns - len(indent)):
            self._out.write(f"{indent}{part}\n")

    def _say(self, text: str, style: str) -> None:
        text = one_line(text) if not text.startswith("  ") else f"  {one_line(text)}"
        if self._region is None:
            self._err.write(f"{text}\n")
            self._err.flush()
            return
        self._region.clear()
        self._region.draw((((text, style),),), ())
