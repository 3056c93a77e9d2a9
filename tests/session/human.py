"""A person who reads for minutes, and what became of the words: errors, and what a seam lost or doubled."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import soundfile

from voxctl.audio.pcm import Chunk
from voxctl.events import Word

#: Unpacked by tests/session/install.sh: sentences from chapter 1 of *Sense and Sensibility*, and what is said in them.
CLIPS = Path(__file__).parents[2] / "build" / "librivox"
RATE_HZ = 16_000
_NEAR_S = 3.0
#: Between the seam and the last word before it.
_AT_SEAM_S = 0.6
#: The letters that are next to nothing, as a part of those there should be.
_LITTLE = 0.34
#: By how much the clocks of two connections may differ, in seconds, without a word seeming lost.
_CLOCK_S = 0.05


@dataclass(frozen=True, slots=True)
class Reading:
    """Sound of a reader, as 16-bit samples, and the words that are said in it."""

    pcm: bytes
    words: tuple[str, ...]

    @property
    def length_s(self) -> float:
        return len(self.pcm) / 2 / RATE_HZ

    def chunks(self) -> Iterator[Chunk]:
        """Yield the sound in chunks of 80 ms."""
        step = 2 * RATE_HZ * 80 // 1000
        for at in range(0, len(self.pcm), step):
            yield Chunk(self.pcm[at : at + step], at // 2)


def reading(seed: int, least_s: float) -> Reading:
    """Return ``least_s`` or a little more: the sentences over and over, each time in another order. Each begins and
    ends with the reader's own pause."""
    rng = random.Random(seed)
    clips = sorted(CLIPS.glob("*.wav"))
    assert len(clips) == 5, f"run tests/session/install.sh: {CLIPS} does not hold the sentences"
    sound = bytearray()
    words: list[str] = []
    while len(sound) < least_s * 2 * RATE_HZ:
        for clip in rng.sample(clips, len(clips)):
            samples, rate_hz = soundfile.read(clip, dtype="int16")
            assert rate_hz == RATE_HZ
            sound += samples.tobytes()
            words += folded(clip.with_suffix(".txt").read_text("utf-8"))
    return Reading(bytes(sound), tuple(words))


def folded(text: str) -> list[str]:
    """Return the words of a text as they are compared: without case and punctuation."""
    return re.findall(r"[a-z']+", text.lower())


def error_rate(said: Sequence[str], heard: Sequence[str]) -> float:
    """Return the word error rate, 0 to 1 and above."""
    return len([1 for i, j in _aligned(said, heard) if i is None or j is None or said[i] != heard[j]]) / len(said)


def damage(whole: Sequence[Word], joined: Sequence[Word], seams_s: Sequence[float]) -> list[str]:
    """Return what seams did, in words: ``joined`` was heard over many connections, ``whole`` over a single one.

    Lost: within 3 s of a seam, next to nothing is in the place of three or more words of ``whole``, by the text or by
    the clock. Doubled: there, three words in a row stand twice, or any number stand twice in a row across the seam,
    that do not in ``whole``. A connection that hears other words in the same sound does neither.
    """
    old, new = _flat(whole), _flat(joined)
    found = []
    for i, i_end, j, j_end in _differences([text for text, _ in old], [text for text, _ in new]):
        around = old[max(0, i - 1) : i_end + 1] + new[max(0, j - 1) : j_end + 1]
        near = [at_s for at_s in seams_s if any(abs(at_s - end_s) <= _NEAR_S for _, end_s in around)]
        if near and (i_end - i) - (j_end - j) >= 3 and _letters(new[j:j_end]) <= _LITTLE * _letters(old[i:i_end]):
            found.append(f"lost at {near[0]:.2f} s: {_text(old[i:i_end])!r} became {_text(new[j:j_end])!r}")
    for (_, a_s), (_, b_s) in pairwise(new):
        passed = [word for word in old if a_s + _CLOCK_S < word[1] < b_s - _CLOCK_S]
        if len(passed) >= 3 and any(a_s - _NEAR_S <= at_s <= b_s + _NEAR_S for at_s in seams_s):
            found.append(f"lost after {a_s:.2f} s: {_text(passed)!r}")
    for at_s in seams_s:
        before, after = ([word for word in side if abs(word[1] - at_s) <= _NEAR_S] for side in (old, new))
        again = _repeats(after, at_s) - _repeats(before, at_s)
        found += [f"doubled at {at_s:.2f} s: {text!r} in {_text(after)!r}" for text in again]
    return found


def _flat(words: Sequence[Word]) -> list[tuple[str, float]]:
    return [(text, word.end_s) for word in words for text in folded(word.text)]


def _text(words: Sequence[tuple[str, float]]) -> str:
    return " ".join(text for text, _ in words)


def _letters(words: Sequence[tuple[str, float]]) -> int:
    return sum(len(text) for text, _ in words)


def _repeats(heard: Sequence[tuple[str, float]], at_s: float) -> set[str]:
    """Return what is said twice in a row, the first time up to ``at_s``, and all of three words that is said twice."""
    words = [text for text, _ in heard]
    twice = {
        " ".join(words[i - n : i])
        for i, (_, before_s) in enumerate(heard, 1)
        for n in range(1, min(i, len(words) - i) + 1)
        if abs(before_s - at_s) <= _AT_SEAM_S and words[i - n : i] == words[i : i + n]
    }
    threes = Counter(" ".join(words[i : i + 3]) for i in range(len(words) - 2))
    return twice | {three for three, n in threes.items() if n > 1}


def _differences(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[int, int, int, int]]:
    """Yield the stretches in which two texts differ, as places in both."""
    i = j = i_end = j_end = 0
    for a, b in [*_aligned(old, new), (len(old), len(new))]:
        same = a is not None and b is not None and (a == len(old) or old[a] == new[b])
        if same and (i_end > i or j_end > j):
            yield i, i_end, j, j_end
        i_end, j_end = i_end + (a is not None), j_end + (b is not None)
        if same:
            i, j = i_end, j_end


def _aligned(old: Sequence[str], new: Sequence[str]) -> list[tuple[int | None, int | None]]:
    """Return which word of one text stands for which of the other, with the fewest changes; ``None`` for nothing."""
    cost = np.zeros((len(old) + 1, len(new) + 1), dtype=np.int32)
    cost[:, 0], cost[0, :] = range(len(old) + 1), range(len(new) + 1)
    for i, a in enumerate(old, 1):
        for j, b in enumerate(new, 1):
            cost[i, j] = min(cost[i - 1, j - 1] + (a != b), cost[i - 1, j] + 1, cost[i, j - 1] + 1)
    pairs: list[tuple[int | None, int | None]] = []
    i, j = len(old), len(new)
    while i or j:
        if i and j and cost[i, j] == cost[i - 1, j - 1] + (old[i - 1] != new[j - 1]):
            i, j = i - 1, j - 1
            pairs.append((i, j))
        elif i and cost[i, j] == cost[i - 1, j] + 1:
            i -= 1
            pairs.append((i, None))
        else:
            j -= 1
            pairs.append((None, j))
    return pairs[::-1]
