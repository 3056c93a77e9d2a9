"""Ctrl-C once finishes the sentence, twice leaves."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from voxctl.errors import Interrupted

#: Service managers say SIGTERM where a person presses Ctrl-C.
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Counts Ctrl-C and SIGTERM.

    The first calls what ``ending`` was given, if it can still end well; any other cancels everything.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.pressed = False
        self._say = say
        self._finish: Callable[[], bool] | None = None
        self._message = ""
        self._task = asyncio.current_task()

    @contextlib.contextmanager
    def ending(self, finish: Callable[[], bool], message: str) -> Iterator[None]:
        """While open, the first Ctrl-C calls ``finish`` and, if that returns true, says ``message`` and waits."""
        self._finish, self._message = finish, message
        try:
            yield
        finally:
            self._finish = None

    def press(self) -> None:
        """Take one Ctrl-C."""
        first, self.pressed = not self.pressed, True
        if first and self._finish is not None and self._finish():
            self._say(f"{self._message}; Ctrl-C again leaves at once")
        elif self._task is not None:
            self._task.cancel()


def run_interruptible(main: Callable[[Interrupts], Coroutine[Any, Any, None]], say: Callable[[str], None]) -> bool:
    """Run ``main`` in an event loop and return whether it was asked to end early. Raises ``Interrupted`` if it was
    cut off instead."""
    return asyncio.run(_guarded(main, say))


async def _guarded(main: Callable[[Interrupts], Coroutine[Any, Any, None]], say: Callable[[str], None]) -> bool:
    interrupts = Interrupts(say)
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, interrupts.press)
    try:
        await main(interrupts)
    except asyncio.CancelledError as exc:
        raise Interrupted("interrupted") from exc
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
    return interrupts.pressed
