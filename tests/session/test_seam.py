"""Where two connections that heard the same sound are joined: nothing lost, nothing doubled, and doubt is said."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.speech import TICK_S, Ear, Heard, commits, hear, lost_and_doubled, moments, silences, speak, tail
from voxctl.events import Word
from voxctl.session.seam import Join, join, joined_text


def words(text: str, start_s: float = 0.0, *, every_s: float = 0.4) -> list[Word]:
    """Return the words of ``text``, one each ``every_s``; ``_`` is a pause of one word's length."""
    times = [(word, start_s + i * every_s) for i, word in enumerate(text.split())]
    return [Word(word, at_s, at_s + every_s) for word, at_s in times if word != "_"]


def joined(
    old: list[Word],
    new: list[Word],
    *,
    began_s: float = 0.0,
    began_in_pause: bool = True,
    heard_s: float = 60.0,
    final: bool = True,
    tail: str = "",
) -> Join:
    found = join(old, new, began_s=began_s, began_in_pause=began_in_pause, heard_s=heard_s, final=final, tail=tail)
    assert found
    return found


# Old and new words with their times, how many are skipped, whether that is certain.
CASES = {
    "the same words": ("we went over the", 0.0, "we went over the bridge home", 0.0, 4, True),
    "case and punctuation": ("We went, over the", 0.0, "we went over. The bridge home", 0.0, 4, True),
    "clocks 240 ms apart": ("we went over the", 0.0, "we went over the bridge home", 0.24, 4, True),
    "clocks 240 ms apart, the other way": ("we went over the", 0.24, "we went over the bridge home", 0.0, 4, True),
    "a wrong word in the middle": ("we went over the", 0.0, "we want over the bridge home", 0.0, 4, True),
    "a word missed in the middle": ("we went over the old", 0.0, "we went _ the old bridge home", 0.0, 4, True),
    "a word made up in the middle": ("we _ went over the", 0.0, "we have went over the bridge", 0.0, 5, True),
    "a word in two": ("we were all right with", 0.0, "we were _ alright with the bridge", 0.0, 4, True),
    "two words in one": ("we were _ alright with", 0.0, "we were all right with the bridge", 0.0, 5, True),
    "within no no no": ("she said no no", 0.0, "she said no no no thanks", 0.0, 4, False),
    "after no no no": ("she said no no no thanks", 0.0, "she said no no no thanks dear", 0.0, 6, True),
    "a phrase that comes again": ("to be or not to", 0.0, "to be or not to be or so", 0.0, 5, True),
    "one long word": ("transcription", 0.0, "transcription goes on", 0.0, 1, True),
    "one short word is no proof": ("a", 0.0, "the bridge home", 0.0, 0, False),
    "nothing in common": ("we went over the bridge", 0.0, "tom saw his new car today and left", 0.0, 5, False),
    "the last word is another, at its time": ("we went over them", 0.0, "we went over it bridge home", 0.0, 4, False),
    "Chinese": ("我 们 过 桥 回", 0.0, "我 们 过 桥 回 家 了", 0.0, 5, True),
    "a dash at the end": ("we went over –", 0.0, "we went over – – the bridge", 0.0, 5, True),
    "a dash that did not come again": ("we went over –", 0.0, "we went over _ the bridge", 0.0, 3, True),
    "a dash not in the transcript": ("we went over", 0.0, "we went over – the bridge", 0.0, 3, True),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_transcript_goes_on_after_the_words_it_has(case: tuple[str, float, str, float, int, bool]) -> None:
    old, old_s, new, new_s, skip, certain = case
    found = joined(words(old, old_s), words(new, new_s))
    assert (found.skip, not found.uncertain) == (skip, certain)


def test_the_seam_lies_at_the_end_of_the_transcript() -> None:
    assert joined(words("we went over"), words("we went over the bridge")).at_s == pytest.approx(1.2)


def test_words_that_were_heard_and_not_committed_are_taken() -> None:
    new = words("we went over the bridge home")
    assert joined(new[:3], new).skip == 3


def test_nothing_is_decided_before_the_end_of_the_transcript_was_heard_again() -> None:
    old, new = words("we went over the bridge home"), words("we went over the bridge home at last")
    for n_words, expected in ((0, None), (3, None), (5, None), (7, 6)):
        found = join(old, new[:n_words], began_s=0.0, began_in_pause=True, heard_s=n_words * 0.4 + 0.1, final=False)
        assert (found and found.skip) == expected, n_words


def test_silence_after_the_last_word_decides_too() -> None:
    old = words("we went over the bridge home")
    early = join(old, old, began_s=0.0, began_in_pause=True, heard_s=3.0, final=False)
    late = join(old, old, began_s=0.0, began_in_pause=True, heard_s=4.0, final=False)
    assert early is None and late == Join(6, old[-1].end_s)


def test_a_deadline_gets_an_answer_from_the_clocks_and_it_is_uncertain() -> None:
    old, new = words("we went over the bridge"), words("tom saw his new car today and left")
    assert join(old, new, began_s=0.0, began_in_pause=True, heard_s=60.0, final=False) is None
    assert joined(old, new) == Join(5, old[-1].end_s, uncertain=True)
    assert joined(old, []) == Join(0, old[-1].end_s, uncertain=True)
    assert joined(old, words("we went"), heard_s=0.9) == Join(2, old[-1].end_s, uncertain=True)


def test_words_of_the_first_second_are_never_taken() -> None:
    new = words("lorem ipsum dolor sit amet", 10.1)
    assert joined([], new, began_s=10.0, began_in_pause=False) == Join(2, 10.0, uncertain=True)
    assert joined([], new, began_s=10.0, began_in_pause=True) == Join(0, 10.0)
    assert joined(words("over", 9.7), new, began_s=10.0, began_in_pause=False).skip >= 2


def test_a_poor_first_second_does_no_harm() -> None:
    old = words("then we all went over the old bridge")
    new = words("Wheel van over the old bridge home again", 0.8)
    assert joined(old, new, began_s=0.9, began_in_pause=False) == Join(6, old[-1].end_s)


def test_what_the_old_connection_had_begun_says_which_word_is_next() -> None:
    old, new = words("we went over them"), words("we went over it bridge home")
    doubtful, sure = joined(old, new), joined(old, new, tail="brid")
    assert (doubtful.skip, doubtful.uncertain) == (4, True)
    assert (sure.skip, sure.uncertain) == (4, False)
    assert joined(old, new, tail="it").skip == 3


def test_silence_that_the_old_connection_heard_tells_a_wrong_word_from_the_next_one() -> None:
    old = words("we went so")
    new = [*words("we went"), Word("to", 1.2, 1.44), *words("the bridge", 3.0)]
    found = [
        join(old, new, began_s=0.0, began_in_pause=True, heard_s=9.0, final=True, told_s=told_s)
        for told_s in (1.28, 3.0)
    ]
    assert found == [Join(3, old[-1].end_s, uncertain=True), Join(3, old[-1].end_s)]


def test_a_word_that_holds_the_last_and_the_next_one_is_uncertain() -> None:
    old, new = words("we may all under"), words("we may all undergo it now")
    assert joined(old, new, tail="go").uncertain
    assert joined(old, new, tail="it") == Join(4, old[-1].end_s)


WORD = st.sampled_from(["no", "the", "a", "I", "bridge", "alright", "all", "right", "transcription", ",", "–", "好"])
SPEECH = st.lists(st.tuples(WORD, st.integers(0, 8), st.booleans()), max_size=12)


def placed(speech: list[tuple[str, int, bool]]) -> list[Word]:
    made, at_s = [], 0.0
    for text, ticks, estimated in speech:
        made.append(Word(text, at_s, at_s + ticks * TICK_S, estimated))
        at_s += ticks * TICK_S
    return made


@given(
    SPEECH, SPEECH, st.floats(-1, 9), st.booleans(), st.floats(0, 20), st.booleans(), st.sampled_from(["", "no", "–"])
)
def test_an_answer_is_always_one_of_the_new_words_or_their_end(
    old: list[tuple[str, int, bool]],
    new: list[tuple[str, int, bool]],
    began_s: float,
    in_pause: bool,
    heard_s: float,
    final: bool,
    begun: str,
) -> None:
    said = placed(new)
    found = join(placed(old), said, began_s=began_s, began_in_pause=in_pause, heard_s=heard_s, final=final, tail=begun)
    assert found or not final
    if found:
        assert 0 <= found.skip <= len(said)
        assert in_pause or all(word.end_s >= began_s + 1.0 for word in said[found.skip :])


# --- the simulation


@dataclass(frozen=True)
class Meeting:
    """Two connections that hear the same speaker; the new one was given the sound from ``began_s`` on."""

    old: list[Heard]
    new: list[Heard]
    lost_s: float
    began_s: float
    in_pause: bool

    def ask(self, told_s: float, heard_s: float, final: bool) -> Join | None:
        return join(
            [word.word for word in commits(self.old, told_s)],
            [word.word for word in commits(self.new, heard_s)],
            began_s=self.began_s,
            began_in_pause=self.in_pause,
            heard_s=heard_s,
            final=final,
            tail=tail(self.old, told_s),
            told_s=told_s,
        )


def meeting(seed: int, length_s: float, pause_rate: float, ear: Ear) -> Meeting:
    """Return a meeting whose old connection is lost, or to be replaced, between 6.4 and 11 s."""
    rng = random.Random(seed)
    said = speak(rng, length_s, pause_rate)
    pauses = silences(rng, said)
    old = hear(rng, said, 0.0, ear)
    lost_s = rng.randint(80, 137) * TICK_S
    last_s = commits(old, lost_s)[-1].word.end_s
    middles = [(start_s + end_s) / 2 for start_s, end_s in pauses]
    near = [middle_s for middle_s in middles if last_s - 2.0 <= middle_s <= last_s]
    began_s = near[-1] if near else max(0.0, last_s - 2.0)
    return Meeting(old, hear(rng, said, began_s, ear), lost_s, began_s, bool(near) or began_s == 0.0)


def resumed(found: Meeting) -> Iterator[tuple[float, float, bool]]:
    """Yield when to ask after a lost connection: how far old and new have heard, and whether it is the last time."""
    last_s = commits(found.old, found.lost_s)[-1].word.end_s
    for heard_s in moments(found.new, max(found.began_s, last_s - 0.3), last_s + 3.0):
        yield found.lost_s, heard_s, heard_s >= last_s + 2.99


def rotated(found: Meeting) -> Iterator[tuple[float, float, bool]]:
    """Yield when to ask while the old connection lives on and the new one catches up at four times the speed."""
    for n_asked in range(1, 51):
        told_s = found.lost_s + n_asked * 0.24
        yield told_s, min(found.began_s + 4 * (told_s - found.lost_s), told_s), n_asked == 50


def tally(kind: str, seeds: range, pause_rate: float, ear: Ear) -> tuple[Counter[str], list[float]]:
    """Join ``len(seeds)`` times; return what came of it, and the delays."""
    counts: Counter[str] = Counter()
    delays: list[float] = []
    for seed in seeds:
        both = meeting(seed, 18.0 if kind == "resume" else 28.0, pause_rate, ear)
        for told_s, heard_s, final in (resumed if kind == "resume" else rotated)(both):
            if found := both.ask(told_s, heard_s, final):
                break
        assert found
        wrong = any(lost_and_doubled(both.old, told_s, commits(both.new, heard_s + 5.0), found.skip))
        counts.update(wrong=wrong, uncertain=found.uncertain, wrong_and_certain=wrong and not found.uncertain)
        last_s = commits(both.old, both.lost_s)[-1].word.end_s
        delays.append(heard_s - last_s if kind == "resume" else told_s - both.lost_s)
    return counts, sorted(delays)


@pytest.mark.real
@pytest.mark.parametrize("pause_rate", [0.07, 0.0], ids=["pauses", "no pause"])
@pytest.mark.parametrize("jitter_ticks", [1, 3])
def test_a_resumed_connection_seldom_loses_or_doubles_a_word_and_says_so(pause_rate: float, jitter_ticks: int) -> None:
    counts, delays = tally("resume", range(250), pause_rate, Ear(jitter_ticks))
    assert counts["wrong"] <= 7 and counts["wrong_and_certain"] <= 1, counts
    assert counts["uncertain"] <= 22, counts
    assert delays[125] <= 1.2


@pytest.mark.real
@pytest.mark.parametrize("pause_rate", [0.07, 0.0], ids=["pauses", "no pause"])
def test_a_rotation_waits_until_it_is_certain(pause_rate: float) -> None:
    counts, delays = tally("rotate", range(150), pause_rate, Ear(3))
    assert counts["wrong"] <= 1 and counts["uncertain"] <= 2, counts
    assert delays[75] <= 3.0


@pytest.mark.real
def test_recognisers_that_agree_on_every_word_are_joined_without_a_flaw() -> None:
    perfect = Ear(3, misheard=0.0, missed=0.0, made_up=0.0, merged=0.0, split=0.0)
    counts, _ = tally("resume", range(400), 0.0, perfect)
    assert counts["wrong"] == 0 and counts["uncertain"] <= 12, counts


@pytest.mark.real
def test_more_words_do_not_change_a_certain_answer() -> None:
    changed = 0
    for seed in range(200):
        both = meeting(seed, 18.0, 0.07, Ear(3))
        answers = [both.ask(told_s, heard_s, False) for told_s, heard_s, _ in resumed(both)]
        changed += len({found.skip for found in answers if found}) > 1
    assert changed <= 1


# --- the text


TEXTS = {
    "exactly one space": ("we went", "  over it", "we went over it"),
    "a space where there was none": ("we went", "over", "we went over"),
    "white space that is there": ("we went ", " over", "we went over"),
    "an empty transcript": ("", " We went", "We went"),
    "nothing new": ("we went", "  ", "we went"),
    "a closing mark": ("we went", ", over", "we went, over"),
    "a dash stands alone": ("we went", " – over", "we went – over"),
    "between CJK characters": ("我们", " 过桥", "我们过桥"),
    "a CJK word after another": ("we say", "桥", "we say桥"),
    "a CJK word that had a space": ("we say", " 桥", "we say 桥"),
    "a word after a CJK one": ("过桥。", "home", "过桥。home"),
    "Korean has spaces": ("안녕", "하세요", "안녕 하세요"),
}


@pytest.mark.parametrize("case", TEXTS.values(), ids=TEXTS.keys())
def test_the_join_has_the_white_space_it_needs(case: tuple[str, str, str]) -> None:
    before, text, whole = case
    assert before + joined_text(before, text) == whole


# What the transcript ends with, what the new side skipped and goes on with, the old tail, what is appended.
CAPITALS = {
    "known from the transcript": ("she and I went", "", " And over", "", " and over"),
    "known from what was skipped": ("she went", "but and went.", " And over", "", " and over"),
    "known from the tail": ("she went", "", " Over it", "ov", " over it"),
    "the tail has a capital": ("she met and saw", "", " And it", "An", " And it"),
    "after the end of a sentence": ("she and I went.", "", " And over", "", " And over"),
    "after a quoted sentence": ("and he said “go.”", "", " And over", "", " And over"),
    "a name, perhaps": ("she met", "", " Peter there", "", " Peter there"),
    "only part of a word is known": ("she handed it", "", " And over", "", " And over"),
    "only the end of a word is known": ("she saw the band", "", " And over", "", " And over"),
    "I": ("i and she", "", " I went", "", " I went"),
    "I'm": ("she said i'm", "", " I'm here", "", " i'm here"),
    "an acronym": ("it and the", "", " IT works", "", " IT works"),
    "a capital within a sentence is meant": ("in may or", "in may or", " May it", "", " May it"),
    "lower case stays": ("she went.", "", " and over", "", " and over"),
}


@pytest.mark.parametrize("case", CAPITALS.values(), ids=CAPITALS.keys())
def test_a_capital_within_a_sentence_is_lowered_when_the_word_is_known(case: tuple[str, str, str, str, str]) -> None:
    before, skipped, text, begun, expected = case
    assert joined_text(before, text, skipped=skipped, tail=begun) == expected


@given(st.text(max_size=12), st.text(max_size=12))
def test_only_white_space_and_one_capital_ever_change(before: str, text: str) -> None:
    put = joined_text(before, text)
    assert put.strip().casefold() == text.strip().casefold()
    assert put == put.lstrip() or put == " " + put.lstrip()
