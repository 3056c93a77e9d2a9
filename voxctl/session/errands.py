"""What goes on beside a session's connection: goodbyes to others, preparations. None is left running or unheard."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any


class Errands:
    """Tasks that nobody waits for until the end. Each has a deadline of its own, and tells of no failure of a server's;
    what one of them raises is a bug, which ``check`` and ``aclose`` raise."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._bug: BaseException | None = None

    def begin(self, errand: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start one; whoever wants to may cancel it."""
        self._tasks.add(task := asyncio.create_task(errand))
        task.add_done_callback(self._over)
        return task

    def check(self) -> None:
        """Raise the bug of one that is over."""
        if self._bug:
            raise self._bug

    async def aclose(self) -> None:
        """Wait for all of them."""
        while self._tasks:
            await asyncio.wait(self._tasks)
            await asyncio.sleep(0)  # those that are done are taken out by a callback
        self.check()

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            self._bug = self._bug or task.exception()


async def first(futures: Iterable[asyncio.Future[Any]], at_most_s: float) -> None:
    """Wait until one of them is over; none is cancelled, and its outcome is for others to take."""
    await asyncio.wait(set(futures), timeout=at_most_s, return_when=asyncio.FIRST_COMPLETED)
