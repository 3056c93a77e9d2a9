"""Asks AWS, where the caller may, what is behind an answer of an endpoint that says too little."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from voxctl.aws.client import Account
from voxctl.aws.endpoints import trouble_with
from voxctl.aws.logs import last_lines
from voxctl.errors import AwsError, HandshakeRefused


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
            raise await asyncio.to_thread(trouble_with, account, endpoint) or exc from exc
        except HandshakeRefused as exc:
            if exc.status != 424:
                raise
            words[:] = words or await asyncio.to_thread(last_lines, account, log_group)
            if words:
                raise _with(exc, words) from exc
            raise

    return opened


def _with(error: HandshakeRefused, words: list[str]) -> HandshakeRefused:
    return HandshakeRefused(
        error.message,
        status=error.status,
        hint=f"{error.hint or ''} It ends: {' | '.join(words)}".strip(),
        code=error.code,
        request_id=error.request_id,
    )
