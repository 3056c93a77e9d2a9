"""``python -m benchmarks.redact``: how well numbers are masked, how long words wait for it, and what a word costs."""

from __future__ import annotations

import random
import time

from benchmarks.measure import Figure, show
from tests.redact.corpus import Corpus
from tests.redact.delays import Delays, p95
from tests.redact.hearing import CHECKED, deltas_of, finders_of, seen, spoken
from tests.redact.judging import judged

_UTTERANCES = 4000
_TIMED = 800


def masking() -> list[Figure]:
    """Judge generated utterances with exact labels, and time others."""
    return [*_found(), *_late(), _cost()]


def _found() -> list[Figure]:
    counts, _ = judged(Corpus(2027).utterances(_UTTERANCES), finders_of())
    recall, precision = counts["found"] / counts["secrets"], counts["right"] / counts["masks"]
    beside = f"{counts['secrets']} numbers in {_UTTERANCES} generated utterances"
    return [
        Figure("numbers that are masked whole (recall)", f"{recall:.2%}", ">= 99 %", beside),
        Figure("masks that are right (precision)", f"{precision:.2%}", ">= 98 %", f"{counts['masks']} masks"),
    ]


def _late() -> list[Figure]:
    figures = []
    for name, kinds in (("every kind", CHECKED), ("every kind but email", CHECKED - {"email"})):
        delays, chance, finders = Delays(), random.Random(11), finders_of(*kinds)
        for utterance in Corpus(11).utterances(_TIMED):
            delays.measure(spoken(" " + utterance.text, chance, pauses=True), finders)
        held = sorted(delays.held)
        n_words = delays.free + len(held)
        beside = f"p50 {held[len(held) // 2]:.2f}, worst {held[-1]:.2f}; {len(held) / n_words:.0%} of words wait at all"
        figures += [
            Figure(f"words that waited and are no number, p95, {name}", f"{p95(held):.2f} s", "<= 1.0 s", beside),
            Figure(
                f"last word of a number to its mask, p95, {name}",
                f"{p95(delays.masks):.2f} s",
                "<= 1.0 s",
                f"worst {max(delays.masks):.2f}; each of its words, the first too: p95 {p95(delays.hidden):.2f} s",
            ),
        ]
    return figures


def _cost() -> Figure:
    finders = finders_of()
    texts = [" " + utterance.text for utterance in Corpus(12).utterances(_TIMED)]
    sessions = [list(deltas_of(spoken(text, random.Random(n)))) for n, text in enumerate(texts)]
    n_words = sum(len(text.split()) for text in texts)
    for events in sessions[:50]:  # the libraries read their tables at the first number
        list(seen(events, finders))
    began_s = time.process_time()
    for events in sessions:
        list(seen(events, finders))
    cost_ms = 1000 * (time.process_time() - began_s) / n_words
    return Figure("CPU for a word, tails and progress counted in", f"{cost_ms:.3f} ms", "<= 0.2 ms")


if __name__ == "__main__":
    show(masking())
