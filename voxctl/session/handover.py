"""What the next connection has to know of the one that is gone. Pure but for the speech detector."""

from __future__ import annotations

import math

from voxctl.session.feed import Feed
from voxctl.session.lane import Lane
from voxctl.session.watch import FEW_BLANK_DELTAS, spoken_over


class Handover:
    """``tail`` is the text it gave beyond its words, ``told_s`` how far it had heard. ``rut`` is the position from
    which it gave nothing though somebody spoke. ``begun``: a server has done some of the work.
    """

    def __init__(self) -> None:
        self.tail = ""
        self.told_s = -math.inf
        self.rut: int | None = None
        self.begun = False
        self.fragment = ""

    def note(self, lane: Lane, feed: Feed, heard_s: float) -> None:
        """Take the state of a connection that led and is over."""
        has_clock = lane.machine.facts.has_clock
        self.tail, self.fragment = lane.machine.tail or self.fragment, ""
        self.told_s = lane.acked_s
        self.begun = self.begun or heard_s > 0 or not has_clock
        if has_clock and lane.n_blank >= FEW_BLANK_DELTAS:
            self.rut = spoken_over(feed, lane.acked_s, lane.n_blank)
