"""What the gateway counts, in plain numbers: the streams pay for an addition each, whoever reads pays for the rest."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

#: How a stream may end. ``client``: it said goodbye. ``lost``: its connection broke. ``keepalive``: it left a ping
#: without an answer. ``protocol``: it broke the WebSocket protocol or sent too large a message. ``binary``: it sent
#: what is no text. ``rejected``: it was never accepted. ``server``: the application hung up. ``failed``: the model gave
#: up the utterance. ``stuck``: it gave no answer. ``shutdown``: the server was told to end.
ENDS = ("client", "lost", "keepalive", "protocol", "binary", "rejected", "server", "failed", "stuck", "shutdown")
LAG_BOUNDS_S = (
    *(0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3),
    *(0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0),
)
QUANTILES = (0.5, 0.95, 0.99)


class Lags:
    """How long the sound of each delta had waited, by size."""

    __slots__ = ("counts", "sum_s")

    def __init__(self, counts: Sequence[int] = (), sum_s: float = 0.0) -> None:
        self.counts = list(counts) or [0] * (len(LAG_BOUNDS_S) + 1)
        self.sum_s = sum_s

    def count(self, lag_s: float) -> None:
        """Take one delta."""
        self.counts[bisect_left(LAG_BOUNDS_S, lag_s)] += 1
        self.sum_s += lag_s

    def copy(self) -> Lags:
        """Return these as they are now."""
        return Lags(self.counts, self.sum_s)

    def since(self, before: Lags) -> Lags:
        """Return those counted since an earlier copy."""
        return Lags([now - then for now, then in zip(self.counts, before.counts, strict=True)])

    def quantile_s(self, quantile: float) -> float | None:
        """Return the lag that this share of the deltas does not exceed, read between two bounds; ``None`` if none."""
        total = sum(self.counts)
        if not total:
            return None
        upto = list(accumulate(self.counts))
        at = next(i for i, n in enumerate(upto) if n >= quantile * total)
        if at == len(LAG_BOUNDS_S):
            return LAG_BOUNDS_S[-1]
        low_s = LAG_BOUNDS_S[at - 1] if at else 0.0
        share = (quantile * total - (upto[at] - self.counts[at])) / self.counts[at]
        return low_s + share * (LAG_BOUNDS_S[at] - low_s)


@dataclass(slots=True)
class Figures:
    """All of it since the start. ``n_sound`` are the samples of streams that are over."""

    ready: bool = False
    n_active: int = 0
    n_opened: int = 0
    n_refused: int = 0
    n_held: int = 0
    n_sound: int = 0
    ends: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ENDS, 0))
    lag: Lags = field(default_factory=Lags)
    #: The lags of the last whole period.
    lately: Lags = field(default_factory=Lags)
