"""The figures of a period as lines that CloudWatch makes metrics of. Pure but for ``write``."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.figures import ENDS, QUANTILES, Figures

NAMESPACE = "voxctl"


@dataclass(slots=True)
class Period:
    """Counts at its beginning; what is written is what came since."""

    n_opened: int = 0
    n_refused: int = 0
    n_held: int = 0
    sound_s: float = 0.0
    ends: tuple[int, ...] = (0,) * len(ENDS)

    def lines(self, figures: Figures, sound_s: float, endpoint: str, now_s: float) -> Iterator[str]:
        """Yield the lines of the period that ends now, and begin the next. ``sound_s`` is all there ever was."""
        values: dict[str, tuple[float, str]] = {
            "ActiveStreams": (figures.n_active, "Count"),
            "OpenedStreams": (figures.n_opened - self.n_opened, "Count"),
            "RefusedStreams": (figures.n_refused - self.n_refused, "Count"),
            "HeldBack": (figures.n_held - self.n_held, "Count"),
            "AudioSeconds": (round(sound_s - self.sound_s, 2), "Seconds"),
            "MissedKeepalives": (figures.ends["keepalive"] - self.ends[ENDS.index("keepalive")], "Count"),
        }
        for quantile in QUANTILES:
            lag_s = figures.lately.quantile_s(quantile)
            if lag_s is not None:
                values[f"DeltaLagP{quantile * 100:.0f}"] = (round(lag_s * 1000, 1), "Milliseconds")
        filed = {"Endpoint": endpoint} if endpoint else {}
        yield _line(values, filed, now_s)
        for reason, before in zip(ENDS, self.ends, strict=True):
            if n_ended := figures.ends[reason] - before:
                yield _line({"EndedStreams": (n_ended, "Count")}, {**filed, "Reason": reason}, now_s)
        self.n_opened, self.n_refused, self.n_held = figures.n_opened, figures.n_refused, figures.n_held
        self.sound_s = sound_s
        self.ends = tuple(figures.ends[reason] for reason in ENDS)


def write(lines: Iterator[str]) -> None:
    """Write to the output itself: vLLM puts its name before every line of ``sys.stdout``, which would spoil these."""
    text = "".join(f"{line}\n" for line in lines).encode()
    while text:
        text = text[os.write(1, text) :]


def _line(values: dict[str, tuple[float, str]], dimensions: dict[str, str], now_s: float) -> str:
    metrics = [{"Name": name, "Unit": unit} for name, (_, unit) in values.items()]
    directive = {"Namespace": NAMESPACE, "Dimensions": [list(dimensions)], "Metrics": metrics}
    head = {"_aws": {"Timestamp": int(now_s * 1000), "CloudWatchMetrics": [directive]}}
    return json.dumps({**head, **dimensions, **{name: value for name, (value, _) in values.items()}})
