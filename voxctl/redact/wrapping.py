"""A session whose events have passed the stage: for the library."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Self

from voxctl.errors import UsageError, VoxError
from voxctl.events import Event
from voxctl.redact.choice import Choice
from voxctl.redact.kinds import Kind


class Redacted:
    """Iterate over it in the place of the session; it gives the same events, masked.

    What is kept back when the session fails is given first, what could be a number masked, and then the error is
    raised.
    """

    def __init__(self, events: AsyncIterator[Event], choice: Choice) -> None:
        self._events = events
        self._stage = choice.stage()
        self._ready: deque[Event] = deque()
        self._failure: VoxError | StopAsyncIteration | None = None

    def __aiter__(self) -> Self:
        """Return itself: it is iterated once, as a session is."""
        return self

    async def __anext__(self) -> Event:
        """Return the next event that may be seen. Raises the session's error after the last of them."""
        while not self._ready:
            if self._failure:
                raise self._failure
            try:
                self._ready.extend(self._stage.take(await anext(self._events)))
            except (VoxError, StopAsyncIteration) as exc:
                self._failure = exc
                self._ready.extend(self._stage.finish())
        return self._ready.popleft()


def redacted(
    events: AsyncIterator[Event],
    kinds: Iterable[str],
    *,
    words: Iterable[str] = (),
    patterns: Mapping[str, str] | None = None,
) -> Redacted:
    """Return the events of a session with personal data masked, before anything can show or keep it.

    ``kinds`` are names of ``Kind``, ``words`` phrases of your own, ``patterns`` expressions by the name that their mask
    has. Raises ``UsageError`` for what is none of these, and where a library of the extra ``redact`` is missing.
    """
    named = list(kinds)
    for kind in named:
        if kind not in list(Kind):
            raise UsageError(f"{kind!r} is nothing that can be masked", hint=f"there are {', '.join(Kind)}.")
    return Redacted(events, Choice(frozenset(map(Kind, named)), tuple(words), patterns or {}))
