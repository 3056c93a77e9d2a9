"""What may be seen: words as they were, and masks in the place of others."""

from __future__ import annotations

from collections.abc import Sequence

from voxctl.events import Word, Words
from voxctl.redact.token import Piece, Token


class Shown:
    """Words that are given out together, and what of the tail may be seen; ``all_of_it``: nothing of it waits."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self.tail = ""
        self.all_of_it = True

    def give(self, tokens: Sequence[Token], label: str | None) -> None:
        """Give out what was not of these words, as it is or behind the mask ``label``."""
        fresh = [piece for token in tokens for piece in token.pieces[token.n_shown :]]
        if fresh and label is not None:
            fresh = [_masked(fresh, tokens, label)]
        self.pieces += fresh
        for token in tokens:
            token.n_shown = len(token.pieces)
            token.masked = token.masked or label is not None

    def add(self, other: Shown) -> None:
        """Give out the words of ``other`` too, behind these."""
        self.pieces += other.pieces

    def words(self, space: str = "") -> Words:
        """Return them as an event; white space behind them is ``space``."""
        text = "".join(piece.text for piece in self.pieces) + space
        return Words(text, tuple(piece.word for piece in self.pieces if piece.word))


def _masked(fresh: Sequence[Piece], tokens: Sequence[Token], label: str) -> Piece:
    """Return the mask of the pieces ``fresh`` of ``tokens``: it has their times, and what stands around them."""
    words = [piece.word for piece in fresh if piece.word]
    first = fresh[0].text
    space = first[: len(first) - len(first.lstrip())]
    head = "" if tokens[0].n_shown else _kept(tokens[0].head, tokens[-1].rear)
    text = f"{head}[{label}]{tokens[-1].rear.rstrip()}"
    estimated = any(word.estimated for word in words)
    return Piece(space + text, Word(text, words[0].start_s, words[-1].end_s, estimated))


def _kept(head: str, rear: str) -> str:
    """Return what may stay before a mask: a bracket that is closed behind it, and quotation marks."""
    return "".join(mark for mark in head if mark in "\"'“”‘’«»" or (mark == "(" and ")" in rear) or not mark.isascii())
