"""Several sessions listened to at once, as for the channels of a call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from voxctl.events import Event
from voxctl.session.faults import first_of
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
