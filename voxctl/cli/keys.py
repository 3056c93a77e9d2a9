"""Single keys from the terminal, without Enter; and Ctrl-Z, after which the terminal is found as it was."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Keyboard:
    """The terminal behind ``descriptor``. Taken, it gives keys one by one and shows none, but for Ctrl-C and Ctrl-Z.

    A process in the background has no keyboard, and a file is none: then nothing is taken.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._before: list[Any] | None = None

    def take(self) -> bool:
        """Take the keyboard if there is one; return whether it is ours."""
        if self._before is None:
            try:
                if os.tcgetpgrp(self.descriptor) == os.getpgrp():
                    self._before = tty.setcbreak(self.descriptor, termios.TCSANOW)
            except (OSError, termios.error):  # it is no terminal, or it was closed
                return False
        return self._before is not None

    def give_back(self) -> None:
        """Give it back as it was. This never waits, not even for a terminal that nobody reads."""
        before, self._before = self._before, None
        if before is not None:
            try:
                termios.tcsetattr(self.descriptor, termios.TCSANOW, before)
            except termios.error:  # it was closed
                return

    def read(self) -> str:
        """Return what was typed, nothing when the terminal is gone."""
        try:
            return os.read(self.descriptor, 64).decode("ascii", "replace")
        except OSError:
            return ""


class _Turns:
    """Who has the terminal: we, or, while this process is stopped, others."""

    def __init__(
        self, keys: Keyboard, pressed: Callable[[str], None], rest: Callable[[], None], go_on: Callable[[], None]
    ) -> None:
        self._keys = keys
        self._pressed, self._rest, self._go_on = pressed, rest, go_on
        self._loop = asyncio.get_running_loop()
        self._reading = False

    def take(self) -> None:
        """Take the keyboard if it can be had, as when this process comes to the foreground."""
        if self._keys.take() and not self._reading:
            self._loop.add_reader(self._keys.descriptor, self._read)
            self._reading = True

    def stop(self) -> None:
        """Stop this process, as Ctrl-Z asks, until it is told to go on."""
        self._rest()
        self._keys.give_back()
        self._loop.remove_signal_handler(signal.SIGTSTP)
        signal.raise_signal(signal.SIGTSTP)  # this returns after SIGCONT
        self._loop.add_signal_handler(signal.SIGTSTP, self.stop)
        self.take()
        self._go_on()

    def end(self) -> None:
        """Give the keyboard back."""
        self._leave_unread()
        self._keys.give_back()

    def _read(self) -> None:
        typed = self._keys.read()
        if not typed:
            self._leave_unread()
        for key in typed:
            self._pressed(key)

    def _leave_unread(self) -> None:
        if self._reading:
            self._loop.remove_reader(self._keys.descriptor)


@contextmanager
def keyboard(pressed: Callable[[str], None], rest: Callable[[], None], go_on: Callable[[], None]) -> Iterator[Keyboard]:
    """Call ``pressed`` with each key while open; the event loop must run. The terminal is given back at the end.

    On Ctrl-Z, ``rest`` is called before this process stops, with the terminal given back, and ``go_on`` after it.
    """
    loop = asyncio.get_running_loop()
    keys = Keyboard(sys.stdin.fileno() if sys.stdin is not None else -1)
    turns = _Turns(keys, pressed, rest, go_on)
    ignored = signal.getsignal(signal.SIGTSTP) is signal.SIG_IGN  # by a shell without jobs, and so it stays
    if not ignored:
        loop.add_signal_handler(signal.SIGTSTP, turns.stop)
    loop.add_signal_handler(signal.SIGCONT, turns.take)
    turns.take()
    try:
        yield keys
    finally:
        loop.remove_signal_handler(signal.SIGCONT)
        if not ignored:
            loop.remove_signal_handler(signal.SIGTSTP)
        turns.end()
