"""Work that may hang, such as a sound library's, in a thread that holds up neither the event loop nor the exit."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable


async def aside[T](work: Callable[[], T], *, limit_s: float, undo: Callable[[T], object] = lambda result: None) -> T:
    """Return what ``work`` returns, in a thread of its own. Raises what it raises, and ``TimeoutError``.

    If nobody waits any more when it is done, ``undo`` gets its result, in that thread.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()
    left = threading.Event()

    def tell(result: T | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is None:
            done.set_result(result)  # type: ignore[arg-type]  # a result of the right type, as there is no error
        else:
            done.set_exception(error)

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as exc:  # noqa: BLE001 - it is raised where somebody waits for it
            error = exc
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(tell, result, error)
        if left.is_set() and error is None:
            undo(result)  # type: ignore[arg-type]

    threading.Thread(target=run, daemon=True).start()
    try:
        async with asyncio.timeout(limit_s):
            return await done
    except BaseException:
        left.set()
        raise
