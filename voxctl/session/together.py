"""Several sessions listened to at once, as for the channels of a call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from voxctl.events import Event
from voxctl.session.session import Session


async def listen_together(sessions: Sequence[Session], take: Callable[[int, Event], None]) -> None:
    """Hand every event to ``take``, with its session's place in ``sessions``, until all have ended.

    The first error of a session, or of ``take``, ends it all and is raised.
    """
    try:
        async with asyncio.TaskGroup() as group:
            for number, session in enumerate(sessions):
                group.create_task(_listen(number, session, take))
    except BaseExceptionGroup as failures:
        raise first_of(failures) from failures


async def _listen(number: int, session: Session, take: Callable[[int, Event], None]) -> None:
    async for event in session:
        take(number, event)


def first_of(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the one error a group was made for; a group of several is told by its first."""
    first = failures.exceptions[0]
    return first_of(first) if isinstance(first, BaseExceptionGroup) else first
