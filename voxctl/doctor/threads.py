"""Threads that nobody waits for: a name server that does not answer must not keep the program from ending."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor


class _Abandoned(ThreadPoolExecutor):
    """Runs each call in a thread of its own, which ends with the process at the latest."""

    def submit[**P, T](self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(call(*args, **kwargs))
            except BaseException as exc:  # noqa: BLE001 - as an executor must: whoever awaits the call gets it
                future.set_exception(exc)

        threading.Thread(target=run, name="voxctl-doctor", daemon=True).start()
        return future


def abandon_threads() -> None:
    """Have the running loop leave its threads behind when it ends; by itself it waits for them for minutes."""
    asyncio.get_running_loop().set_default_executor(_Abandoned())
