"""All recordings of one server: how many at a time, how long one waits for its page, how long its text is kept."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from voxctl.demo.recording import Recording
from voxctl.errors import ServerFull
from voxctl.session.policy import Policy
from voxctl.transport.base import Connector

DEFAULT_MAX_SESSIONS = 8


@dataclass(frozen=True, slots=True)
class Bounds:
    """``most`` recordings at a time; ``away_s`` for a page to come back before its recording is finished without it;
    the newest ``kept`` transcripts stay for downloads, each for ``kept_s``."""

    most: int = DEFAULT_MAX_SESSIONS
    away_s: float = 60.0
    kept: int = 32
    kept_s: float = 3_600.0


class Recordings:
    """Opens, finds and forgets them."""

    def __init__(self, connect: Connector, bounds: Bounds, *, model: str | None, policy: Policy | None) -> None:
        self.bounds = bounds
        self._connect = connect
        self._model = model
        self._policy = policy
        self._running: dict[Recording, asyncio.Task[None]] = {}
        self._known: dict[str, Recording] = {}
        self._away: dict[Recording, asyncio.TimerHandle] = {}

    @property
    def n_running(self) -> int:
        """How many are under way."""
        return len(self._running)

    def begin(self) -> Recording:
        """Begin one. Raises ``ServerFull``."""
        if self.n_running >= self.bounds.most:
            sessions = "1 recording" if self.bounds.most == 1 else f"{self.bounds.most} recordings"
            raise ServerFull(
                f"{sessions} at a time is all there is room for",
                code="server_full",
                hint="stop another one, or start voxctl demo with a larger --max-sessions.",
            )
        recording = Recording(self._connect, model=self._model, policy=self._policy)
        self._known[recording.id] = recording
        task = asyncio.create_task(recording.run(), name="voxctl-demo-recording")
        self._running[recording] = task
        task.add_done_callback(lambda _: self._ended(recording))
        return recording

    def find(self, recording_id: str) -> Recording | None:
        """Return a recording that is under way or whose transcript is still kept."""
        return self._known.get(recording_id)

    def here(self, recording: Recording) -> None:
        """Say that its page is here."""
        if timer := self._away.pop(recording, None):
            timer.cancel()

    def away(self, recording: Recording, *, for_good: bool) -> None:
        """Say that its page has gone: for good, or perhaps to come back."""
        if recording.over:
            return
        if for_good:
            recording.finish()
        else:
            loop = asyncio.get_running_loop()
            self._away[recording] = loop.call_later(self.bounds.away_s, recording.finish)

    async def aclose(self, at_most_s: float) -> None:
        """Let what was heard become text for a while, then end everything."""
        for recording in self._running:
            recording.finish()
        if self._running:
            await asyncio.wait(self._running.values(), timeout=at_most_s)
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        for timer in self._away.values():
            timer.cancel()
        self._known.clear()

    def _ended(self, recording: Recording) -> None:
        task = self._running.pop(recording)
        self.here(recording)
        # By name, so that the timer keeps nothing that was forgotten before.
        asyncio.get_running_loop().call_later(self.bounds.kept_s, self._known.pop, recording.id, None)
        ended = [one.id for one in self._known.values() if one not in self._running]
        for old in ended[: max(0, len(ended) - self.bounds.kept)]:
            del self._known[old]
        if not task.cancelled():
            task.result()  # a bug of ours is for the event loop to show
