"""Speech for a perfect ear: each word is a burst of its own two tones, so that what was said can be read off the sound.

Two tones and not one, at f and 1.5 f below 4 kHz: WebRTC's voice detector takes such bursts for speech and the gaps
between phrases for pauses, and single tones only now and then. ``judge`` compares a transcript with what was said.
"""

from __future__ import annotations

import asyncio
import math
import random
from bisect import bisect_right
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from voxctl.audio.pace import paced
from voxctl.audio.pcm import Chunk
from voxctl.events import Event, Gap, Word, Words

RATE_HZ = 16_000
#: No word comes again within this time, repetitions like "no no no" apart.
UNIQUE_S = 60.0
#: Less of a word than this is not recognised.
LEAST_HEARD_S = 0.04
#: The longest gap between two words of a phrase; a connection that begins nearer to a word began in mid-speech.
GAP_S = (0.04, 0.2)
BURST_S = (0.16, 0.5)
PAUSE_S = (0.4, 2.0)

_N_WORDS = 256
_FIRST_TONE = 44
# Tone k is 2k steps of this grid and, a fifth above, 3k: both on the grid of the decoder's FFT.
_STEP_HZ = 8_000 / 2_048
_LOUD, _SOFT = 5_400, 3_600
_LEAST_HEARD = round(LEAST_HEARD_S * RATE_HZ)
_LEAST_GAP = 320
_LONGEST_BURST = 8_000


def _vocabulary() -> list[str]:
    """Return names of six letters, no two of which share more than one syllable."""
    rng = random.Random("voxctl")
    syllables = [a + b for a in "bdfgjklmnprstvz" for b in "aeiou"]
    names: list[str] = []
    taken: set[tuple[int, str]] = set()
    while len(names) < _N_WORDS:
        a, b, c = rng.sample(syllables, 3)
        pairs = {(0, a + b), (1, b + c), (2, a + c)}
        if not pairs & taken:
            taken |= pairs
            names.append(a + b + c)
    return names


#: Short words come only in repetitions: they have tones of their own.
SHORT_WORDS = ("no", "yes", "very", "and")
WORDS = tuple(_vocabulary())
_TONE = {text: _FIRST_TONE + i for i, text in enumerate((*WORDS, *SHORT_WORDS))}
_TEXT = {tone: text for text, tone in _TONE.items()}


@dataclass(frozen=True, slots=True)
class Burst:
    """One word as it was said or heard: ``start`` and ``end`` are samples."""

    text: str
    start: int
    end: int

    @property
    def start_s(self) -> float:
        """When it begins, in seconds."""
        return self.start / RATE_HZ

    @property
    def end_s(self) -> float:
        """When it is over, in seconds."""
        return self.end / RATE_HZ


@dataclass(frozen=True)
class Script:
    """What is said, and how long the sound is. Make one with ``script``."""

    words: Sequence[Burst]
    n_samples: int
    name: str = ""

    @property
    def length_s(self) -> float:
        """The length of the sound in seconds."""
        return self.n_samples / RATE_HZ

    @cached_property
    def _ends(self) -> list[int]:
        return [word.end for word in self.words]

    def stretch(self, start: int, end: int) -> bytes:
        """Return the sound between two samples as PCM16."""
        end = min(end, self.n_samples)
        sound = np.zeros(max(0, end - start), "<i2")
        at = bisect_right(self._ends, start)
        while at < len(self.words) and (word := self.words[at]).start < end:
            first, last = max(start, word.start), min(end, word.end)
            sound[first - start : last - start] = _wave(word.text)[first - word.start : last - word.start]
            at += 1
        return sound.tobytes()


def script(
    seed: int, length_s: float, *, pauseless_s: float = 0.0, pause_rate: float = 0.12, repeats: bool = False
) -> Script:
    """Return ``length_s`` of speech, always the same for the same arguments.

    A pause follows ``pause_rate`` of the words, though never sooner than ``pauseless_s`` after the last one. With
    ``repeats`` there is a "no no no" now and then. It begins with 0.3 s of silence or more.
    """
    rng = random.Random(f"{seed}/{length_s}/{pauseless_s}/{pause_rate}/{repeats}")
    words: list[Burst] = []
    free, used = list(WORDS), deque[Burst]()
    now = last_pause = rng.randrange(4_800, 9_600)
    end = round(length_s * RATE_HZ)
    while True:
        while used and used[0].end + UNIQUE_S * RATE_HZ < now:
            free.append(used.popleft().text)
        again = rng.randint(2, 4) if repeats and rng.random() < 0.06 else 1
        text = rng.choice(SHORT_WORDS) if again > 1 else free.pop(rng.randrange(len(free)))
        for _ in range(again):
            word = Burst(text, now, now + rng.randrange(*_samples(BURST_S)))
            if word.end > end:
                return Script(words, end, f"script({seed}, {length_s})")
            words.append(word)
            now = word.end + rng.randrange(*_samples(GAP_S))
        if again == 1:
            used.append(word)
        if rng.random() < pause_rate and now - last_pause >= pauseless_s * RATE_HZ:
            now = last_pause = word.end + rng.randrange(*_samples(PAUSE_S))


def _samples(range_s: tuple[float, float]) -> tuple[int, int]:
    return round(range_s[0] * RATE_HZ), round(range_s[1] * RATE_HZ)


@cache
def _wave(text: str) -> NDArray[np.int16]:
    phase = 2 * np.pi * _STEP_HZ / RATE_HZ * np.arange(_LONGEST_BURST) * _TONE[text]
    wave: NDArray[np.int16] = (_LOUD * np.cos(2 * phase) + _SOFT * np.cos(3 * phase)).astype("<i2")
    return wave


def pcm(spoken: Script) -> bytes:
    """Return all of the sound: 16 kHz mono PCM16."""
    return spoken.stretch(0, spoken.n_samples)


async def chunks(
    spoken: Script, chunk_ms: int = 80, pace: float | None = None, *, from_sample: int = 0
) -> AsyncGenerator[Chunk]:
    """Yield the sound chunk by chunk, each made when it is asked for.

    ``pace`` 1.0 is a live speaker on the running loop's clock; ``None`` gives all as fast as it is taken.
    """
    step = chunk_ms * RATE_HZ // 1000

    async def made() -> AsyncGenerator[Chunk]:
        for start in range(from_sample, spoken.n_samples, step):
            yield Chunk(spoken.stretch(start, start + step), start - from_sample)

    if pace is None:
        async for chunk in made():
            yield chunk
        return
    async for chunk in paced(made(), pace, clock=asyncio.get_running_loop().time):
        yield chunk


class Ear:
    """Sound in, words out: pieces of any size, from any point on. The words are a pure function of the sound.

    A word is told once 20 ms of silence follow it, or at ``finish``; one cut off at either side counts from 40 ms on.
    Times are samples from the start of what was fed, exact to one sample.
    """

    def __init__(self) -> None:
        self._n = 0
        self._start = 0
        self._last = -1
        self._run: list[NDArray[np.int16]] = []

    def feed(self, sound: bytes) -> list[Burst]:
        """Take the next piece; return the words that are now over."""
        samples = np.frombuffer(sound, "<i2")
        base, self._n = self._n, self._n + len(samples)
        heard: list[Burst] = []
        for first, last in _loud_parts(samples):
            if self._run and base + first - self._last > _LEAST_GAP:
                heard += self._ended()
            if not self._run:
                self._start = base + first
            elif base + first > self._last + 1:  # zeros inside a burst belong to it
                self._run.append(np.zeros(base + first - self._last - 1, np.int16))
            self._run.append(samples[first : last + 1])
            self._last = base + last
        if self._run and self._n - self._last > _LEAST_GAP:
            heard += self._ended()
        return heard

    def finish(self) -> list[Burst]:
        """Return the word that was being said when the sound ended."""
        return self._ended() if self._run else []

    def _ended(self) -> list[Burst]:
        run, self._run = np.concatenate(self._run), []
        heard, at = [], 0
        while len(run) - at >= _LEAST_HEARD:
            text, n = _first_word(run[at:])
            heard.append(Burst(text, self._start + at, self._start + at + n))
            at += n
        return heard


def decode(sound: bytes) -> list[Burst]:
    """Return the words in a stretch of sound."""
    ear = Ear()
    return ear.feed(sound) + ear.finish()


def _loud_parts(samples: NDArray[np.int16]) -> list[tuple[int, int]]:
    """Return the first and the last sample of each part that has no long silence in it."""
    n_loud = np.count_nonzero(samples)
    if not n_loud:
        return []
    if len(samples) - n_loud < _LEAST_GAP and samples[0] and samples[-1]:  # the usual case, and the cheap one
        return [(0, len(samples) - 1)]
    loud = np.flatnonzero(samples)
    breaks = np.flatnonzero(loud[1:] - loud[:-1] > _LEAST_GAP)
    firsts = [int(loud[0]), *loud[breaks + 1].tolist()]
    return list(zip(firsts, [*loud[breaks].tolist(), int(loud[-1])], strict=True))


# All tones lie below 4 kHz: every other sample is enough.
_WINDOW = np.hanning(_LEAST_HEARD // 2).astype(np.float32)
_LOW = slice(2 * _FIRST_TONE, 2 * (_FIRST_TONE + len(_TONE)), 2)
_HIGH = slice(3 * _FIRST_TONE, 3 * (_FIRST_TONE + len(_TONE)), 3)


def _first_word(run: NDArray[np.int16]) -> tuple[str, int]:
    """Return the word a burst begins with, and how many samples of it there are.

    It is all of it unless sound was left out: then two words may meet without a gap.
    """
    text = _word_at(run)
    low, high = 0, len(run) - _LEAST_HEARD
    if _is(run[high:], text):
        return text, len(run)
    while high - low > _LEAST_HEARD // 8:  # the word is still there at ``low``, and no more at ``high``
        middle = (low + high) // 2
        low, high = (middle, high) if _is(run[middle:], text) else (low, middle)
    return text, low + _LEAST_HEARD // 2 if low else _LEAST_HEARD


def _word_at(sound: NDArray[np.int16]) -> str:
    """Return the word; where sound was left out in mid-burst its tones jump, and the next window is clearer."""
    texts = []
    for at in range(0, len(sound) - _LEAST_HEARD + 1, _LEAST_HEARD // 2):
        spectrum = np.abs(np.fft.rfft(sound[at : at + _LEAST_HEARD : 2] * _WINDOW, 2_048))
        texts.append(_TEXT[_FIRST_TONE + int((spectrum[_LOW] + spectrum[_HIGH]).argmax())])
        if _is(sound[at:], texts[-1], 0.95):
            return texts[-1]
    return texts[0]


def _is(sound: NDArray[np.int16], text: str, least: float = 0.6) -> bool:
    """Whether the sound is that word's, told by how much of it that word's tones explain."""
    window = sound[:_LEAST_HEARD:2] * _WINDOW
    parts = _basis(text) @ window
    return bool(parts @ parts > least * (window @ window))


@cache
def _basis(text: str) -> NDArray[np.float32]:
    """Return the word's tones, orthogonal and of length 1, in the decoder's window."""
    phase = 2 * np.pi * _STEP_HZ / 8_000 * np.arange(_LEAST_HEARD // 2) * _TONE[text]
    tones = np.stack([f(k * phase) for k in (2, 3) for f in (np.cos, np.sin)]) * _WINDOW
    return np.ascontiguousarray(np.linalg.qr(tones.T)[0].T, np.float32)


@dataclass(frozen=True)
class Verdict:
    """What became of a script. ``told`` are words that lie in a ``Gap`` and are missing; ``lost`` all others missing.

    ``misheard`` pairs a word with what stands in its place; ``invented`` was never said. ``faults`` are broken rules
    of the event stream. ``worst_s`` is the largest error of a word's end.
    """

    n_said: int
    n_heard: int
    lost: Sequence[Burst] = ()
    told: Sequence[Burst] = ()
    doubled: Sequence[Word] = ()
    reordered: Sequence[Word] = ()
    misheard: Sequence[tuple[Burst, Word]] = ()
    invented: Sequence[Word] = ()
    faults: Sequence[str] = ()
    worst_s: float = 0.0

    @property
    def perfect(self) -> bool:
        """Whether every word is there once, in order, and no rule was broken."""
        wrong = (self.lost, self.told, self.doubled, self.reordered, self.misheard, self.invented, self.faults)
        return not any(wrong)

    def __str__(self) -> str:
        names = ("lost", "told", "doubled", "reordered", "misheard", "invented", "faults")
        found = {name: getattr(self, name) for name in names if getattr(self, name)}
        wrong = [f"{len(what)} {name}: {'; '.join(map(_shown, what[:5]))}" for name, what in found.items()]
        return ", ".join([f"{self.n_heard} words of {self.n_said}", *wrong])


def judge(spoken: Script, events: Iterable[Event], *, until_s: float = math.inf) -> Verdict:
    """Compare what was said, up to ``until_s``, with the events of a session. Case and punctuation do not count."""
    texts: list[str] = []
    words: list[Word] = []
    gaps: list[Gap] = []
    for event in events:
        if isinstance(event, Words):
            texts.append(event.text)
            words += event.words
        elif isinstance(event, Gap):
            gaps.append(event)
    said = [word for word in spoken.words if word.end_s <= until_s]
    missing, doubled, reordered, misheard, invented, worst_s = _differences(said, words)
    told = [word for word in missing if any(gap.start_s < word.end_s and word.start_s < gap.end_s for gap in gaps)]
    lost = [word for word in missing if word not in told]
    faults = _broken_rules("".join(texts), words, spoken.length_s)
    return Verdict(len(said), len(words), lost, told, doubled, reordered, misheard, invented, faults, worst_s)


def _broken_rules(text: str, words: Sequence[Word], length_s: float) -> list[str]:
    faults = []
    bare = text.removeprefix(" ")
    if bare.split() != [word.text for word in words]:
        faults.append("the text and the words differ")
    if bare and bare.split(" ") != bare.split():
        faults.append(f"not one space between words: {bare!r:.200}")
    times = [time for word in words for time in (word.start_s, word.end_s)]
    faults += [f"time goes back from {a:.3f} to {b:.3f} s" for a, b in pairwise(times) if b < a - 1e-6][:5]
    faults += [f"{time:.3f} s is not within the sound" for time in times if not -1e-6 <= time <= length_s + 1e-6][:5]
    return faults


def _differences(
    said: Sequence[Burst], heard: Sequence[Word]
) -> tuple[list[Burst], list[Word], list[Word], list[tuple[Burst, Word]], list[Word], float]:
    missing: list[Burst] = []
    doubled: list[Word] = []
    reordered: list[Word] = []
    misheard: list[tuple[Burst, Word]] = []
    invented: list[Word] = []
    worst_s = 0.0
    left, right = [word.text for word in said], [_folded(word.text) for word in heard]
    i = j = 0
    while i < len(left) or j < len(right):
        if i < len(left) and j < len(right) and left[i] == right[j]:
            worst_s = max(worst_s, abs(said[i].end_s - heard[j].end_s))
            i, j = i + 1, j + 1
            continue
        a, b = _next_agreement(left, right, i, j)
        gone, strange = list(said[i : i + a]), []
        for word in heard[j : j + b]:
            text = _folded(word.text)
            same = next((burst for burst in gone if burst.text == text), None)
            if same:
                gone.remove(same)
                reordered.append(word)
            elif text in left[max(0, i - _FAR) : i + a + _FAR]:
                doubled.append(word)
            else:
                strange.append(word)
        n = min(len(gone), len(strange))
        misheard += zip(gone[:n], strange[:n], strict=True)
        missing += gone[n:]
        invented += strange[n:]
        i, j = i + a, j + b
    return missing, doubled, reordered, misheard, invented, worst_s


#: How far to look for the place where two texts agree again, in words.
_FAR = 120
_AGREEING = 3


def _next_agreement(left: Sequence[str], right: Sequence[str], i: int, j: int) -> tuple[int, int]:
    """Return how many words to leave out on each side until the next few are the same, the fewest in all."""
    most_a, most_b = len(left) - i, len(right) - j
    for total in range(1, min(2 * _FAR, most_a + most_b) + 1):
        for a in range(max(0, total - most_b), min(total, most_a) + 1):
            b = total - a
            ahead = left[i + a : i + a + _AGREEING]
            if ahead == right[j + b : j + b + _AGREEING] and (ahead or total == most_a + most_b):
                return a, b
    return most_a, most_b


def _folded(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def _shown(found: Burst | Word | tuple[Burst, Word] | str) -> str:
    match found:
        case str():
            return found
        case (said, heard):
            return f"{_shown(said)} as {heard.text!r}"
        case Burst() | Word():
            return f"{found.text!r} at {found.end_s:.2f} s"
