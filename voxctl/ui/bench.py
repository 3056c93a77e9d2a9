"""How a measurement goes, on a terminal; and its figures, as a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from voxctl.ui.console import display_for
from voxctl.ui.screen import DIM, Region
from voxctl.ui.table import table
from voxctl.ui.text import one_line
from voxctl.ui.wrap import cropped

_BARS = "▁▂▃▄▅▆▇█"
_N_BARS = 16
_HEAD = ("streams", "lag p50", "p95", "p99", "max", "first text", "final p95", "errors", "WER")


class BenchView:
    """Shows one line while it lasts, on a terminal only, and the table on stdout."""

    def __init__(self, out: TextIO, err: TextIO, environment: Mapping[str, str]) -> None:
        display = display_for(out, err, environment)
        self._out, self._err = out, err
        self._region: Region | None = None
        self._lags_ms: list[float] = []
        self._columns: int | None = None
        if display.screen is not None:
            self._region = Region(display.screen, colour=display.colour, reflows=display.reflows)
        if out.isatty():
            self._columns = Region(out, colour=False, reflows=False).size()[0]

    def now(self, what: str, active: int, lag_ms: float | None, errors: int) -> None:
        """Show how it goes: ``lag_ms`` is that of 95 % of the last deltas."""
        if self._region is None:
            return
        if lag_ms is not None:
            self._lags_ms = [*self._lags_ms[1 - _N_BARS :], lag_ms]
        lag = f"lag {lag_ms:.0f} ms {sparkline(self._lags_ms)}" if lag_ms is not None else "warming up"
        text = f"{what}: {active} open, {lag}, {errors} failed"
        self._region.draw((), (((cropped(text, max(self._region.size()[0] - 1, 1)), DIM),),))

    def clear(self) -> None:
        """Take the line away."""
        if self._region is not None:
            self._region.draw((), ())

    def say(self, text: str) -> None:
        """Write one line to stderr."""
        self.clear()
        self._err.write(one_line(text) + "\n")
        self._err.flush()

    def table(self, levels: Sequence[Mapping[str, Any]]) -> None:
        """Write the figures of each number of streams to stdout, in milliseconds."""
        self.clear()
        for line in table([_HEAD, *(row_of(level) for level in levels)], self._columns):
            self._out.write(line + "\n")
        self._out.flush()

    def document(self, text: str) -> None:
        """Write a document to stdout."""
        self.clear()
        self._out.write(text + "\n")
        self._out.flush()


def row_of(level: Mapping[str, Any]) -> tuple[str, ...]:
    """Return one row: a number of streams and its figures."""
    found = level["all"]
    lag = found["delta_lag_ms"]
    figures = [lag["p50"], lag["p95"], lag["p99"], lag["max"], found["first_text_ms"]["p95"], found["final_ms"]["p95"]]
    n_errors = sum(found["errors"].values())
    causes = f"{n_errors} ({', '.join(found['errors'])})" if n_errors else "0"
    wer = "-" if found["wer"] is None else f"{100 * found['wer']:.1f} %"
    return (str(level["streams"]), *(_ms(value) for value in figures), causes, wer)


def _ms(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


def sparkline(values: Sequence[float]) -> str:
    """Return a row of bars, the greatest value being the highest."""
    top = max([*values, 1.0])
    return "".join(_BARS[min(len(_BARS) - 1, max(0, int(len(_BARS) * value / top)))] for value in values)
