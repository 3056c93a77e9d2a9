"""One connection at work on the session's sound: three tasks that send, receive and watch, and end together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from voxctl.errors import Stalled
from voxctl.events import Notice, Opened, Tail, Word, Words
from voxctl.realtime.machine import Acknowledged, Ended, Machine, Phase
from voxctl.realtime.messages import Unknown
from voxctl.realtime.models import SAMPLE_RATE_HZ, TICK_S
from voxctl.session.faults import SilenceTimer, first_of, stalled
from voxctl.session.feed import Feed
from voxctl.session.policy import Policy
from voxctl.session.sender import Sender
from voxctl.transport.base import Transport

_WATCH_S = 0.5

#: What a lane reports, times being those of the session.
LaneEvent = Words | Tail | Notice | Acknowledged

_log = logging.getLogger(__name__)


class Lane:
    """A transport and a machine joined, fed from position ``began`` on. Every wait has a deadline of ``policy``.

    ``report`` gets every event at once. While ``congested`` says that too many events wait for their reader, no audio
    is sent; frames are still received, as an unread connection would be taken for a dead one.
    """

    def __init__(
        self,
        transport: Transport,
        machine: Machine,
        feed: Feed,
        began: int,
        *,
        policy: Policy,
        clock: Callable[[], float],
        congested: Callable[[], bool] = lambda: False,
    ) -> None:
        self.machine = machine
        self.began_s = began / SAMPLE_RATE_HZ
        self.opened_at_s = clock()
        #: Empty deltas since the last text, and whether text waits for its end; both as of the last delta.
        self.n_blank = 0
        self._open_since_s: float | None = None
        self._transport = transport
        self._policy = policy
        self._clock = clock
        self._sender = Sender(transport, machine, feed, began, policy=policy, clock=clock, congested=congested)
        self._report: Callable[[LaneEvent], None] = lambda event: None
        self._ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()

    @property
    def acked_s(self) -> float:
        """How far into the session's sound the deltas reach."""
        return self.began_s + self.machine.acked_s

    @property
    def sent_s(self) -> float:
        """How far into the session's sound it was sent."""
        return self._sender.at / SAMPLE_RATE_HZ

    @property
    def audio_s(self) -> float:
        """How much of the sound the model has taken into its context."""
        machine = self.machine
        return machine.n_deltas * TICK_S if machine.facts.has_clock else machine.sent_s

    @property
    def settled_s(self) -> float:
        """Up to where all words have been reported: a word whose end is not known yet is not among them."""
        return self.acked_s if self._open_since_s is None else self._open_since_s

    @property
    def owing(self) -> bool:
        """Whether the server owes a delta."""
        return self.machine.phase is Phase.FINISHING or self.machine.unacked_s >= self._sender.owed_s

    async def ready(self) -> Opened:
        """Wait for the server's first message and name the model. Raises ``Stalled`` and what a server may say."""
        try:
            async with asyncio.timeout(self._policy.ready_s):
                while True:
                    for event in self.machine.receive(await self._transport.receive()):
                        if isinstance(event, Opened):
                            self._sender.opened()
                            return event
        except TimeoutError as exc:
            hint = "is this a vLLM Realtime server? Check the path in --url."
            said = f"the server accepted the connection and said nothing for {self._policy.ready_s:g} s"
            raise Stalled(said, hint=hint) from exc

    async def run(self, report: Callable[[LaneEvent], None]) -> Ended:
        """Send all of the feed and report every event; return when the server says it is done.

        Raises one error, never a group: a ``StreamError`` of ours, or a bug's own exception.
        """
        self._report = report
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(work) for work in (self._send_all(), self._receive_all(), self._watch())]
                ended = await self._ended
                for task in tasks:
                    task.cancel()
        except BaseExceptionGroup as failures:
            raise first_of(failures) from failures
        return ended

    @property
    def held(self) -> bool:
        """Whether no more is to be sent for now; to be set."""
        return self._sender.held

    @held.setter
    def held(self, held: bool) -> None:
        self._sender.held = held

    def retire(self) -> None:
        """Send no more of the feed; what was sent is transcribed to its end."""
        self._sender.retire()

    async def aclose(self) -> None:
        """Close the connection within the transport's deadline."""
        await self._transport.aclose()

    async def _send_all(self) -> None:
        for event in await self._sender.run():
            self._take(event)

    async def _receive_all(self) -> None:
        while not self._ended.done():
            for event in self.machine.receive(await self._transport.receive()):
                self._take(event)

    def _take(self, event: object) -> None:
        match event:
            case Ended():
                if not self._ended.done():
                    self._ended.set_result(event)
            case Unknown(kind):
                _log.info("the server sent a message of an unknown kind: %r", kind)
            case Words(text, words):
                self._open_since_s = None  # what is still open began with the text of this delta
                self._report(Words(text, tuple(self._shifted(word) for word in words)))
            case Acknowledged():
                self.n_blank = self.n_blank + 1 if event.blank else 0
                if not self.machine.tail.strip():
                    self._open_since_s = None
                elif self._open_since_s is None:
                    self._open_since_s = self.acked_s
                self._sender.wake(True)
                self._report(event)
            case Tail() | Notice():
                self._report(event)

    def _shifted(self, word: Word) -> Word:
        if not self.began_s:
            return word
        return Word(word.text, self.began_s + word.start_s, self.began_s + word.end_s, word.estimated)

    async def _watch(self) -> None:
        machine, policy = self.machine, self._policy
        timer = SilenceTimer(self._clock())
        while True:
            await asyncio.sleep(min(_WATCH_S, policy.stall_s / 10, policy.send_s / 10))
            if self._clock() - self._sender.sending_since_s >= policy.send_s:
                hint = "the server or the network is overloaded; look at the server's log."
                raise Stalled(f"the server took no audio for {policy.send_s:g} s", hint=hint)
            owed_s = timer.update(self._clock(), machine.n_deltas, self.owing)
            limit_s = max(policy.stall_s, 3 * machine.facts.segment_s)
            if not machine.n_deltas:
                limit_s = max(limit_s, policy.first_delta_s)
            if owed_s >= limit_s:
                raise stalled(machine, self.acked_s, owed_s)
