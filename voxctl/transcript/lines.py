"""What somebody says into a microphone, as it is shown: a new line where they fell silent. Pure."""

from __future__ import annotations

from voxctl.events import Event, Progress, Tail, Words
from voxctl.transcript.parts import QUIET_S

#: A pause between words from which a new line begins, in seconds.
LINE_PAUSE_S = 1.2


class Lines:
    """Takes the events of a session and gives those that are shown: the same, but for the white space of ``Words``."""

    def __init__(self) -> None:
        self._mid_line = False
        self._end_s = 0.0
        self._tail = ""

    def apply(self, event: Event) -> list[Event]:
        """Take the next event; return what is shown of it."""
        match event:
            case Words():
                return [self._broken(event)]
            case Tail(text):
                self._tail = text
                return [event if self._mid_line else Tail(text.lstrip())]
            case Progress(acked_s) if self._mid_line and not self._tail and acked_s - self._end_s >= QUIET_S:
                self._mid_line = False
                return [event, Words("\n", ())]
        return [event]

    def _broken(self, event: Words) -> Words:
        shown: list[str] = []
        n_chars = 0
        for text, word in event.parts():
            n_chars += len(text)
            if self._mid_line and word.start_s - self._end_s >= LINE_PAUSE_S:
                text = "\n" + text.lstrip()
            shown.append(text if self._mid_line else text.lstrip())
            self._mid_line, self._end_s = True, word.end_s
        rest = event.text[n_chars:]
        return Words("".join(shown) + (rest if self._mid_line else rest.lstrip()), event.words)
