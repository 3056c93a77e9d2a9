"""Threads that nobody waits for: a name server that does not answer must not keep the program from ending."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

#: What is at work when the event loop ends has so long, in seconds, to come to its own end.
_LEFT_S = 1.0


class _Abandoned(ThreadPoolExecutor):
    """Runs each call in a thread of its own, which ends with the process at the latest."""

    def __init__(self) -> None:
        super().__init__(max_workers=1)  # of the pool, which stays empty
        self._at_work: set[threading.Thread] = set()

    def submit[**P, T](self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()

        def run() -> None:
            try:
                if future.set_running_or_notify_cancel():
                    future.set_result(call(*args, **kwargs))
            except BaseException as exc:  # noqa: BLE001 - as an executor must: whoever awaits the call gets it
                future.set_exception(exc)
            finally:
                self._at_work.discard(thread)

        thread = threading.Thread(target=run, name="voxctl-call", daemon=True)
        self._at_work.add(thread)
        thread.start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait a moment for what is at work, and leave behind what does not end."""
        ends_s = time.monotonic() + (_LEFT_S if wait else 0.0)
        for thread in list(self._at_work):
            thread.join(max(0.0, ends_s - time.monotonic()))


def abandon_threads() -> None:
    """Have the running loop leave its threads behind when it ends; by itself it waits for them for minutes."""
    asyncio.get_running_loop().set_default_executor(_Abandoned())
