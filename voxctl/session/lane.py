"""One connection at work on the session's sound: three tasks that send, receive and watch, and end together."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable

from voxctl.errors import ConnectionLost, Stalled
from voxctl.events import Notice, Opened, Tail, Word, Words
from voxctl.realtime.machine import Acknowledged, Ended, Machine, Phase
from voxctl.realtime.messages import Unknown
from voxctl.realtime.models import SAMPLE_RATE_HZ, TICK_S
from voxctl.session.faults import SilenceTimer, first_of, stalled
from voxctl.session.feed import Feed
from voxctl.session.policy import Policy
from voxctl.transport.base import Transport

_POLL_S = 0.05
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
        #: While set, no more is sent.
        self.held = False
        self._open_since_s: float | None = None
        self._transport = transport
        self._feed = feed
        self._at = began
        self._policy = policy
        self._clock = clock
        self._congested = congested
        self._report: Callable[[LaneEvent], None] = lambda event: None
        self._moved: asyncio.Future[bool] | None = None
        self.retired = False
        self._sending_since_s = math.inf
        self._window_s = self._owed_s = 0.0
        self._ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()

    @property
    def acked_s(self) -> float:
        """How far into the session's sound the deltas reach."""
        return self.began_s + self.machine.acked_s

    @property
    def sent_s(self) -> float:
        """How far into the session's sound it was sent."""
        return self._at / SAMPLE_RATE_HZ

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
        return self.machine.phase is Phase.FINISHING or self.machine.unacked_s >= self._owed_s

    async def ready(self) -> Opened:
        """Wait for the server's first message and name the model. Raises ``Stalled`` and what a server may say."""
        try:
            async with asyncio.timeout(self._policy.ready_s):
                while True:
                    for event in self.machine.receive(await self._transport.receive()):
                        if isinstance(event, Opened):
                            self._window_s = self.machine.facts.window_s
                            self._owed_s = self.machine.facts.owed_s
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

    def retire(self) -> None:
        """Send no more of the feed; what was sent is transcribed to its end."""
        self.retired = True
        self._feed.nudge()
        self._wake(True)

    async def aclose(self) -> None:
        """Close the connection within the transport's deadline."""
        await self._transport.aclose()

    async def _send_all(self) -> None:
        feed, machine = self._feed, self.machine
        started_s = self._clock()
        if self._at:  # sound has waited for this connection
            started_s -= (feed.end - self._at) / SAMPLE_RATE_HZ
        while not self.retired:
            await feed.beyond(self._at)
            if self._at < feed.first:
                raise Stalled("the server fell too far behind the speaker", hint="it is overloaded; look at its log.")
            pcm = feed.read(self._at)
            if not pcm:
                if feed.ended:
                    break
                continue
            await self._room_for(len(pcm) // 2, started_s)
            # The server may have ended the utterance while we waited.
            if bool(self.retired) or machine.phase is not Phase.SENDING:
                break
            machine.feed(pcm)
            self._at += len(pcm) // 2
            await self._flush()
        ended = machine.finish() if machine.phase is Phase.SENDING else []
        await self._flush()
        for event in ended:
            self._take(event)

    async def _room_for(self, n_samples: int, started_s: float) -> None:
        """Wait until so much more fits the window: a server queues without bound and tells nobody."""
        machine, length_s = self.machine, n_samples / SAMPLE_RATE_HZ
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
                self._owed_s = max(self._owed_s, machine.facts.max_delay_s + 1.0)

    async def _pause(self, at_most_s: float) -> bool:
        """Wait for a delta or the retirement; return whether one came."""
        loop = asyncio.get_running_loop()
        moved: asyncio.Future[bool] = loop.create_future()
        self._moved = moved
        timer = loop.call_later(at_most_s, self._wake, False)
        try:
            return await moved
        finally:
            timer.cancel()

    def _wake(self, moved: bool) -> None:
        if self._moved and not self._moved.done():
            self._moved.set_result(moved)

    async def _flush(self) -> None:
        for frame in self.machine.to_send():
            self._sending_since_s = self._clock()  # `_watch` keeps the deadline
            try:
                await self._transport.send(frame)
            except ConnectionLost:
                # The reader meets the same end, after the server's last words, which say why.
                await asyncio.Event().wait()
            finally:
                self._sending_since_s = math.inf

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
                self._wake(True)
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
            if self._clock() - self._sending_since_s >= policy.send_s:
                hint = "the server or the network is overloaded; look at the server's log."
                raise Stalled(f"the server took no audio for {policy.send_s:g} s", hint=hint)
            owed_s = timer.update(self._clock(), machine.n_deltas, self.owing)
            limit_s = max(policy.stall_s, 3 * machine.facts.segment_s)
            if not machine.n_deltas:
                limit_s = max(limit_s, policy.first_delta_s)
            if owed_s >= limit_s:
                raise stalled(machine, self.acked_s, owed_s)
