"""The one line below the captions: where we are, how far behind, and with whom. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich.cells import cell_len

from voxctl.events import Done, Event, Opened, Progress, Reconnecting, Resumed, Rotated, Words
from voxctl.ui.screen import CYAN, DIM, GREEN, YELLOW, Row, Span
from voxctl.ui.text import one_line
from voxctl.ui.wrap import cropped

#: The least time between two changes of the numbers, in seconds: faster cannot be read.
NUMBERS_S = 0.25
#: How long the line says that a connection took over, in seconds.
TOLD_S = 3.0

_GAP = "  "
_BAR_LEAST, _BAR_MOST = 8, 32  # cells


@dataclass(slots=True)
class Status:
    """What is known of a session; ``apply`` its events. ``pace`` is a multiple of real time, ``None`` without a limit.

    The lag is the sound sent that no words can have been shown for yet. At rest it is the delay of the model. It says
    something only while sound is sent at a pace of its own; as fast as the server goes, the speed is shown instead.
    """

    name: str = ""
    target: str = ""
    duration_s: float | None = None
    pace: float | None = None
    opened_s: float | None = None
    trouble: str = ""
    told: str = ""
    heard_s: float = 0.0
    sent_s: float = 0.0
    confidence: float | None = None
    _shown: tuple[int, bool, str] | None = None
    _row: Row = ()
    _next_s: float = 0.0
    _told_until_s: float = 0.0

    def apply(self, event: Event, now_s: float) -> None:
        """Take the next event, which came at ``now_s`` of any clock."""
        match event:
            case Progress(acked_s, sent_s, source_s):
                self.heard_s, self.sent_s, self.trouble = acked_s, max(sent_s, source_s), ""
            case Opened():
                self.opened_s, self.trouble = now_s, ""
            case Resumed():
                self.trouble = ""
                self.told, self._told_until_s = "resumed", now_s + TOLD_S
            case Rotated():
                self.told, self._told_until_s = "rotated", now_s + TOLD_S
            case Reconnecting(attempt, delay_s, reason):
                self.trouble = f"reconnecting (attempt {attempt} in {delay_s:.1f} s): {one_line(reason)}"
            case Words():
                self.trouble = ""
            case Done(_, audio_s, confidence):
                self.heard_s = self.sent_s = audio_s
                self.confidence, self.trouble = confidence, ""

    def row(self, width: int, now_s: float) -> Row:
        """Return the line at ``width`` cells. Its numbers move a few times a second, its states at once."""
        shown = (width, self.opened_s is not None, self.trouble)
        if shown != self._shown or now_s >= self._next_s:
            self._shown, self._next_s = shown, now_s + NUMBERS_S
            self._row = self._drawn(width, now_s)
        return self._row

    def _drawn(self, width: int, now_s: float) -> Row:
        if self.trouble:
            return (("↻ ", YELLOW), (cropped(self.trouble, width - 2), YELLOW))
        if self.opened_s is None:
            where = f" to {self.target}" if self.target else ""
            return (("○ ", DIM), (cropped(f"connecting{where}", width - 2), DIM))
        return (("● ", GREEN), *self._fields(width - 2, now_s))

    def _fields(self, width: int, now_s: float) -> Row:
        """Return as many of the fields as fit, the least important left out first."""
        fields = self._by_importance(now_s)
        while len(fields) > 1 and _cells(fields.values()) > width:
            fields.popitem()
        room = width - _cells(fields.values()) - len(_GAP)
        if self.duration_s and room >= _BAR_LEAST:
            fields["bar"] = ""
        spans: list[Span] = []
        for field in ("name", "position", "bar", "percent", "lag", "told", "speed", "confidence", "target"):
            if field in fields:
                spans += [(_GAP, "")] if spans else []
                spans += self._bar(min(room, _BAR_MOST)) if field == "bar" else [(cropped(fields[field], width), DIM)]
        return tuple(spans)

    def _by_importance(self, now_s: float) -> dict[str, str]:
        fields = {"position": _clock(self.heard_s)}
        open_for_s = now_s - (self.opened_s or now_s)
        if self.duration_s:
            fields["position"] = f"{_clock(min(self.heard_s, self.duration_s))} / {_clock(self.duration_s)}"
        if self.pace is not None:
            fields["lag"] = f"lag {self.sent_s - self.heard_s:.1f} s"
        if self.told and now_s < self._told_until_s:
            fields["told"] = self.told
        if self.duration_s:
            fields["percent"] = f"{self._done:3.0%}"
        if self.name:
            fields["name"] = cropped(self.name, 40)
        if self.pace is None and open_for_s >= 1:
            fields["speed"] = f"{self.heard_s / open_for_s:.1f}x"
        if self.confidence is not None:
            fields["confidence"] = f"confidence {self.confidence:.2f}"
        if self.target:
            fields["target"] = self.target
        return fields

    @property
    def _done(self) -> float:
        return min(1.0, self.heard_s / self.duration_s) if self.duration_s else 0.0

    def _bar(self, cells: int) -> Row:
        full = int(self._done * cells)
        return (("━" * full, CYAN), ("─" * (cells - full), DIM))


def _cells(fields: Iterable[str]) -> int:
    return cell_len(_GAP.join(fields))


def _clock(seconds: float) -> str:
    minutes, whole_s = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{whole_s:02}" if hours else f"{minutes:02}:{whole_s:02}"
