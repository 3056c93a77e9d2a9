"""What is masked and what is not, on utterances with exact labels, and the same for every way in which they come."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.redact.corpus import Corpus
from tests.redact.hearing import cut, deltas_of, finders_of, masked, seen, spoken, text_of, words_of
from tests.redact.judging import judged
from voxctl.events import Tail, Words
from voxctl.redact.finding import Finder

FINDERS = finders_of()
#: A text with every kind, look-alikes and the ways of speaking in it.
EVERYTHING = (
    "Okay, my card is 4111-1111 1111, 1 double one one, expires 12/25, and the old one five five five five, uh, "
    "fifty five fifty five, five, five five five four four four four. Call (415) 555-2671 or plus four four twenty "
    "seven nine four six oh nine five eight; order number 4155552671. Write ann.lee+x@example.org or john dot smith at "
    "gmail dot com. Social security five three six, twenty two, eight seven two six. IBAN DE89 3704 0044 0532 0130 00 "
    "from 192.168.1.1 or one ninety two dot one sixty eight dot one dot one, in 1995, for $1,200."
)


def test_checked_numbers_are_masked_and_look_alikes_are_not() -> None:
    counts, wrong = judged(Corpus(1).utterances(300), FINDERS)
    assert counts["secrets"] > 200 and counts["found"] >= 0.99 * counts["secrets"], wrong
    assert counts["right"] >= 0.98 * counts["masks"], wrong


@pytest.mark.real
def test_recall_and_precision_on_thousands_of_utterances() -> None:
    counts, wrong = judged(Corpus(2).utterances(4000), FINDERS)
    print(counts, wrong)
    assert counts["found"] >= 0.99 * counts["secrets"] and counts["right"] >= 0.98 * counts["masks"], wrong


def test_the_corpus_is_the_same_for_the_same_seed_and_has_everything_in_it() -> None:
    assert list(Corpus(3).utterances(20)) == list(Corpus(3).utterances(20)) != list(Corpus(4).utterances(20))
    labels = Counter(label for u in Corpus(3).utterances(2000) for _, _, label in u.labels())
    assert len(labels) == 6 and min(labels.values()) > 100


def split_anywhere(text: str, finders: list[Finder], borders: Iterable[int]) -> str:
    places = [0, *sorted({place for place in borders if 0 < place < len(text)}), len(text)]
    return text_of(seen(words_of(text, [text[a:b] for a, b in pairwise(places)]), finders))


@settings(max_examples=40)
@given(st.lists(st.integers(1, len(EVERYTHING) - 1), max_size=80))
def test_the_same_is_masked_however_the_text_is_split(borders: list[int]) -> None:
    assert split_anywhere(EVERYTHING, FINDERS, borders) == masked(EVERYTHING, FINDERS)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_the_same_is_masked_however_a_model_gives_it(seed: int, chance: random.Random) -> None:
    (utterance,) = Corpus(seed).utterances(1)
    text = " " + utterance.text
    assert text_of(seen(deltas_of(spoken(text, chance)), FINDERS)) == masked(text, FINDERS)


def test_the_same_is_masked_for_every_single_border() -> None:
    for utterance in Corpus(5).utterances(6):
        text = utterance.text
        whole = masked(text, FINDERS)
        for border in range(1, len(text)):
            assert split_anywhere(text, FINDERS, [border]) == whole, (text, border)


@pytest.mark.real
def test_the_same_is_masked_for_a_thousand_splits_of_each_text() -> None:
    chance = random.Random(6)
    for text in [EVERYTHING, *(utterance.text for utterance in Corpus(6).utterances(20))]:
        whole = masked(text, FINDERS)
        for _ in range(1000):
            parts = cut(text, chance.randint(2, len(text) // 2), chance)
            assert text_of(seen(words_of(text, parts), FINDERS)) == whole, parts


def test_everything_in_one_text() -> None:
    text = masked(EVERYTHING, FINDERS)
    assert text == (
        "Okay, my card is [CARD], expires 12/25, and the old one [CARD]. Call [PHONE] or [PHONE]; order number "
        "4155552671. Write [EMAIL] or [EMAIL]. Social security [SSN]. IBAN [IBAN] from [IP] or [IP], in 1995, for "
        "$1,200."
    )


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_no_tail_shows_what_is_masked_later(seed: int, chance: random.Random) -> None:
    """What was ever on the screen: committed text and the tail behind it, together always a beginning of the end."""
    utterance = next(u for u in Corpus(seed).utterances(2) if list(u.labels()))
    committed, final = "", masked(" " + utterance.text, FINDERS)
    for event in seen(deltas_of(spoken(" " + utterance.text, chance)), FINDERS):
        if isinstance(event, Words):
            committed += event.text
        elif isinstance(event, Tail):
            assert final.startswith(committed + event.text.removesuffix(" …")), event
    assert committed == final
