"""What lies between white space, as it is heard: pieces of text with the words they came in."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from voxctl.events import Word

# Scripts without spaces between words: each character begins a word of its own.
_UNSPACED = "\u2e80-\u2fdf\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_PIECE = re.compile(rf"\s*(?:[{_UNSPACED}][^\s{_UNSPACED}]*|[^\s{_UNSPACED}]+)")
_BEGINS_ANEW = re.compile(rf"[\s{_UNSPACED}]")
_BEFORE = rf"[\s{_UNSPACED}\"'“”‘’«»(\[{{<#*:¿¡「『（]*"
_BEHIND = r"[\s\"'“”‘’«»)\]}>.,;:!?…*。，、；：？！」』）]*"
_DRESSED = re.compile(rf"(?P<head>{_BEFORE})(?P<core>.*?)(?P<rear>{_BEHIND})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Piece:
    """A share of a transcript's text, white space in front included, and its word. Of a tail there is no word."""

    text: str
    word: Word | None


class Token:
    """One or more pieces without white space between them. The first ``n_shown`` of them were given out already.

    ``core`` is the text without what stands around it (``head``, ``rear``), in compatibility form; ``low`` is that in
    lower case. ``whole``: the text after it has begun, so that it can grow no more.
    """

    __slots__ = ("core", "head", "low", "masked", "n_shown", "pieces", "rear", "whole")

    def __init__(self, piece: Piece) -> None:
        self.pieces = [piece]
        self.n_shown = 0
        self.whole = False
        self.masked = False
        self._dress()

    def grow(self, piece: Piece) -> None:
        """Take the next piece, which begins without white space."""
        self.pieces.append(piece)
        self._dress()

    @property
    def committed(self) -> bool:
        """Whether all of it is text that never changes."""
        return self.pieces[-1].word is not None

    @property
    def shown(self) -> bool:
        """Whether all of it was given out."""
        return self.n_shown == len(self.pieces)

    @property
    def end_s(self) -> float:
        """When its last committed word ended."""
        return next((piece.word.end_s for piece in reversed(self.pieces) if piece.word), 0.0)

    def _dress(self) -> None:
        text = self.pieces[0].text if len(self.pieces) == 1 else "".join(piece.text for piece in self.pieces)
        found = _DRESSED.fullmatch(text)
        assert found  # every part may be empty
        self.head, core, self.rear = found.group("head").lstrip(), found.group("core"), found.group("rear")
        self.core = core if core.isascii() else _plain(core)
        self.low = self.core.lower()


def _plain(text: str) -> str:
    """Return text in compatibility form, digits of every script as those of ASCII."""
    text = unicodedata.normalize("NFKC", text)
    return "".join(str(unicodedata.decimal(mark)) if mark.isdecimal() else mark for mark in text)


def pieces_of(text: str) -> list[str]:
    """Return the pieces of a text that has no words yet; white space at its end is in none."""
    return _PIECE.findall(text)


def goes_on(text: str) -> bool:
    """Whether ``text`` may belong to the token before it."""
    return not _BEGINS_ANEW.match(text)
