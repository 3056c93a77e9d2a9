"""The stage between a session's events and everything that shows, keeps or sends them on.

Words are kept back while they may be part of something that is to be masked, and are given out masked or as they were.
What is masked depends on the text and the words' times alone, not on how it came. Three times bound the waiting, by the
words' own clock and the sound that the server has heard:

* ``PAUSE_S`` after the last word nothing that could still be an ordinary word waits for another one;
* ``HOLD_S`` after it was said a word waits no longer: digits that are not over are masked as they are, unchecked;
* at a gap, an interruption or a failure the same, at the end of the sound everything is judged.

What was given out for time is remembered: digits that follow are judged together with it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from voxctl.events import Done, Event, Gap, Progress, Tail, Words
from voxctl.redact.finding import MAYBE, Finder, Match, Passage
from voxctl.redact.kinds import UNFINISHED
from voxctl.redact.masking import Shown
from voxctl.redact.token import Piece, Token, goes_on, pieces_of

PAUSE_S = 0.7
HOLD_S = 8.0
#: Words that are remembered for what they say of a number after them, and the most that wait together.
_REMEMBERED = 40
_MOST_WAITING = 64
_MOST_CHARACTERS = 320
#: What is shown for words that wait.
WAITING = " …"


class Redaction:
    """One session's stage: ``take`` every event in order, ``finish`` when the session ends without ``Done``."""

    def __init__(self, finders: Sequence[Finder]) -> None:
        self._finders = finders
        self._tokens: list[Token] = []
        self._before: deque[Token] = deque(maxlen=_REMEMBERED)
        self._space = ""
        self._tail = ""
        self._now_s = 0.0
        self._heard_s = 0.0

    @property
    def waiting(self) -> bool:
        """Whether words are kept back."""
        return any(not token.shown for token in self._tokens)

    def take(self, event: Event) -> list[Event]:
        """Return what may be seen now: the event itself, others in its place, or nothing yet."""
        match event:
            case Words():
                self._hear(event)
                return self._given(self._settled())  # the tail that goes with them comes next
            case Tail(text):
                self._tail = text
                if text.strip():
                    self._heard_s = self._now_s
                shown = self._settled()
                return [*self._given(shown), self._tail_of(shown)]
            case Progress(acked_s):
                self._now_s = max(self._now_s, acked_s)
                given = self._given(self._overdue())
                return [*given, Tail(WAITING if self.waiting else ""), event] if given else [event]
            case Gap():
                return [*self.finish(), event]
            case Done():
                return [*(self._end() if event.complete else self.finish()), event]
            case _:
                return [event]

    def finish(self) -> list[Event]:
        """Give out what waits, as the text was cut off here: a number in the making is masked."""
        return self._last(self._forced(len(self._tokens)))

    def _end(self) -> list[Event]:
        """Give out what waits, as the text ends here."""
        return self._last(self._settled(ended=True))

    def _hear(self, words: Words) -> None:
        rest = words.text
        for text, word in words.parts():
            rest = rest[len(text) :]
            self._add(Piece(self._space + text, word))
            self._space = ""
            self._heard_s = max(self._heard_s, word.end_s)
        self._space += rest
        self._tail = ""

    def _add(self, piece: Piece) -> None:
        last = self._tokens[-1] if self._tokens else None
        if last and goes_on(piece.text) and sum(len(p.text) for p in last.pieces) < _MOST_CHARACTERS:
            last.grow(piece)
            return
        if last:
            last.whole = True
        self._tokens.append(Token(piece))

    def _settled(self, ended: bool = False) -> Shown:
        """Take the words about which everything is known, and keep the rest."""
        shown = Shown()
        n_committed = len(self._tokens)
        passage = self._passage(ended)
        grown = n_committed and not passage.tokens[n_committed - 1].committed
        start = 0
        while start < len(passage.tokens):
            match = self._found(passage, start)
            if match is MAYBE or (match and match.end >= n_committed - bool(grown)):
                break
            end = match.end if match else start
            shown.give(self._tokens[start : end + 1], match.label if match else None)
            if not passage.tokens[start].committed:
                shown.tail += passage.tokens[start].pieces[-1].text
            start = end + 1
        shown.all_of_it = start >= len(passage.tokens)
        self._forget(min(start, n_committed))
        if len(self._tokens) > _MOST_WAITING:
            shown.add(self._forced(len(self._tokens)))
            self._forget(len(self._tokens) - 1)
        return shown

    def _passage(self, ended: bool) -> Passage:
        """Return the words that wait, and those of the tail behind them."""
        tokens = list(self._tokens)
        tail = [] if ended else pieces_of(self._space + self._tail)
        if tokens and not tokens[-1].whole:
            if tail and goes_on(tail[0]):
                grown = Token(tokens[-1].pieces[0])
                for piece in [*tokens[-1].pieces[1:], Piece(tail[0], None)]:
                    grown.grow(piece)
                grown.n_shown = tokens[-1].n_shown
                tokens[-1], tail = grown, tail[1:]
            elif tail or self._space or self._tail or ended:
                self._tokens[-1].whole = True
        tokens += [Token(Piece(text, None)) for text in tail]
        for token in tokens[:-1]:
            token.whole = True
        if tokens and tokens[-1].pieces[-1].word is None and self._tail[-1:].isspace():
            tokens[-1].whole = True
        return Passage(tokens, self._before, not ended)

    def _found(self, passage: Passage, start: int) -> Match | None:
        best: Match | None = None
        for finder in self._finders:
            match = finder.find(passage, start)
            if match is MAYBE:
                return MAYBE
            if match and (best is None or match.end > best.end):
                best = match
        return best

    def _overdue(self) -> Shown:
        """Take the words that have waited long enough."""
        first = next((token for token in self._tokens if not token.shown), None)
        if first is None:
            return Shown()
        if self._now_s - first.end_s > HOLD_S:
            return self._forced(len(self._tokens))
        if self._tail.strip() or self._now_s - self._heard_s <= PAUSE_S:
            return Shown()
        return self._forced(len(self._tokens), patient=True)

    def _forced(self, n_tokens: int, *, patient: bool = False) -> Shown:
        """Take words as if the text ended here, but keep them in mind. ``patient``: not a number in the making."""
        shown = Shown()
        passage = Passage(self._tokens[:n_tokens], self._before, False)
        start = 0
        while start < n_tokens:
            match = self._found(passage, start)
            if match is None and any(finder.unfinished(passage, start, patient=patient) for finder in self._finders):
                if patient:
                    break
                match = Match(n_tokens - 1, UNFINISHED)
            end = match.end if match else start
            shown.give(passage.tokens[start : end + 1], match.label if match else None)
            start = end + 1
        return shown

    def _forget(self, n_tokens: int) -> None:
        """Let go of words that were given out; one that may still grow stays."""
        if n_tokens and n_tokens == len(self._tokens) and not self._tokens[-1].whole:
            n_tokens -= 1
        self._before.extend(self._tokens[:n_tokens])
        del self._tokens[:n_tokens]

    def _given(self, shown: Shown) -> list[Event]:
        return [shown.words()] if shown.pieces else []

    def _tail_of(self, shown: Shown) -> Tail:
        if self.waiting or not shown.all_of_it:
            return Tail(shown.tail + WAITING)
        return Tail(shown.tail)

    def _last(self, shown: Shown) -> list[Event]:
        space, waited = self._space, self.waiting or bool(self._tail)
        self._before.extend(self._tokens)
        self._tokens, self._space, self._tail = [], "", ""
        given: list[Event] = [shown.words(space)] if shown.pieces or space else []
        return [*given, Tail("")] if waited else given
