"""Asks AWS, where the caller may, what is behind an answer of an endpoint that says too little."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from voxctl.aws.client import Account
from voxctl.aws.endpoints import trouble_with
from voxctl.aws.logs import last_lines
from voxctl.errors import AwsError, HandshakeRefused

#: A better answer is not waited for longer, in seconds, whatever a name server or a server that drips does. Where AWS's
#: side says nothing at all it is a second for the endpoint's state.
_STATE_S, _WORDS_S = 3.0, 3.0


def advised[T](
    open_: Callable[[], Awaitable[T]], account: Account, endpoint: str, log_group: str
) -> Callable[[], Awaitable[T]]:
    """Return what opens the same, and whose errors say more: the endpoint's state, or the container's last words."""
    words: list[str] = []

    async def opened() -> T:
        try:
            return await open_()
        except AwsError as exc:
            if exc.status in (None, 401, 403):  # it is not about the endpoint
                raise
            if trouble := await _within(_STATE_S, lambda: trouble_with(account, endpoint)):
                raise trouble from exc
            raise
        except HandshakeRefused as exc:
            if exc.status != 424:
                raise
            words[:] = words or await _within(_WORDS_S, lambda: last_lines(account, log_group)) or []
            if words:
                raise _with(exc, words) from exc
            raise

    return opened


async def _within[T](limit_s: float, ask: Callable[[], T]) -> T | None:
    """Ask in a thread; ``None`` where it takes too long."""
    asking = asyncio.ensure_future(asyncio.to_thread(ask))
    asking.add_done_callback(lambda asked: asked.cancelled() or asked.exception())  # it may come too late
    await asyncio.wait({asking}, timeout=limit_s)
    return asking.result() if asking.done() else None


def _with(error: HandshakeRefused, words: list[str]) -> HandshakeRefused:
    return HandshakeRefused(
        error.message,
        status=error.status,
        hint=f"{error.hint or ''} It ends: {' | '.join(words)}".strip(),
        code=error.code,
        request_id=error.request_id,
    )
