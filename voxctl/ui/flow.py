"""Text on its way to the screen: full rows of committed text leave for good, the rest waits with the tail. Pure."""

from __future__ import annotations

from voxctl.ui.screen import DIM, Row
from voxctl.ui.wrap import Line, cleaned, wrap


class Flow:
    """The text of one transcript. ``add`` what is committed; ``tail`` is what follows it and may still change."""

    def __init__(self) -> None:
        self.tail = ""
        self._added: list[str] = []  # committed since the last `take`, so that adding costs nothing
        self._text = ""  # committed, in the row that is not full yet
        self._begun = False

    def add(self, text: str) -> None:
        """Append committed text."""
        self._added.append(text)

    def take(self, width: int) -> list[Row]:
        """Take the rows that are full; what remains may still grow."""
        self._text += self._begin(cleaned("".join(self._added)))
        self._begun = self._begun or bool(self._text)
        self._added.clear()
        *full, last = wrap(self._text, width)
        rows: list[Row] = [((self._text[line.start : line.end], ""),) for line in full]
        self._text = self._text[last.start :]
        return rows

    def take_all(self, width: int) -> list[Row]:
        """Take all committed rows, the unfinished one included; the tail is no transcript and is dropped."""
        rows = self.take(width)
        if self._text.strip():
            rows.append(((self._text.rstrip(), ""),))
        self._text = self.tail = ""
        return rows

    def _begin(self, text: str) -> str:
        """Return ``text`` without the white space that the very first text may begin with."""
        return text if self._begun else text.lstrip()

    def rest(self, width: int, height: int) -> list[Row]:
        """Return the last ``height`` rows of what was not taken: the committed text, and the tail after it, dim."""
        tail = self.tail
        if len(tail) > width * height:  # no more than a screen of it can be seen
            tail = "…" + tail[-width * height :]
        text, committed = self._text + self._begin(cleaned(tail)), len(self._text)
        if not text.strip():
            return []

        def row(line: Line) -> Row:
            split = min(max(line.start, committed), line.end)
            spans = ((text[line.start : split], ""), (text[split : line.end], DIM))
            return tuple(span for span in spans if span[0])

        return [row(line) for line in wrap(text, width)][-height:]
