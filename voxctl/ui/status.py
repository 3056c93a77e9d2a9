"""The one line below the captions: where we are, how far behind, and with whom. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rich.cells import cell_len

from voxctl.events import Done, Event, Opened, Progress, Reconnecting, Resumed, Rotated, Words
from voxctl.ui.screen import CYAN, DIM, GREEN, YELLOW, Row, Span
from voxctl.ui.text import one_line, soon
from voxctl.ui.wrap import cropped

#: The least time between two changes of the numbers, in seconds: faster cannot be read.
NUMBERS_S = 0.25
#: How long the line says that a connection took over, in seconds.
TOLD_S = 3.0
#: A lag beyond this, in seconds, is the server's doing, whatever the model's delay: it is shown as a warning.
LATE_S = 8.0
#: With fewer cells than this, why there is no connection is told instead of when there may be one.
_ROOMY = 60

_GAP = "  "
_BAR_LEAST, _BAR_MOST = 8, 32  # cells
#: The level meter, and the level at which it is empty.
_METER_CELLS, _METER_FROM_DB = 8, -60.0


@dataclass(frozen=True, slots=True)
class Sound:
    """What a microphone gives now: its level in decibels below full scale, and what is wrong with it, if anything."""

    level_db: float
    warning: str = ""
    paused: bool = False


@dataclass(slots=True)
class Status:
    """What is known of a session; ``apply`` its events. ``pace`` is a multiple of real time, ``None`` without a limit.

    At rest the lag is the delay of the model. It says something only while sound is sent at a pace of its own; as fast
    as the server goes, the speed is shown instead.
    ``trouble`` is what is tried again, in short and in full, and why. ``sound`` looks at the microphone, if it is one.
    """

    name: str = ""
    target: str = ""
    duration_s: float | None = None
    pace: float | None = None
    sound: Callable[[], Sound] | None = None
    opened_s: float | None = None
    trouble: tuple[str, str, str] | None = None
    told: str = ""
    heard_s: float = 0.0
    sent_s: float = 0.0
    confidence: float | None = None
    _heard: Sound | None = None
    _shown: tuple[object, ...] | None = None
    _row: Row = ()
    _next_s: float = 0.0
    _told_until_s: float = 0.0

    def apply(self, event: Event, now_s: float) -> None:
        """Take the next event, which came at ``now_s`` of any clock."""
        match event:
            case Progress(acked_s, sent_s, source_s):
                self.heard_s, self.sent_s, self.trouble = acked_s, max(sent_s, source_s), None
            case Opened():
                self.opened_s, self.trouble = now_s, None
            case Resumed():
                self.trouble = None
                self.told, self._told_until_s = "resumed", now_s + TOLD_S
            case Rotated():
                self.told, self._told_until_s = "rotated", now_s + TOLD_S
            case Reconnecting(attempt, delay_s, reason):
                self.trouble = (f"{attempt}", f"attempt {attempt} {soon(delay_s)}", one_line(reason))
            case Words():
                self.trouble = None
            case Done(_, audio_s, confidence):
                self.heard_s = self.sent_s = audio_s
                self.confidence, self.trouble = confidence, None

    def row(self, width: int, now_s: float) -> Row:
        """Return the line at ``width`` cells. Its numbers move a few times a second, its states at once."""
        self._heard = heard = self.sound() if self.sound else None
        shown = (width, self.opened_s is not None, self.trouble, heard and (heard.warning, heard.paused))
        if shown != self._shown or now_s >= self._next_s:
            self._shown, self._next_s = shown, now_s + NUMBERS_S
            self._row = self._drawn(width, now_s)
        return self._row

    def _drawn(self, width: int, now_s: float) -> Row:
        if self.trouble:
            short, long, why = self.trouble
            told = f"reconnecting ({long if width >= _ROOMY else short}): {why}"
            return (("↻ ", YELLOW), (cropped(told, width - 2), YELLOW))
        if self.opened_s is None:
            where = f" to {self.target}" if self.target else ""
            return (("○ ", DIM), (cropped(f"connecting{where}", width - 2), DIM))
        if self._heard and self._heard.paused:
            told = f"{_clock(self.sent_s)}{_GAP}paused; space goes on, Ctrl-C ends"
            return (("‖ ", YELLOW), (cropped(told, width - 2), YELLOW))
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
        for field in (
            "name",
            "position",
            "meter",
            "wrong",
            "bar",
            "percent",
            "lag",
            "told",
            "speed",
            "confidence",
            "target",
        ):
            if field in fields:
                spans += [(_GAP, "")] if spans else []
                style = YELLOW if field == "wrong" or (field == "lag" and self.lag_s > LATE_S) else DIM
                if field == "bar":
                    spans += self._bar(min(room, _BAR_MOST))
                elif field == "meter" and self._heard:
                    spans += _meter(self._heard)
                else:
                    spans.append((cropped(fields[field], width), style))
        return tuple(spans)

    def _by_importance(self, now_s: float) -> dict[str, str]:
        fields = {"position": _clock(self.heard_s)}
        open_for_s = now_s - (self.opened_s or now_s)
        if self.duration_s:
            fields["position"] = f"{_clock(min(self.heard_s, self.duration_s))} / {_clock(self.duration_s)}"
        if self._heard:
            if self._heard.warning:
                fields["wrong"] = self._heard.warning
            fields["meter"] = " " * _METER_CELLS
        if self.told and now_s < self._told_until_s:
            fields["told"] = self.told
        if self.pace is not None:
            fields["lag"] = f"lag {self.lag_s:.1f} s"
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
    def lag_s(self) -> float:
        """The sound that no words can have been shown for yet, in seconds."""
        return self.sent_s - self.heard_s

    @property
    def _done(self) -> float:
        return min(1.0, self.heard_s / self.duration_s) if self.duration_s else 0.0

    def _bar(self, cells: int) -> Row:
        full = int(self._done * cells)
        return (("━" * full, CYAN), ("─" * (cells - full), DIM))


def _meter(sound: Sound) -> Row:
    full = round(_METER_CELLS * min(max(1 - sound.level_db / _METER_FROM_DB, 0.0), 1.0))
    return (("━" * full, YELLOW if sound.warning else CYAN), ("─" * (_METER_CELLS - full), DIM))


def _cells(fields: Iterable[str]) -> int:
    return cell_len(_GAP.join(fields))


def _clock(seconds: float) -> str:
    minutes, whole_s = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{whole_s:02}" if hours else f"{minutes:02}:{whole_s:02}"
