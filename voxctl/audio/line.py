"""A device that is kept open: its blocks are queued, its going is noticed, and it is opened again when it is back."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import NamedTuple

from voxctl.audio.aside import aside
from voxctl.audio.capture import Backlog, Block, Capture, Device
from voxctl.errors import AudioError

#: How long a device may take to begin, in seconds: a headset is woken up, a sound server has rendered ahead.
_BEGIN_S = 10.0
#: How often a device that has gone is looked for, and how long a try may take, in seconds.
_LOOK_EVERY_S, _TRY_S = 1.0, 10.0
_DROPPED = "the microphone's sound was not taken in time"
_AWAY = "the microphone was gone"
_RESTART = "restart it, or unplug what it waits for; voxctl doctor asks it too."


class Heard(NamedTuple):
    """A block, and how much was lost before it, in seconds, for what reason."""

    block: Block
    lost_s: float
    reason: str


class Line:
    """``device`` with a queue of ``backlog_s`` seconds behind it.

    A device that gives nothing for ``gone_s`` has gone, whatever its driver says; it is waited for ``back_s``. ``tell``
    gets a line when it goes and when it is back.
    """

    def __init__(
        self, device: Device, *, backlog_s: float, gone_s: float, back_s: float, tell: Callable[[str], None]
    ) -> None:
        self.name = ""
        #: Why nothing is heard, for people; empty while all is well.
        self.trouble = ""
        #: While set, what the device gives is nobody's.
        self.deaf = False
        self._device = device
        self._gone_s, self._back_s = gone_s, back_s
        self._tell = tell
        self._backlog = Backlog(backlog_s)
        self._capture: Capture | None = None
        self._opened = self._begun = self._ended = self._reopened = False
        self._number = 0
        self._last_at_s: float | None = None
        self._gone_at_s: float | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: asyncio.Future[bool] | None = None

    def open(self) -> None:
        """Open the device now, if it is not open. Raises ``AudioError``."""
        if self._capture is None:
            self._heed(self._try())

    def close(self) -> None:
        """Let go of the device; what is queued may still be taken. It is opened again by the next ``wait``."""
        capture, self._capture = self._capture, None
        self._number += 1
        if capture:
            capture.close()

    def forget(self) -> None:
        """Take what comes next for what follows on what was taken last, however long ago that was."""
        self._last_at_s = self._gone_at_s = None
        self._reopened, self.trouble = False, ""

    def take(self) -> Heard | None:
        """Return the next block if there is one."""
        taken = self._backlog.take()
        if taken is None:
            return None
        block, lost_s = taken
        reason = _AWAY if self._reopened else _DROPPED
        if self._last_at_s is not None and (block.overflowed or self._reopened):
            since_s = block.at_s - self._last_at_s - block.length_s
            lost_s += max(0.0, since_s - lost_s)
        if self._capture:  # else these are the last blocks of one that has gone
            if self.trouble:
                self._tell(f"listening to {self.name} again")
            self.trouble, self._gone_at_s = "", None
        self._last_at_s, self._reopened = block.at_s, False
        return Heard(block, lost_s, reason)

    def nudge(self) -> None:
        """Let ``wait`` return."""
        if self._waiting and not self._waiting.done():
            self._waiting.set_result(True)

    async def wait(self) -> None:
        """Wait until there may be a block, or ``nudge``. Raises ``AudioError`` when there will be none."""
        self._loop = asyncio.get_running_loop()
        if self.deaf:
            await self._nudged(None)
        elif self._capture is None:
            await self._open()
        elif self._ended or not await self._nudged(self._gone_s if self._begun else _BEGIN_S):
            self._miss_it()
            capture, self._capture = self._capture, None
            self._number += 1
            with contextlib.suppress(TimeoutError):  # the driver hangs: what matters is that it is nobody's any more
                await aside(capture.close, limit_s=_TRY_S)

    def _miss_it(self) -> None:
        """Take that there is no sound. Raises ``AudioError`` when that has been so for too long."""
        if self._gone_at_s is None:
            self._gone_at_s = time.monotonic()
            self.trouble = f"{self.name} {'gives no sound' if self._last_at_s is None else 'has gone'}"
            self._tell(f"{self.trouble}; it is waited for {self._back_s:.0f} s")
        elif self._is_too_late:
            raise self._gone_for_good()

    @property
    def _is_too_late(self) -> bool:
        return self._gone_at_s is not None and time.monotonic() >= self._gone_at_s + self._back_s

    async def _nudged(self, limit_s: float | None) -> bool:
        """Return whether there was a nudge in this time."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[bool] = loop.create_future()
        self._waiting = waiting
        timer = None
        if limit_s is not None:
            timer = loop.call_later(limit_s, _answer, waiting)
        try:
            return await waiting
        finally:
            self._waiting = None
            if timer:
                timer.cancel()

    async def _open(self) -> None:
        """Open the device; once it has been open, be patient with it."""
        while True:
            try:
                self._heed(await aside(self._try, limit_s=_TRY_S, undo=lambda capture: capture.close()))
                return
            except TimeoutError:
                error = AudioError("the sound system does not answer", hint=_RESTART)
            except AudioError as exc:
                error = exc
            if not self._opened:
                raise error
            self._gone_at_s = self._gone_at_s or time.monotonic()
            if self._is_too_late:
                raise self._gone_for_good() from error
            if await self._nudged(_LOOK_EVERY_S):
                return  # perhaps it is not wanted any more

    def _gone_for_good(self) -> AudioError:
        trouble = self.trouble or f"{self.name} has gone"
        message = f"{trouble}, and did not come back within {self._back_s:.0f} s"
        return AudioError(message, hint="plug it in and begin anew; what was heard before is kept.")

    def _try(self) -> Capture:
        self._number = number = self._number + 1
        self._begun = self._ended = False

        def deliver(block: Block) -> None:
            if number == self._number and not self.deaf:
                self._begun = True
                self._backlog.put(block)
                self._call(self.nudge)

        def ended() -> None:
            if number == self._number:
                self._ended = True
                self._call(self.nudge)

        return self._device.open(deliver, ended)

    def _heed(self, capture: Capture) -> None:
        self._capture = capture
        self.name = capture.name
        self._reopened, self._opened = self._opened, True

    def _call(self, function: Callable[[], None]) -> None:
        if self._loop:
            with contextlib.suppress(RuntimeError):  # it is closed
                self._loop.call_soon_threadsafe(function)


def _answer(waiting: asyncio.Future[bool]) -> None:
    if not waiting.done():
        waiting.set_result(False)
