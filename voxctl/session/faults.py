"""When a connection is over, and what to say then. Pure."""

from __future__ import annotations

from voxctl.errors import ContextFull, Stalled
from voxctl.realtime.machine import Machine


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


def stalled(machine: Machine, acked_s: float, owed_s: float) -> Stalled:
    """Return the error for a server that owed a delta for ``owed_s``."""
    if machine.n_deltas:
        return Stalled(
            f"the server went silent at {acked_s:.1f} s of audio ({owed_s:.0f} s without an answer)",
            hint="look at the server's log; what was transcribed so far is kept.",
        )
    guess = f"; {machine.model!r} was taken for a Voxtral model" if machine.facts.guessed else ""
    return Stalled(
        f"the server took audio for {owed_s:.0f} s and gave nothing back: it is full or stuck",
        hint=f"wait for a free stream, or raise the server's --max-num-seqs{guess}.",
    )


def context_full(machine: Machine, acked_s: float) -> ContextFull:
    """Return the error for a model whose context ended ``acked_s`` into the sound, before the sound did."""
    return ContextFull(
        f"the model's context ended after {acked_s:.1f} s of audio, before the audio did",
        n_deltas=machine.n_deltas,
        hint="what was transcribed so far is kept; serve the model with a larger --max-model-len.",
    )


def first_of(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the one error a group was made for; a group of several is told by its first."""
    first = failures.exceptions[0]
    return first_of(first) if isinstance(first, BaseExceptionGroup) else first
