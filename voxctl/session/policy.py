"""When to wait, when to try again and when to give up: numbers and judgements, without a clock or a wire."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from voxctl.errors import ConnectFailed, ConnectionLost, HandshakeRefused, ServerFull, Stalled, StreamError


@dataclass(frozen=True, slots=True)
class Policy:
    """Every deadline of a session, in seconds.

    ``ready_s``: connected, until ``session.created``. ``send_s``: one frame onto the wire. ``first_delta_s``: a
    stream that never gave a delta. ``stall_s``: no delta while audio is owed one. ``retry_for_s``: trying again to
    get a first connection. ``widen_after_s``: a full window and no delta, until a larger model delay is assumed.
    """

    ready_s: float = 10.0
    send_s: float = 10.0
    first_delta_s: float = 30.0
    stall_s: float = 5.0
    retry_for_s: float = 15.0
    widen_after_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Retry:
    """Another attempt may succeed without anybody changing anything."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Another attempt would fail the same way."""


Verdict = Retry | GiveUp

#: Too many requests, and what load balancers, SageMaker and starting servers say for "not now".
_PASSING_STATUSES = frozenset({424, 429, 502, 503, 504})
#: Close codes "service restart" and "try again later".
_PASSING_CODES = frozenset({1012, 1013})


def verdict(error: StreamError) -> Verdict:
    """Judge an error met while making a connection."""
    match error:
        case ServerFull() | ConnectFailed(timed_out=True) | Stalled():
            return Retry()
        case HandshakeRefused(status=status) if status in _PASSING_STATUSES:
            return Retry()
        case ConnectionLost(code=code) if code in _PASSING_CODES:
            return Retry()
        case _:
            return GiveUp()


def backoff(uniform: Callable[[float, float], float], *, first_s: float = 0.5, most_s: float = 4.0) -> Iterator[float]:
    """Yield the pauses between attempts: exponential with full jitter, so that clients do not return in step."""
    ceiling_s = first_s
    while True:
        yield uniform(0.0, ceiling_s)
        ceiling_s = min(2 * ceiling_s, most_s)


class SilenceTimer:
    """Measures how long a server has owed a delta. Call ``update`` regularly; it returns the seconds owed so far.

    The time runs only while something is owed: a live source that pauses makes no server look stuck.
    """

    def __init__(self, now_s: float) -> None:
        self._since_s = now_s
        self._n_deltas = -1

    def update(self, now_s: float, n_deltas: int, owing: bool) -> float:
        """Take the time, the deltas so far and whether the server owes one now."""
        if not owing or n_deltas != self._n_deltas:
            self._since_s = now_s
            self._n_deltas = n_deltas
        return now_s - self._since_s
