"""An event loop whose time is made up: when nothing is ready it is at once the time of the next timer.

Hours run in seconds, and the same way each time. There is no waiting for anything outside the loop: no sockets, no
threads, no processes. A program that would hang for ever is told, with what each of its tasks waits for.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

#: Turns of the loop without time passing that are taken for a task that never waits: half a minute of computing.
STILL_TURNS = 20_000_000
#: What remains to be run when all is over is given this long, in virtual seconds.
_CLEAN_UP_S = 60.0


class VirtualTimeFault(AssertionError):
    """Something that would hang, run on, or be left behind in real time; the message names the tasks."""


class Deadlock(VirtualTimeFault):
    """Every task waits and no timer is set."""


class Livelock(VirtualTimeFault):
    """Tasks run on and on and no time passes."""


class TooLong(VirtualTimeFault):
    """Virtual time went past its limit."""


class TasksLeft(VirtualTimeFault):
    """The work is done and tasks of its making still run."""


class BackgroundError(VirtualTimeFault):
    """A task or a callback failed and nobody took note."""


class _Clock(selectors.SelectSelector):
    """Stands in for waiting: ``select`` moves the time instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.limit_s = 0.0
        self.still_turns = STILL_TURNS
        self.told: Callable[[], str] = str
        self._n_still = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Deadlock(f"nothing can ever happen again at {self.now_s:.3f} s\n{self.told()}")
        if timeout > 0:
            self._n_still = 0
            self.now_s += timeout
            if self.now_s > self.limit_s:
                raise TooLong(f"not done after {self.limit_s:g} s of virtual time\n{self.told()}")
        else:
            self._n_still += 1
            if self._n_still > self.still_turns:
                self._n_still = 0
                raise Livelock(f"no time passes any more at {self.now_s:.3f} s\n{self.told()}")
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """``time()`` starts at 0 and jumps from timer to timer; ``limit_s`` bounds it."""

    def __init__(self, limit_s: float, still_turns: int = STILL_TURNS) -> None:
        # First of all: the constructor of asyncio's own loop asks for the time.
        self._clock = _Clock()
        super().__init__(self._clock)
        self._clock.told = lambda: told(asyncio.all_tasks(self))
        self._clock.still_turns = still_turns
        self.limit_s = limit_s
        self.failures: list[Mapping[str, Any]] = []
        self.set_exception_handler(lambda _, context: self.failures.append(context))

    @property
    def limit_s(self) -> float:
        """Where time ends."""
        return self._clock.limit_s

    @limit_s.setter
    def limit_s(self, limit_s: float) -> None:
        self._clock.limit_s = limit_s

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._clock.now_s


def run_virtual[T](
    work: Callable[[], Coroutine[Any, Any, T]], limit_s: float = 3600.0, *, still_turns: int = STILL_TURNS
) -> T:
    """Run ``work()`` in virtual time and return its result.

    Fails with a ``VirtualTimeFault`` for a deadlock, for more than ``limit_s`` of virtual time, for a task that still
    runs when the work is done and all that could run at that moment has run, and for an error nobody took note of.
    """
    loop = VirtualLoop(limit_s, still_turns)
    try:
        result = loop.run_until_complete(loop.create_task(work(), name="the work"))
        loop.limit_s += _CLEAN_UP_S
        loop.run_until_complete(asyncio.sleep(1e-9))
        left = asyncio.all_tasks(loop)
        if left:
            raise TasksLeft(f"left running at {loop.time():.3f} s\n{told(left)}")
    finally:
        _clean_up(loop)
    if loop.failures:
        raise BackgroundError("; ".join(_why(context) for context in loop.failures))
    return result


def _clean_up(loop: VirtualLoop) -> None:
    loop.limit_s = loop.time() + _CLEAN_UP_S
    try:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.wait(tasks) if tasks else asyncio.sleep(0))
        for task in tasks:
            if not task.cancelled():
                task.exception()  # it was looked at: nothing is to be reported at its end
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


def told(tasks: set[asyncio.Task[Any]]) -> str:
    """Return the name of each task and the lines at which it waits, the outermost first."""
    return "\n".join(
        "\n".join([f"{task.get_name()}:", *_stack(task)]) for task in sorted(tasks, key=asyncio.Task.get_name)
    )


def _stack(task: asyncio.Task[Any]) -> list[str]:
    lines = []
    at: Any = task.get_coro()
    while at is not None:
        frame = next((f for kind in ("cr", "gi", "ag") if (f := getattr(at, f"{kind}_frame", None))), None)
        name = getattr(at, "__qualname__", None) or repr(at)
        where = f" at {frame.f_code.co_filename}:{frame.f_lineno}" if frame else ""
        lines.append(f"    {name}{where}")
        inner = (getattr(at, name, None) for name in ("cr_await", "gi_yieldfrom", "ag_await"))
        at = next((step for step in inner if step is not None), None)
    return lines


def _why(context: Mapping[str, Any]) -> str:
    return f"{context.get('message')}: {context.get('exception')!r}"
