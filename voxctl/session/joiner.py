"""The end of a session's transcript, and how the words of another connection are put to it. Pure.

What was given never changes, so the only question at a seam is with which of its words a new connection goes on.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

from voxctl.events import Seam, Word, Words
from voxctl.session.seam import join, joined_text

#: What is remembered of the transcript: more than a new connection ever hears again.
_WORDS, _CHARACTERS = 60, 2_000
#: A seam that is not clear yet is looked at again when so much more was heard, as a part of what was heard so far: to
#: weigh two long overlaps takes milliseconds, and another word does not decide what 20 s did not.
_LOOK_AGAIN = 0.1


@dataclass(slots=True)
class Newcomer:
    """What a new connection has said so far, until it is known where the transcript goes on.

    It heard the sound from ``began_s`` on; ``in_pause``: nobody spoke there.
    """

    began_s: float
    in_pause: bool
    words: list[Word] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    look_again_s: float = 0.0

    def hold(self, said: Words) -> None:
        """Keep what was said for later."""
        for text, word in said.parts():
            self.words.append(word)
            self.texts.append(text)


@dataclass(frozen=True, slots=True)
class _Seam:
    """What is known where the transcript goes on: what the new connection said before, and the old one after."""

    skipped: str
    tail: str


class Joiner:
    """Takes the words of one connection after another and gives those of the session."""

    def __init__(self) -> None:
        self.n_words = 0
        self.end_s = 0.0
        self._old: deque[Word] = deque(maxlen=_WORDS)
        self._ending = ""
        self._seam: _Seam | None = None

    def append(self, said: Words) -> Words | None:
        """Take what the connection said to whom the transcript belongs; return what the session gives, if anything."""
        text, words = said.text, said.words
        if self._seam:
            if not said.words:
                return None
            text = joined_text(self._ending, text, skipped=self._seam.skipped, tail=self._seam.tail)
            self._seam = None
            words = (replace(words[0], text=text.lstrip()[: len(words[0].text)]), *words[1:])  # perhaps in lower case
        words = tuple(self._in_order(word) for word in words)
        self.n_words += len(words)
        self._old.extend(words)
        self._ending = (self._ending + text)[-_CHARACTERS:]
        return Words(text, words)

    def join(
        self, newcomer: Newcomer, *, heard_s: float, tail: str, told_s: float, final: bool
    ) -> list[Seam | Words] | None:
        """Decide where the transcript goes on with the newcomer's words; ``None``: more of them are needed.

        ``heard_s`` is up to where those are complete. The connection before it had heard as far as ``told_s`` and given
        ``tail`` beyond its words. ``final``: it has to be decided now. From then on the newcomer's words are to be
        appended. Returns the seam, unless nothing was said before it, and what the newcomer adds.
        """
        if heard_s < newcomer.look_again_s and not final:
            return None
        newcomer.look_again_s = heard_s + _LOOK_AGAIN * max(0.0, heard_s - newcomer.began_s)
        old, began_s, n_before = list(self._old), newcomer.began_s, 0
        if len(old) == _WORDS and old[0].end_s > began_s:  # it has heard again more than is remembered
            began_s = old[0].end_s
            n_before = sum(word.end_s < began_s for word in newcomer.words)
        found = join(
            old,
            newcomer.words[n_before:],
            began_s=began_s,
            began_in_pause=newcomer.in_pause,
            heard_s=heard_s,
            final=final,
            tail=tail,
            told_s=told_s,
        )
        if found is None:
            return None
        skip = n_before + found.skip
        given: list[Seam | Words] = [Seam(max(found.at_s, 0.0), found.uncertain)] if self.n_words else []
        if self.n_words:
            self._seam = _Seam("".join(newcomer.texts[:skip]), tail)
        rest = Words("".join(newcomer.texts[skip:]), tuple(newcomer.words[skip:]))
        if rest.words and (said := self.append(rest)):
            given.append(said)
        return given

    def _in_order(self, word: Word) -> Word:
        """Return ``word`` not before the end of the last: the clocks of two connections differ a little."""
        start_s, end_s = max(word.start_s, self.end_s), max(word.end_s, self.end_s)
        self.end_s = end_s
        if (start_s, end_s) == (word.start_s, word.end_s):
            return word
        return Word(word.text, start_s, end_s, word.estimated)
