"""Ctrl-C once finishes the sentence, twice leaves."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from types import FrameType
from typing import Any

from voxctl.cli.threads import abandon_threads
from voxctl.errors import Interrupted

#: Service managers say SIGTERM where a person presses Ctrl-C, and a terminal that is closed says SIGHUP.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: How long leaving at once may take.
_LEAVE_S = 3.0


class Interrupts:
    """Counts Ctrl-C, SIGTERM and SIGHUP.

    The first calls what ``ending`` was given, if it can still end well; any other cancels everything.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.pressed = False
        #: Done before this process ends itself because what is left hangs; it must not wait for anything.
        self.at_last: Callable[[], None] = _nothing
        self._say = say
        self._finish: Callable[[], bool] | None = None
        self._message = ""
        self._task = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        self._n_received = 0

    @contextlib.contextmanager
    def ending(self, finish: Callable[[], bool], message: str) -> Iterator[None]:
        """While open, the first Ctrl-C calls ``finish`` and, if that returns true, says ``message`` and waits."""
        self._finish, self._message = finish, message
        try:
            yield
        finally:
            self._finish = None

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Take the signals over while open."""
        ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # by `nohup`, and so it stays
        numbers = [number for number in _SIGNALS if not (ignored and number == signal.SIGHUP)]
        before = [(number, signal.signal(number, self._receive)) for number in numbers]
        try:
            yield
        finally:
            for number, handler in before:
                signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        # Python runs this even while the event loop hangs in a write that nobody reads (`| less`, Ctrl-S).
        if number == signal.SIGHUP and self._n_received:
            return  # the system and the shell each say it when a terminal is closed
        self._n_received += 1
        if self._n_received > 1:
            self._leave_soon()
        self._loop.call_soon_threadsafe(self._press)

    def _press(self) -> None:
        first, self.pressed = not self.pressed, True
        if first and self._finish is not None and self._finish():
            self._say(f"{self._message}; Ctrl-C again leaves at once")
        elif self._task is not None:
            self._task.cancel()
            self._leave_soon()

    def _leave_soon(self) -> None:
        """Leave within ``_LEAVE_S`` even if what is left hangs: in a write, or on a name server that is silent."""
        leaving = threading.Timer(_LEAVE_S, self._leave)
        leaving.daemon = True
        leaving.start()

    def _leave(self) -> None:
        try:
            self.at_last()
        finally:
            os._exit(Interrupted.exit_code)


def _nothing() -> None:
    """Do nothing."""


def run_interruptible(main: Callable[[Interrupts], Coroutine[Any, Any, None]], say: Callable[[str], None]) -> bool:
    """Run ``main`` in an event loop and return whether it was asked to end early. Raises ``Interrupted`` if it was
    cut off instead. A thread that hangs is left behind."""
    return asyncio.run(_guarded(main, say))


async def _guarded(main: Callable[[Interrupts], Coroutine[Any, Any, None]], say: Callable[[str], None]) -> bool:
    abandon_threads()
    interrupts = Interrupts(say)
    with interrupts.listening():
        try:
            await main(interrupts)
        except asyncio.CancelledError as exc:
            if not interrupts.pressed:
                raise
            raise Interrupted("interrupted") from exc
    return interrupts.pressed
