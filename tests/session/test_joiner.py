"""The joiner puts the words of one connection to those of another, whatever either has heard of the sound."""

from __future__ import annotations

import pytest

from tests.fakes.tones import WORDS
from voxctl.events import Seam, Word, Words
from voxctl.session.joiner import Joiner, Newcomer


def spoken(start: int, end: int) -> list[Word]:
    """Return words ``start`` to ``end`` of a speech of one word each 0.4 s, no two alike."""
    return [Word(WORDS[i], 0.4 * i, 0.4 * i + 0.3) for i in range(start, end)]


def said(words: list[Word]) -> Words:
    return Words("".join(f" {word.text}" for word in words), tuple(words))


@pytest.mark.parametrize("n_heard_again", [5, 58, 62, 150, 240])
def test_a_newcomer_may_have_heard_more_again_than_is_remembered(n_heard_again: int) -> None:
    joiner = Joiner()
    for i in range(240):
        joiner.append(said(spoken(i, i + 1)))
    newcomer = Newcomer(0.4 * (240 - n_heard_again) - 0.05, in_pause=True)
    newcomer.hold(said(spoken(240 - n_heard_again, 244)))
    found = joiner.join(newcomer, heard_s=98.0, tail="", told_s=96.0, final=True)
    assert found is not None
    seam, *rest = found
    assert isinstance(seam, Seam) and not seam.uncertain
    assert [w.text for words in rest if isinstance(words, Words) for w in words.words] == list(WORDS[240:244])
