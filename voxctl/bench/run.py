"""A whole measurement: numbers of streams one after another, or the most that a server holds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from voxctl.bench.clips import Clip
from voxctl.bench.measures import Load, Measures
from voxctl.bench.search import Slo, next_to_try
from voxctl.bench.stream import model_of
from voxctl.bench.trial import Crew, Now
from voxctl.bench.worker import connector
from voxctl.errors import StreamError, UsageError
from voxctl.realtime.models import facts_for

#: One stream in ten stays free: a connection that is changed for another needs two for a while.
_SPARE = 0.9


@dataclass(slots=True)
class Level:
    """What a number of streams saw, trial by trial."""

    n_streams: int
    trials: list[Measures] = field(default_factory=list)

    @property
    def together(self) -> Measures:
        """All trials as one."""
        whole = Measures()
        for trial in self.trials:
            whole.merge(trial)
        return whole

    def to_json(self) -> dict[str, Any]:
        """Return the figures of all trials together and of each."""
        return {
            "streams": self.n_streams,
            "all": self.together.summary(),
            "trials": [trial.summary() for trial in self.trials],
        }


@dataclass(frozen=True, slots=True)
class Held:
    """The most streams that a server held, 0 for none; and why more did not, ``None`` if more were never tried."""

    n_streams: int
    slo: Slo
    broken_by: str | None

    @property
    def per_instance(self) -> int:
        """How many streams to plan for on one such server."""
        return max(1, int(self.n_streams * _SPARE)) if self.n_streams else 0

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "streams": self.n_streams,
            "slo_ms": self.slo.lag_ms,
            "broken_by": self.broken_by,
            "streams_per_instance": self.per_instance,
        }


#: Called with the number of streams, the trial and how it goes.
Told = Callable[[int, int, Now], None]


@dataclass(frozen=True, slots=True)
class Bench:
    """What is measured, whatever the number of streams. ``load.n_streams`` is of no account."""

    target: Mapping[str, Any]
    clips: Sequence[Clip]
    load: Load
    n_processes: int
    told: Told

    async def trial(self, n_streams: int, number: int) -> Measures:
        """Run one trial. Raises ``StreamError`` when not a single stream came to its end."""
        load = replace(self.load, n_streams=n_streams, seed=self.load.seed + number)
        async with Crew() as crew:
            measures = await crew.carry_out(
                load,
                self.target,
                self.clips,
                n_processes=self.n_processes,
                told=lambda now: self.told(n_streams, number, now),
            )
        return measures

    async def level(self, n_streams: int, n_trials: int) -> Level:
        """Run as many trials. Raises ``StreamError`` when in one not a single stream came to its end."""
        level = Level(n_streams)
        for number in range(n_trials):
            level.trials.append(await self.trial(n_streams, number))
            if not level.trials[-1].n_finished:
                cause, count = level.trials[-1].errors.most_common(1)[0]
                raise StreamError(
                    f"none of {n_streams} streams came to its end: {cause} ({count})",
                    hint="`voxctl transcribe` with the same server says more; or try fewer --streams.",
                )
        return level


async def find_most(trial: Callable[[int, int], Awaitable[Measures]], slo: Slo, most: int) -> tuple[Held, list[Level]]:
    """Find out how many streams hold, ``most`` being the limit; ``trial`` runs one, given how many and its number.

    A number holds when one of two trials does. One whose client was too late says nothing, and ends the search.
    """
    held: dict[int, bool] = {}
    levels: list[Level] = []
    why: dict[int, str] = {}
    while (n := next_to_try(held, most)) is not None:
        levels.append(level := Level(n))
        reason: str | None = None
        for number in range(2):
            level.trials.append(await trial(n, number))
            reason = slo.broken_by(level.trials[-1])
            if reason is None or level.trials[-1].faults:
                break
        if level.trials[-1].faults:
            why[n] = "the client was too slow to say more"
            break
        held[n] = reason is None
        if reason is not None:
            why[n] = reason
        elif n == 1:
            slo = replace(slo, wer=level.trials[-1].wer)
    best = max((n for n, ok in held.items() if ok), default=0)
    return Held(best, slo, why[min(why)] if why else None), sorted(levels, key=lambda level: level.n_streams)


async def delay_of(target: Mapping[str, Any], model: str | None) -> tuple[str, float]:
    """Connect once and return the model's name and its usual delay in seconds.

    Raises ``ConnectFailed`` and what a server may say, and ``UsageError`` for a model without a token clock.
    """
    transport = await connector(dict(target))()
    try:
        name = await model_of(transport, model)
    finally:
        await transport.aclose()
    facts = facts_for(name)
    if not facts.has_clock:
        raise UsageError(
            f"{name} gives no delta for each 80 ms, so nothing says which sound a delta is for",
            hint="measure a model with a token clock, such as Voxtral.",
        )
    return name, facts.delay_s
