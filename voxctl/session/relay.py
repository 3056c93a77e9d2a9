"""Carries one session over as many connections as it takes: resumes, rotates, and decides where they are joined."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from voxctl.errors import AwsError, Stalled, StreamError
from voxctl.events import Event, Notice, Resumed, Rotated, Tail, Words
from voxctl.realtime.machine import Acknowledged, Ended
from voxctl.realtime.models import SAMPLE_RATE_HZ
from voxctl.session.errands import Errands, first
from voxctl.session.faults import context_full
from voxctl.session.feed import Feed
from voxctl.session.handover import Handover
from voxctl.session.joiner import Newcomer
from voxctl.session.lane import LaneEvent
from voxctl.session.ledger import Ledger
from voxctl.session.leg import Leg, place_to_begin
from voxctl.session.opening import Opening
from voxctl.session.policy import Patience, Policy, Retry, verdict
from voxctl.session.succession import Succession
from voxctl.session.watch import FEW_BLANK_DELTAS, WORDLESS_SPEECH_S, Blank, Watch

#: Between two looks at everything: seconds while connections change hands, and at other times; seconds of sound.
#: A timer that rings for nothing costs a session as much as a chunk does.
_TICK_S, _REST_S, _LOOK_AFTER_S = 0.25, 1.0, 1.2
#: Sound that is kept behind what was heard, for a stretch that came back blank: 32 s.
_BEHIND = 32 * SAMPLE_RATE_HZ
#: Seconds after which a newcomer is joined whether or not it is clear where: past what a dead connection had heard; and
#: from the newcomer's beginning, when the other is still good, but never before it is past the last word.
_JOIN_S, _ROTATE_JOIN_S, _PAST_S = 1.5, 20.0, 0.8
#: Deltas between two looks at whether a newcomer can be joined.
_LOOK_EVERY = 4
#: So far behind what was sent, a model without a clock has heard everything, in seconds.
_NO_CLOCK_S = 30.0
_TOO_OLD = "no server was there, and the sound could not be kept any longer"


class Relay:
    """``run`` it once; ``emit`` takes every event of the session but its last."""

    def __init__(self, opening: Opening, feed: Feed, emit: Callable[[Event], None]) -> None:
        self.ledger = Ledger(feed, emit)
        self._opening = opening
        self._policy: Policy = opening.policy
        self._clock = opening.clock
        self._feed = feed
        self._emit = emit
        self._patience = Patience(self._policy, self._clock())
        self._errands = Errands()
        self._succession = Succession(self._open, self._errands.begin, self._policy, self._clock)
        self._watch = Watch()
        self._blank = Blank()
        self._before = Handover()
        self._hurried = False
        self._lead: Leg | None = None
        self._looked_at_s = 0.0
        self._due: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def connected(self) -> bool:
        """Whether a server has accepted the session and is there."""
        return self._lead is not None

    @property
    def _leading(self) -> Leg:
        assert self._lead
        return self._lead

    async def run(self) -> None:
        """Return when the whole feed is transcribed. Raises the error that no new connection could mend."""
        self._lead = Leg(await self._opening.first(self._feed, self._emit), None).start(self._report)
        while True:
            try:
                ended = await self._end_of_the_lead()
                if ended.fragment and not self._policy.resume:
                    self.ledger.say(ended.fragment)
                self.ledger.count(ended)
                if ended.complete:
                    break
                self._before.fragment = ended.fragment.text if ended.fragment else ""
                self._succession.rotation.learn(self._leading.lane.audio_s)
                error: StreamError = context_full(self._leading.lane.machine, self._leading.lane.acked_s)
            except StreamError as exc:
                error = exc
            await self._resume(error)
        self._finish()

    async def aclose(self) -> None:
        """End every connection; those that are saying goodbye have their own deadline."""
        await self._succession.aclose()
        if self._lead:
            self._errands.begin(self._lead.drop())
        await self._errands.aclose()

    async def _end_of_the_lead(self) -> Ended:
        """Return how the leading connection ended, whichever it is by then; look after everything else meanwhile."""
        while True:
            lead = self._leading
            if self._hurried:
                lead.lane.retire()
            await first((lead.task, self._due), _TICK_S if lead.newcomer or self._succession.following else _REST_S)
            self._errands.check()
            if lead is self._lead and lead.task.done():
                return lead.task.result()
            await self._look_after(self._clock())

    async def _look_after(self, now_s: float) -> None:
        lead, feed, ledger = self._leading, self._feed, self.ledger
        self._looked_at_s, self._due = lead.lane.sent_s, asyncio.get_running_loop().create_future()
        lane, has_clock = lead.lane, lead.lane.machine.facts.has_clock
        # A model without a clock says nothing of silence: nothing is owed then, and what is long past was heard.
        self._patience.see(now_s, ledger.heard_s, ledger.joiner.n_words, at_rest=not (has_clock and lane.owing))
        heard = round(max(ledger.heard_s, 0.0 if has_clock else lane.sent_s - _NO_CLOCK_S) * SAMPLE_RATE_HZ)
        feed.heard(heard, needed=heard - _BEHIND)
        self._watch.wordless_speech_s(feed, ledger.heard_s, ledger.joiner.n_words)
        behind_s = feed.end / SAMPLE_RATE_HZ - lane.acked_s - lane.machine.facts.delay_s
        if has_clock and (notice := self._watch.behind(now_s, behind_s)):
            self._emit(notice)
        if lead.newcomer:
            self._look_at(lead)
        elif self._policy.resume and has_clock:
            match self._blank.look(feed, lane.acked_s, lane.n_blank):
                case int(start):
                    await self._begin_again(lead, start)
                case Notice() as told:
                    self._emit(told)
            self._succession.attend(now_s, lead, may_begin=not feed.ended and lane.n_blank < FEW_BLANK_DELTAS)
            self._succession.pace(lead, feed)
            if following := self._succession.following:
                self._look_at(following)

    def _report(self, leg: Leg, event: LaneEvent) -> None:
        match event:
            case Words() if leg.newcomer:
                leg.newcomer.hold(event)
                self._look_at(leg)
            case Acknowledged():
                self.ledger.hear(leg.lane, leads=leg.newcomer is None)
                if self._succession.following and self._lead:
                    self._succession.pace(self._lead, self._feed)
                if leg.lane.sent_s > self._looked_at_s + _LOOK_AFTER_S and not self._due.done():
                    self._due.set_result(None)
                if leg.newcomer and leg.lane.machine.n_deltas % _LOOK_EVERY == 0:
                    self._look_at(leg)
            case Words():
                self._heard_words()
                self.ledger.say(event)
            case Tail() | Notice() if not leg.newcomer or isinstance(event, Notice):
                self._emit(event)

    def _look_at(self, leg: Leg, *, final: bool = False) -> None:
        """Join a newcomer to the transcript if it is clear by now where, or has to be decided."""
        assert leg.newcomer
        lane, joiner = leg.lane, self.ledger.joiner
        following = leg is self._succession.following
        tail, told_s = self._before.tail, self._before.told_s
        if following:
            tail, told_s = self._leading.lane.machine.tail, self._leading.lane.acked_s
            if lane.settled_s < joiner.end_s:
                return  # it has not heard yet what is in the transcript already
            final = final or lane.settled_s >= max(lane.began_s + _ROTATE_JOIN_S, joiner.end_s + _PAST_S)
        else:
            final = final or lane.settled_s >= max(joiner.end_s, told_s) + _JOIN_S
        found = joiner.join(leg.newcomer, heard_s=lane.settled_s, tail=tail, told_s=told_s, final=final)
        if found is None:
            return
        leg.newcomer = None
        if following:
            old, self._lead = self._leading, self._succession.take()
            old.heard = False
            self._errands.begin(self._see_off(old))
            self._emit(Rotated(self.ledger.joiner.end_s))
        for event in found:
            self._emit(event)
            if isinstance(event, Words):
                self._heard_words()

    async def _resume(self, error: StreamError) -> None:
        """Go on over another connection. Raises ``error``, or a later one, when that cannot help."""
        if self._lead:
            self._leave(self._lead)
        self._lead = None
        self._patience.see(self._clock(), self.ledger.heard_s, self.ledger.joiner.n_words)
        self._patience.lost()
        if following := self._succession.take():
            self._lead = following
            self._emit(Resumed(following.lane.began_s))
            return
        self._lead = await self._opening.again(error, self._open, self._mends, self._patience, self._emit)
        self.ledger.lose(self.ledger.base_s, self._lead.lane.began_s, _TOO_OLD)
        self._emit(Resumed(self._lead.lane.began_s))

    def _mends(self, error: StreamError) -> bool:
        """Whether another connection may mend it. A server that has never given anything is not asked twice."""
        if not self._policy.resume or self._hurried or (isinstance(error, Stalled) and not self._before.begun):
            return False
        return isinstance(verdict(error, resuming=self._before.begun), Retry)

    def _leave(self, lead: Leg) -> None:
        if lead.newcomer is None:
            self._before.note(lead.lane, self._feed, self.ledger.heard_s)
        self._errands.begin(lead.drop())

    def _heard_words(self) -> None:
        self._blank.over()
        self._before.rut = None

    async def _begin_again(self, lead: Leg, start: int) -> None:
        """Have another connection hear a stretch again that came back blank."""
        try:
            fresh = await self._open(start)
        except (StreamError, AwsError):
            return  # the old one is better than none
        if self._lead is not lead:  # its follower took over meanwhile
            self._errands.begin(fresh.drop())
            return
        if following := self._succession.take():
            self._errands.begin(following.drop())
        self._leave(lead)
        self._lead = fresh
        self._emit(Resumed(fresh.lane.began_s))

    async def _open(self, start: int | None = None) -> Leg:
        """Make a connection that hears again what it must, from ``start`` on if that is known to be a good place."""
        start = self._before.rut if start is None else start
        began, in_pause = place_to_begin(self._feed, self.ledger.base_s, self._patience.replay_s, start)
        lane = await self._opening.one(self._feed, began)
        return Leg(lane, Newcomer(lane.began_s, in_pause)).start(self._report)

    async def _see_off(self, leg: Leg) -> None:
        if ended := await leg.see_off():
            self.ledger.count(ended)

    def hurry(self) -> None:
        """Send no more; what was sent is transcribed."""
        self._hurried = True
        if self._lead:
            self._lead.lane.retire()

    def _finish(self) -> None:
        lead, lane = self._leading, self._leading.lane
        if lead.newcomer:
            self._look_at(lead, final=True)
        self.ledger.lose(lane.sent_s, self._feed.end / SAMPLE_RATE_HZ, "there was no time left to transcribe it")
        speech_s = self._watch.wordless_speech_s(self._feed, lane.acked_s, self.ledger.joiner.n_words)
        if speech_s >= WORDLESS_SPEECH_S:
            self.ledger.lose(0.0, lane.sent_s, "somebody speaks, and the server heard no word")
        self._watch.tell_the_worst(self._emit)
