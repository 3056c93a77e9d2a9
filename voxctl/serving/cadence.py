"""The token clock of a stream: which delta is due when, in whole samples.

A delta stands for 80 ms of audio. Delta *i* is due once the audio it is about, the engine's delay and a look-ahead of
2.5 ms have arrived, and holds the words that ended by ``(i + 1) * 0.08`` s. After the end of the audio come as many
more as make up the length law of vLLM. All of it is counted in samples: seconds would not add up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from voxctl.audio.pcm import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ
from voxctl.realtime.models import LOOK_AHEAD_SAMPLES, TAIL_TICKS, TICK_SAMPLES
from voxctl.serving.engine import HeardWord, Tick

TICKS_OF_LEFT_PADDING = 32


class Cadence:
    """The clock of one utterance. ``delay_s`` is a multiple of 80 ms."""

    def __init__(self, delay_s: float) -> None:
        self._delay_ticks = round(delay_s * SAMPLE_RATE_HZ) // TICK_SAMPLES
        self._pending = bytearray()
        self._n_taken = 0
        self._n_ticks = 0

    @property
    def n_samples(self) -> int:
        """How much audio the utterance has so far."""
        return self._n_taken + len(self._pending) // BYTES_PER_SAMPLE

    @property
    def prompt_tokens(self) -> int:
        """What vLLM counts as the prompt: the beginning, the padding on the left, and the delay."""
        return 1 + TICKS_OF_LEFT_PADDING + self._delay_ticks

    @property
    def n_deltas(self) -> int:
        """How many deltas the utterance gives in all if it ends now; none without audio."""
        if not self.n_samples:
            return 0
        return (self.n_samples - LOOK_AHEAD_SAMPLES) // TICK_SAMPLES + TAIL_TICKS

    def feed(self, pcm: bytes) -> list[Tick]:
        """Take audio cut anywhere between two samples, and return the ticks that are now due."""
        self._pending += pcm
        ticks = []
        while len(self._pending) >= (n_bytes := (self._due_at() - self._n_taken) * BYTES_PER_SAMPLE):
            ticks.append(Tick(bytes(self._pending[:n_bytes]), clock_s(self._n_ticks)))
            del self._pending[:n_bytes]
            self._n_taken = self._due_at()
            self._n_ticks += 1
        return ticks

    def finish(self) -> bytes:
        """Return the audio that no tick has carried."""
        return bytes(self._pending)

    def tail(self, words: Iterable[HeardWord]) -> Iterator[Sequence[HeardWord]]:
        """Deal the last words out to the deltas that are still owed; the last one takes all that is left."""
        rest = list(words)
        for i in range(self._n_ticks, self.n_deltas):
            is_last = i == self.n_deltas - 1
            ended = [word for word in rest if is_last or word.end_s <= clock_s(i)]
            del rest[: len(ended)]
            yield ended

    def _due_at(self) -> int:
        return LOOK_AHEAD_SAMPLES + TICK_SAMPLES * (1 + self._delay_ticks + self._n_ticks)


def clock_s(i: int) -> float:
    """Return the end of the 80 ms that delta ``i`` stands for, in seconds from the start of the utterance."""
    return (i + 1) * TICK_SAMPLES / SAMPLE_RATE_HZ
