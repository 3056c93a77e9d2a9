"""What goes wrong with servers and networks, one fault at a time and in seeded schedules that can be printed and rerun.

A schedule is a list of strikes, applied in order by ``OracleServer``: each waits for its moment, and the next one for
it. Some strike again while lost sound is being replayed, or while the next connection is made.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

type Kind = Literal[
    # Of a connection that is open:
    "drop",  # cut without a goodbye
    "reset",  # cut, and over sockets what is in flight is lost
    "half_open",  # takes everything, says nothing any more
    "close",  # says goodbye with ``code``
    "stall",  # no deltas for ``s`` seconds
    "slow_read",  # reads nothing for ``s`` seconds
    "slow_delta",  # ``n`` deltas take ``s`` seconds each
    "garbage",  # a frame that is no JSON; its engine goes on
    "binary",  # a frame that is no text (over memory: garbage)
    "error",  # processing_error, then a close with ``code``; without one the connection goes on
    "invalid_audio",  # the next chunk is dropped, and that is said
    "unasked_done",  # the context ends, though never in a connection's first 6 s
    "short_done",  # the next final commit is answered ``n`` deltas early
    "blank",  # ``n`` empty deltas whatever is said; without ``n`` until the connection's end
    # Of a connection that is being made:
    "refused",  # nobody listens
    "away",  # nobody listens for ``s`` seconds
    "unanswered",  # nobody answers, which takes ``s`` seconds to be sure of
    "status",  # the handshake is answered with the HTTP status ``code``
    "server_full",  # accepted, told so, closed with 1013
    "mute",  # accepted, and not even greeted
]

AT_CONNECT: frozenset[Kind] = frozenset({"refused", "away", "unanswered", "status", "server_full", "mute"})


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong; what ``s``, ``n`` and ``code`` mean is said at ``Kind``."""

    kind: Kind
    s: float = 0.0
    n: int = 0
    code: int = 0

    @property
    def away_s(self) -> float:
        """About how long a session gets nowhere because of it, its own deadlines counted in."""
        match self.kind:
            case "away" | "unanswered":
                return self.s + 4.0
            case "mute":
                return 10.0
            case "half_open":
                return 5.0
            case "stall" | "slow_read":
                return min(self.s, 5.0)
            case _:
                return 0.5

    def __str__(self) -> str:
        numbers = [f"{self.s:g} s"] * (self.s > 0) + [f"n={self.n}"] * (self.n > 0) + [str(self.code)] * (self.code > 0)
        return " ".join([self.kind, *numbers])


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault and its moment, after all strikes before it.

    ``at_s`` counts the sound that the server has answered over all its connections, replays included; the connection
    that is about to answer is struck. Without it a fault of an open connection strikes at the next answer, and one of
    ``AT_CONNECT`` the next attempt to connect, or attempt number ``attempt`` (from 1).
    """

    fault: Fault
    at_s: float | None = None
    attempt: int | None = None

    def __str__(self) -> str:
        if self.fault.kind not in AT_CONNECT:
            return f"{self.fault} at {self.at_s or 0:.2f} s"
        return f"{self.fault} at {f'attempt {self.attempt}' if self.attempt else 'the next attempt'}"


@dataclass(frozen=True, slots=True)
class Schedule:
    """Strikes against a session on ``script_s`` seconds of speech; the ``repr`` can be pasted into a test."""

    seed: int
    script_s: float
    strikes: tuple[Strike, ...]

    @property
    def away_s(self) -> float:
        """About how long the session gets nowhere in all."""
        return sum(strike.fault.away_s for strike in self.strikes)

    def __str__(self) -> str:
        return f"schedule {self.seed}, {self.script_s:g} s: {'; '.join(map(str, self.strikes)) or 'nothing'}"


type Maker = Callable[[random.Random], Fault]

#: What a session must get over without losing a word; each can break the connection it strikes.
_STREAM: Sequence[tuple[int, Maker]] = (
    (5, lambda rng: Fault("drop")),
    (2, lambda rng: Fault("reset")),
    (2, lambda rng: Fault("half_open")),
    (4, lambda rng: Fault("close", code=rng.choice([1000, 1001, 1006, 1011, 1012, 1013]))),
    (2, lambda rng: Fault("stall", s=rng.choice([1.0, 3.0, 4.5, 6.0, 10.0, math.inf]))),
    (2, lambda rng: Fault("slow_read", s=rng.choice([0.5, 2.0, 8.0, 15.0]))),
    (2, lambda rng: Fault("slow_delta", s=rng.choice([0.1, 0.2, 1.0]), n=rng.randint(5, 20))),
    (1, lambda rng: Fault("garbage")),
    (1, lambda rng: Fault("binary")),
    (3, lambda rng: Fault("error", code=rng.choice([0, 1012]))),
    (1, lambda rng: Fault("invalid_audio")),
    (2, lambda rng: Fault("unasked_done")),
)
_CONNECT: Sequence[tuple[int, Maker]] = (
    (4, lambda rng: Fault("refused")),
    (2, lambda rng: Fault("away", s=round(rng.uniform(1, 8), 1))),
    (1, lambda rng: Fault("unanswered", s=rng.choice([1.0, 5.0]))),
    (3, lambda rng: Fault("status", code=rng.choice([424, 429, 502, 503, 504]))),
    (3, lambda rng: Fault("server_full")),
    (1, lambda rng: Fault("mute")),
)
_HOPELESS: Sequence[tuple[int, Maker]] = (
    (2, lambda rng: Fault("close", code=1009)),
    (2, lambda rng: Fault("blank", n=rng.randint(5, 150))),
    (1, lambda rng: Fault("blank")),
)
_HOPELESS_CONNECT: Sequence[tuple[int, Maker]] = (
    (1, lambda rng: Fault("status", code=rng.choice([401, 403, 404]))),
    (1, lambda rng: Fault("away", s=200.0)),
)

_MOST_AWAY_S = 40.0
#: A rut is found after 200 empty deltas, 16 s; the speech must go on for that long and some more.
_RUT_SCRIPT_S = 36.0


def survivable(seed: int) -> Schedule:
    """Return a schedule that a session must get over with every word: the server comes back in time, and works."""
    rng = random.Random(f"survivable {seed}")
    script_s = round(rng.uniform(16, 30), 1)
    strikes: list[Strike] = []
    if rng.random() < 0.06:  # a first connection may be told to wait, not be refused
        strikes.append(Strike(rng.choice([Fault("server_full"), Fault("status", code=503)]), attempt=1))
    if rng.random() < 0.03:
        return Schedule(seed, _RUT_SCRIPT_S, (*strikes, Strike(Fault("blank"), round(rng.uniform(1, 8), 2))))
    at_s = rng.uniform(0.08, script_s)
    n_in_a_row = 0  # five connections without progress, and a session gives up
    while at_s < script_s and len(strikes) < 6:
        trouble = _trouble(rng, at_s)
        if sum(strike.fault.away_s for strike in (*strikes, *trouble)) > _MOST_AWAY_S:
            break
        strikes += trouble
        # Now and then so soon that the sound that is replayed is not through yet.
        n_in_a_row += len(trouble)
        if rng.random() < 0.25 and n_in_a_row < 3:
            at_s += rng.uniform(0.3, 2.5)
        else:
            at_s += rng.uniform(4.0, 15.0)
            n_in_a_row = 0
    if rng.random() < 0.08:
        strikes.append(Strike(Fault("short_done", n=rng.randint(1, 14)), round(at_s, 2)))
    return Schedule(seed, script_s, tuple(strikes))


def schedule(seed: int) -> Schedule:
    """Return any schedule: most can be survived; of the others a session must at least make a good end."""
    rng = random.Random(f"any {seed}")
    base = survivable(seed)
    if rng.random() < 0.7:
        return base
    at = rng.randint(0, len(base.strikes))
    at_s = round(rng.uniform(0.5, base.script_s), 2)
    if rng.random() < 0.6:
        worse = [Strike(_one_of(rng, _HOPELESS), at_s)]
    else:
        worse = [Strike(Fault("drop"), at_s), Strike(_one_of(rng, _HOPELESS_CONNECT))]
    return Schedule(seed, base.script_s, (*base.strikes[:at], *worse, *base.strikes[at:]))


def _trouble(rng: random.Random, at_s: float) -> list[Strike]:
    """Return a fault of an open connection, and what may happen to the next attempts."""
    strikes = [Strike(_one_of(rng, _STREAM), round(at_s, 2))]
    while rng.random() < 0.3 and len(strikes) < 3:
        strikes.append(Strike(_one_of(rng, _CONNECT)))
    return strikes


def _one_of(rng: random.Random, makers: Sequence[tuple[int, Maker]]) -> Fault:
    weights = [weight for weight, _ in makers]
    return rng.choices([maker for _, maker in makers], weights)[0](rng)


#: A thousand schedules without excuse.
SURVIVABLE = tuple(survivable(seed) for seed in range(1_000))
