"""When to wait, when to try again and when to give up: numbers and judgements, without a clock or a wire."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from voxctl.errors import (
    ConnectFailed,
    ConnectionLost,
    EngineUnavailable,
    HandshakeRefused,
    ModelNotFound,
    ModelNotValidated,
    RequestRejected,
    ServerFull,
    Stalled,
    StreamError,
)

_LEAST_REPLAY_S = 1.25


@dataclass(frozen=True, slots=True)
class Policy:
    """Every deadline and bound of a session, in seconds.

    ``ready_s``: connected, until ``session.created``. ``send_s``: one frame onto the wire. ``first_delta_s``: a
    stream that never gave a delta. ``stall_s``: no delta while audio is owed one. ``retry_for_s``: trying again to
    get a first connection; ``full_for_s`` if every stream of the server is taken. ``widen_after_s``: a full window and
    no delta, until a larger model delay is assumed.

    ``resume``: go on over a new connection when one fails. ``give_up_s``: without any progress, over as many
    connections as ``fruitless`` says. ``replay_s``: what a new connection hears again before the last committed word.
    ``keep_s``: the sound kept for all this; a live source loses what is older. ``rotate_s``: audio of one connection
    before another takes over, ``None`` for what suits the model, 0 for never. ``connection_s``: how long a connection
    may last at all. ``admit_s``: for a new connection's first delta, while the old one is still good. ``drain_s``: to
    transcribe what the source has given when the session is asked to finish.
    """

    ready_s: float = 10.0
    send_s: float = 10.0
    first_delta_s: float = 30.0
    stall_s: float = 5.0
    retry_for_s: float = 15.0
    full_for_s: float = 60.0
    widen_after_s: float = 2.0
    resume: bool = True
    give_up_s: float = 60.0
    fruitless: int = 5
    replay_s: float = 2.0
    keep_s: float = 90.0
    rotate_s: float | None = None
    connection_s: float = 1_680.0
    admit_s: float = 5.0
    drain_s: float = 15.0


@dataclass(frozen=True, slots=True)
class Retry:
    """Another attempt may succeed without anybody changing anything."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Another attempt would fail the same way."""


Verdict = Retry | GiveUp

#: Too many requests, and what load balancers, SageMaker and starting servers say for "not now".
_PASSING_STATUSES = frozenset({424, 429, 502, 503, 504})
#: AWS's names for the same, whatever the status: it throttles with 400 too.
_PASSING_NAMES = frozenset(
    {
        "InternalFailure",
        "InternalServerError",
        "InternalServerException",
        "ModelError",
        "ServiceUnavailable",
        "ServiceUnavailableError",
        "ServiceUnavailableException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
#: The ends of a stream that SageMaker announces and that another stream need not meet: it failed itself, the time a
#: stream may last is over, the container broke off and may be one of several.
_PASSING_ENDS = frozenset({"InternalStreamFailure", "ModelInvocationTimeExceeded", "StreamBroken", *_PASSING_NAMES})
#: Close codes "service restart" and "try again later".
_PASSING_CODES = frozenset({1012, 1013})
#: Close codes that say that it is us the server will not have: policy violation, message too big.
_OUR_FAULT_CODES = frozenset({1008, 1009})


def verdict(error: StreamError, *, resuming: bool = False) -> Verdict:
    """Judge an error met while making a connection or, ``resuming``, on one after a server had accepted the session.

    A server that did its work once is given the benefit of the doubt: what it says now may be the sign of a restart.
    """
    match error:
        case ServerFull() | ConnectFailed(timed_out=True) | ConnectFailed(passing=True) | Stalled():
            return Retry()
        case HandshakeRefused(status=status, code=name) if status in _PASSING_STATUSES or name in _PASSING_NAMES:
            return Retry()
        case ConnectionLost(reason=name) if name in _PASSING_ENDS:
            return Retry()
        case ConnectionLost(code=code) if code in _PASSING_CODES:
            return Retry()
        case ModelNotFound() | ModelNotValidated() | HandshakeRefused() | RequestRejected() | EngineUnavailable():
            return GiveUp()
        case ConnectionLost(code=code) if code in _OUR_FAULT_CODES:
            return GiveUp()
        case _:
            return Retry() if resuming else GiveUp()


class Patience:
    """Says when to stop trying: too many connections, or too long a time, that brought the session no further.

    Progress is a new committed word, or a second of audio that was heard for the first time.
    """

    def __init__(self, policy: Policy, now_s: float) -> None:
        self.n_fruitless = 0
        self._policy = policy
        self._since_s = now_s
        self._fruitless = True
        self._heard_s = 0.0
        self._n_words = 0

    def see(self, now_s: float, heard_s: float, n_words: int, *, at_rest: bool = False) -> None:
        """Take how far the session is. ``at_rest``: the server has answered all it was sent."""
        if at_rest:
            self._since_s = now_s
        if n_words > self._n_words or heard_s >= self._heard_s + 1.0:
            self._n_words, self._heard_s = n_words, max(heard_s, self._heard_s)
            self.n_fruitless, self._since_s, self._fruitless = 0, now_s, False

    def lost(self) -> None:
        """Count a connection that is over; one that brought progress counts for nothing."""
        self.n_fruitless += self._fruitless
        self._fruitless = True

    def over(self, now_s: float, delay_s: float = 0.0) -> bool:
        """Whether to give up rather than wait ``delay_s`` and try again."""
        return self.n_fruitless >= self._policy.fruitless or delay_s > self.left_s(now_s)

    def left_s(self, now_s: float) -> float:
        """Return how long there still is, in seconds."""
        return self._since_s + self._policy.give_up_s - now_s

    @property
    def replay_s(self) -> float:
        """How much to send again: less each time, so that a server that chokes on a place can get past it.

        Never so little that what comes after it is in a connection's first second, which is not to be trusted.
        """
        return max(float(self._policy.replay_s / 2**self.n_fruitless), _LEAST_REPLAY_S)


def backoff(uniform: Callable[[float, float], float], *, first_s: float = 0.5, most_s: float = 4.0) -> Iterator[float]:
    """Yield the pauses between attempts: exponential with full jitter, so that clients do not return in step."""
    ceiling_s = first_s
    while True:
        yield uniform(0.0, ceiling_s)
        ceiling_s = min(2 * ceiling_s, most_s)
