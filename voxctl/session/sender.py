"""One connection's way out: the sound of the feed, as fast as it comes and no faster than the server hears it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from voxctl.errors import ConnectionLost, Stalled
from voxctl.realtime.machine import Machine, MachineEvent, Phase
from voxctl.realtime.models import SAMPLE_RATE_HZ
from voxctl.session.feed import Feed
from voxctl.session.policy import Policy
from voxctl.transport.base import Transport

_POLL_S = 0.05


class Sender:
    """Feeds ``machine`` from position ``at`` of the feed on and sends its frames.

    While ``congested`` says that too many events wait for their reader, or ``held`` is set, nothing is sent.
    ``sending_since_s`` is when the frame on its way was begun, infinite if there is none: whoever watches a connection
    keeps the deadline.
    """

    def __init__(
        self,
        transport: Transport,
        machine: Machine,
        feed: Feed,
        at: int,
        *,
        policy: Policy,
        clock: Callable[[], float],
        congested: Callable[[], bool],
    ) -> None:
        self.at = at
        self.held = self.retired = False
        self.sending_since_s = math.inf
        self.owed_s = 0.0
        self._window_s = 0.0
        self._transport = transport
        self._machine = machine
        self._feed = feed
        self._policy = policy
        self._clock = clock
        self._congested = congested
        self._moved: asyncio.Future[bool] | None = None
        self._hasty: asyncio.Task[None] | None = None

    def opened(self) -> None:
        """The server named its model: its facts hold from now on."""
        facts = self._machine.facts
        self._window_s, self.owed_s = facts.window_s, facts.owed_s

    async def run(self) -> list[MachineEvent]:
        """Send all of the feed, or what there is until ``retire``, and the final commit; return what ends with it."""
        feed, machine = self._feed, self._machine
        started_s = self._clock()
        if self.at:  # sound has waited for this connection
            started_s -= (feed.end - self.at) / SAMPLE_RATE_HZ
        try:
            while not self.retired:
                await feed.beyond(self.at, self._send_at_once)
                await self._sent()
                if self.at < feed.first:
                    hint = "it is overloaded; look at its log."
                    raise Stalled("the server fell too far behind the speaker", hint=hint)
                pcm = feed.read(self.at)
                if not pcm:
                    if feed.ended:
                        break
                    continue
                await self._room_for(len(pcm) // 2, started_s)
                # The server may have ended the utterance while we waited.
                if bool(self.retired) or machine.phase is not Phase.SENDING:
                    break
                self._take(pcm)
                await self._flush()
            ended = machine.finish() if machine.phase is Phase.SENDING else []
            await self._flush()
        finally:
            if self._hasty:
                self._hasty.cancel()
        return ended

    def retire(self) -> None:
        """Send no more of the feed; what was sent is transcribed to its end."""
        self.retired = True
        self._feed.nudge()
        self.wake(True)

    def wake(self, moved: bool) -> None:
        """A delta came, if ``moved``: perhaps there is room again."""
        if self._moved and not self._moved.done():
            self._moved.set_result(moved)

    def _take(self, pcm: bytes) -> None:
        self._machine.feed(pcm)
        self.at += len(pcm) // 2

    def _send_at_once(self) -> int | None:
        """Send what has just come, if nothing is in its way; return up to where, ``None`` if it is for ``run`` to send.

        That spares the task that waits in ``run`` from waking up: a good part of what a stream costs.
        """
        feed, machine = self._feed, self._machine
        if self.retired or self.held or not machine.facts.has_clock or machine.phase is not Phase.SENDING:
            return None
        if (self._hasty and not self._hasty.done()) or not feed.first <= self.at < feed.end or self._congested():
            return None
        pcm = feed.read(self.at)
        if machine.unacked_s + len(pcm) / 2 / SAMPLE_RATE_HZ > self._window_s:
            return None
        self._take(pcm)
        loop = asyncio.get_running_loop()
        hasty = self._hasty = asyncio.Task(self._flush(), loop=loop, eager_start=True)
        if hasty.done():
            hasty.result()
        return self.at if self.at == feed.end else None

    async def _sent(self) -> None:
        """Wait until what was sent at once is on its way, if the wire did not take it at once."""
        if self._hasty:
            await asyncio.wait({self._hasty})
            self._hasty.result()

    async def _room_for(self, n_samples: int, started_s: float) -> None:
        """Wait until so much more fits the window: a server queues without bound and tells nobody."""
        machine, length_s = self._machine, n_samples / SAMPLE_RATE_HZ
        while (self.held or self._congested()) and not self.retired:
            await self._pause(_POLL_S)
        if not machine.facts.has_clock:  # nothing acknowledges: keep to the pace of speech
            end_s = machine.sent_s + length_s
            while (early_s := started_s + end_s - self._clock()) > 0 and not self.retired:
                await self._pause(early_s)
            return
        while machine.unacked_s + length_s > self._window_s and not self.retired:
            moved = await self._pause(self._policy.widen_after_s)
            if not moved and not machine.n_deltas:
                # A server may be configured with a longer delay than the model's usual one, and cannot say so.
                self._window_s = max(self._window_s, machine.facts.widest_window_s)
                self.owed_s = max(self.owed_s, machine.facts.max_delay_s + 1.0)

    async def _pause(self, at_most_s: float) -> bool:
        """Wait for a delta or the retirement; return whether one came."""
        loop = asyncio.get_running_loop()
        moved: asyncio.Future[bool] = loop.create_future()
        self._moved = moved
        timer = loop.call_later(at_most_s, self.wake, False)
        try:
            return await moved
        finally:
            timer.cancel()

    async def _flush(self) -> None:
        for frame in self._machine.to_send():
            self.sending_since_s = self._clock()
            try:
                await self._transport.send(frame)
            except ConnectionLost:
                # The reader meets the same end, after the server's last words, which say why.
                await asyncio.Event().wait()
            finally:
                self.sending_since_s = math.inf
