"""The seam: with which word of a new connection the transcript goes on, and how its text is put there.

Two connections heard the same sound, and the transcript ends with what the old one committed. ``join`` weighs every
way to lay one list of words over the other, by text and clock together, and adds up what speaks for each answer. All
weights are odds: that two words are one, against an unrelated word having come here.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from voxctl.events import Word

# A model without context: words of a connection's first second are never taken, unless it began in a pause.
_UNRELIABLE_S = 1.0
# The doubt with which an answer is given, and with which one that cannot wait is still certain; second: within a run.
_DOUBT, _DOUBT_AT_LAST = (0.005, 0.0005), (0.03, 0.0005)
# The weight of "these lists have nothing in common": without shared words no answer outweighs it.
_UNRELATED = 0.01
# Chances that a word is written alike by both, nearly alike, otherwise; missed or made up by the new one; two to one.
_SAME, _NEARLY, _OTHERWISE, _MISSED, _MADE_UP, _IN_TWO = 0.95, 0.015, 0.05, 0.015, 0.01, 0.005
# Chances of a word missed or made up in the first second; of the next one beginning as the old one's had, or otherwise.
_UNRELIABLE, _BEGUN, _BEGUN_OTHERWISE, _LUCK_BEGUN = 0.25, 0.9, 0.2, (1.0, 0.08, 0.04, 0.03)
# How likely a word of 0, 1, 2 … letters, a longer one, and the neighbour's twin come by chance.
_LUCK, _LUCK_LONG, _LUCK_TWIN = (1.0, 0.03, 0.03, 0.03, 0.01), 0.002, 0.2
# How far two clocks differ on one word (standard deviation), and where a word shares its group's time.
_CLOCK_S = 0.22, 0.3
# The odds that one time brings at best and at worst; beyond the reach words are not compared.
_CLOCK_BEST, _CLOCK_WORST, _REACH_S = 1.2, 0.012, 1.2
# From a word's end to its commit, and until it surely came.
_COMMIT_S, _SETTLED_S = 0.45, 1.5
_SENTENCE_END = re.compile(r"[.!?…。！？][\"'”’»)\]]*\s*$")


@dataclass(frozen=True, slots=True)
class Join:
    """The transcript goes on with the new connection's word number ``skip``, after ``at_s``.

    ``uncertain``: no answer was clearly the best one; a word may be lost or doubled.
    """

    skip: int
    at_s: float
    uncertain: bool = False


@dataclass(frozen=True, slots=True)
class _Token:
    """A word as it is compared; ``luck`` is how likely an unrelated word is written like it."""

    text: str
    at_s: float
    estimated: bool
    luck: float


def join(
    old: Sequence[Word],
    new: Sequence[Word],
    *,
    began_s: float,
    began_in_pause: bool,
    heard_s: float,
    final: bool,
    tail: str = "",
    told_s: float = -math.inf,
) -> Join | None:
    """Return where ``new`` goes on from ``old``, or ``None``: ask again when more was heard.

    ``old`` are the transcript's last words, all since ``began_s``; ``new`` are those of a connection that was given
    the sound from there on and has acknowledged it up to ``heard_s``. ``tail`` is what the old connection had given
    beyond its committed words, and ``told_s`` how far it had listened; they halve the uncertain answers.
    """
    reliable_s = -math.inf if began_in_pause else began_s + _UNRELIABLE_S
    least = sum(word.end_s < reliable_s for word in new)
    before = [token for token in _tokens([word for word in old if word.end_s > began_s - 0.6]) if token.text]
    if not before:
        return Join(least, old[-1].end_s if old else began_s, least > 0)
    tokens = _tokens(new)
    said = [i for i, token in enumerate(tokens) if token.text]
    after = [tokens[i] for i in said]
    weights, unsure = _Overlay(before, after, began_s, reliable_s).weights(heard_s, _fold(tail))
    for i, token in enumerate(after):
        weights[i] *= _goes_on(token, after, _fold(tail), told_s)
    best = max(range(len(weights)), key=weights.__getitem__)
    # Within a run of one word a single one that was missed shifts all the others onto each other.
    run = before[-1].text in (_fold(tail), *(token.text for token in after[best : best + 1]))
    doubt = 1.0 - weights[best] / (sum(weights) + unsure)
    settled = best < len(after) or heard_s >= before[-1].at_s + _SETTLED_S
    if not final and not (settled and doubt <= _DOUBT[run]):
        return None
    skip = said[best - 1] + 1 if best else 0
    while not _fold(old[-1].text) and skip < len(new) and not tokens[skip].text:
        skip += 1  # the transcript ends with a dash: it need not come again
    return Join(max(skip, least), old[-1].end_s, doubt > _DOUBT_AT_LAST[run] or skip < least)


def joined_text(before: str, text: str, *, skipped: str = "", tail: str = "") -> str:
    """Return ``text`` as it is appended to a transcript that ends with ``before`` (the last 2,000 characters will do).

    ``skipped`` is what the new connection said up to ``text``; ``tail`` is that of ``join``. One space is put between:
    none after nothing, none between CJK characters, and beside one, or before a closing mark, only if it had one.
    """
    rest = text.lstrip()
    rest = rest[0].lower() + rest[1:] if _lowered(before, rest, skipped, tail) else rest
    if not rest or not before or before[-1].isspace():
        return rest
    n_cjk = _is_cjk(before[-1]) + _is_cjk(rest[0])
    glued = n_cjk == 2 or (text[0] == rest[0] and (n_cjk or rest[0] in ".,;:!?…)]}»”’"))
    return rest if glued else " " + rest


def _lowered(before: str, rest: str, skipped: str, tail: str) -> bool:
    """Return whether the capital ``rest`` begins with is there only because the new connection began a sentence.

    A name must keep it, so the word has to be known: from the tail, or in lower case from elsewhere.
    """
    word = re.split(r"[^\w'’]", rest, maxsplit=1)[0]
    if not word[:1].isupper() or not word[1:].islower() or not before.strip() or _SENTENCE_END.search(before):
        return False  # as it should be; or "I", or an acronym
    if _fold(tail) and _fold(word).startswith(_fold(tail)):
        return tail.lstrip()[0].islower()
    if skipped.strip() and not _SENTENCE_END.search(skipped):
        return False  # the new connection wrote a capital within a sentence
    return re.search(rf"(?<!\w){re.escape(word.lower())}(?!\w)", f"{before} {skipped}") is not None


def _is_cjk(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF" and "HANGUL" not in unicodedata.name(character, "")


def _fold(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


def _tokens(words: Sequence[Word]) -> list[_Token]:
    texts = [_fold(word.text) for word in words]
    counts = Counter(texts)
    tokens = []
    late_s = 0.0
    for i, (word, text) in enumerate(zip(words, texts, strict=True)):
        luck = _LUCK[len(text)] if len(text) < len(_LUCK) else _LUCK_LONG
        twin = text in texts[max(0, i - 1) : i] + texts[i + 1 : i + 2]
        luck = min(1.0, max(luck + 0.5 * (counts[text] - 1) / len(words), _LUCK_TWIN * twin))
        late_s = late_s if word.estimated else 0.0
        tokens.append(_Token(text, word.end_s + late_s, word.estimated, luck))
        late_s += 0.08 * (1 + len(text) // 5)  # the words of a group share the time of its first
    return tokens


@dataclass(frozen=True, slots=True)
class _Overlay:
    """All ways to lay ``new`` over ``old``. Row ``i``, place ``j``: those of the first ``i`` and ``j`` words."""

    old: Sequence[_Token]
    new: Sequence[_Token]
    began_s: float
    reliable_s: float

    def weights(self, heard_s: float, tail: str) -> tuple[list[float], float]:
        """Return the weight of each number of new words that lie within the old ones, and of none being right."""
        unsure = _UNRELATED
        rows = [[0.0] * (len(self.new) + 1)] * 2
        for i, token in enumerate(self.old):
            row = self._row(i, rows)
            unsure += row[-1] * _positive(token.at_s + _COMMIT_S - heard_s, 0.2)  # the rest is yet to come
            scale = 1.0 / (max(*row, *rows[1]) or 1.0)
            rows = [[weight * scale for weight in kept] for kept in (rows[1], row)]
            unsure *= scale
        for weight, token in zip(rows[1], self.new, strict=False):
            unsure += weight * _straddling(self.old[-1], tail, token)
        return self._row(len(self.old), rows), unsure

    def _row(self, i: int, above: Sequence[Sequence[float]]) -> list[float]:
        old, new, last = self.old, self.new, i == len(self.old)
        row = [0.0] * (len(new) + 1)
        row[0] = _positive(self.began_s + 0.2 - old[i - 1].at_s, 0.2) if i else 1.0
        row[0] *= 1.0 if last else _positive(old[i].at_s - self.began_s, 0.2)
        for j in range(len(new) + 1):
            here_s = old[i - 1].at_s if i else self.began_s
            if (j < len(new) and new[j].at_s < here_s - _REACH_S) or (j and i and new[j - 1].at_s > here_s + _REACH_S):
                continue
            if i:
                missed = above[1][j] * (_UNRELIABLE if here_s < self.reliable_s else _MISSED)
                if last and j < len(new):  # so its next word comes later, by that word's length
                    missed *= _positive(new[j].at_s - here_s - 0.04 - 0.02 * len(new[j].text), 0.25)
                row[j] += missed
            if j and not last:
                row[j] += row[j - 1] * (_UNRELIABLE if new[j - 1].at_s < self.reliable_s else _MADE_UP)
            if i and j:
                row[j] += above[1][j - 1] * _same(old[i - 1], new[j - 1])
            if i and j > 1:
                row[j] += above[1][j - 2] * _in_two(new[j - 2], new[j - 1], old[i - 1]) / new[j - 1].luck
            if i > 1 and j:
                row[j] += above[0][j - 1] * _in_two(old[i - 2], old[i - 1], new[j - 1])
        return row


def _positive(difference_s: float, deviation_s: float) -> float:
    return 0.5 * math.erfc(-difference_s / (deviation_s * math.sqrt(2)))


def _clock(one: _Token, other: _Token) -> float:
    deviation_s = _CLOCK_S[one.estimated or other.estimated]
    apart = (one.at_s - other.at_s) / deviation_s
    return _CLOCK_BEST * _CLOCK_S[False] / deviation_s * math.exp(-apart * apart / 2) + _CLOCK_WORST


def _in_common(one: str, other: str) -> int:
    """Return how many letters two words share, at their beginnings and at their ends."""
    most = min(len(one), len(other))
    n_first = next((i for i in range(most) if one[i] != other[i]), most)
    return n_first + next((i for i in range(most - n_first) if one[-1 - i] != other[-1 - i]), most - n_first)


def _same(old: _Token, new: _Token) -> float:
    if old.text == new.text:
        return _SAME / new.luck * _clock(old, new)
    nearly = _in_common(old.text, new.text) >= max(2, 0.6 * max(len(old.text), len(new.text)))
    return (_NEARLY / new.luck if nearly else _OTHERWISE) * _clock(old, new)


def _in_two(first: _Token, second: _Token, whole: _Token) -> float:
    """Return the odds of two words being ``whole``, as "all right" is "alright"."""
    text = first.text + second.text
    longest = max(len(text), len(whole.text))
    fits = _in_common(text, whole.text) >= longest - (longest > 3)
    return fits * _IN_TWO / whole.luck * _clock(second, whole)


def _straddling(last: _Token, tail: str, whole: _Token) -> float:
    """Return the odds of ``whole`` being the old connection's ``last`` word and the next in one: no cut is right."""
    least = len(last.text + tail) - 1  # a letter may have gone where the two met
    fits = any(_in_common(last.text + tail, whole.text[:n]) >= least for n in (least, least + 1))
    longer = len(whole.text) > len(last.text) + (0 if tail else 1)
    return (1.0 if tail else 0.1) * _IN_TWO / whole.luck * _clock(last, whole) * (fits and longer)


def _goes_on(token: _Token, new: Sequence[_Token], tail: str, told_s: float) -> float:
    """Return the odds of ``token`` being the first word that the old connection did not commit."""
    odds = _positive(token.at_s - told_s + (0.3 if tail else 0.1), 0.25) + _MISSED
    if not tail or not token.text.startswith(tail):
        return odds * (_BEGUN_OTHERWISE if tail else 1.0)
    n_more = sum(other.text.startswith(tail) for other in new) - 1
    return odds * _BEGUN / min(1.0, _LUCK_BEGUN[min(len(tail), 3)] + 0.5 * n_more / len(new))
