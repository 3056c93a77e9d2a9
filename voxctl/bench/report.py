"""A measurement as one page that needs nothing else: figures, plots, and what they were measured with. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from voxctl.bench.distribution import Distribution
from voxctl.bench.plot import Line, plot

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --dim: #5b6672; --line: #d9dee4; --paper: #fff; --bad: #b42318;
  --c0: #2563c9; --c1: #b45309; --c2: #15803d; --c3: #9333ea; --c4: #be185d; --c5: #0e7490 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --dim: #9aa5b1; --line: #333b45; --paper: #14181d;
  --bad: #ff8f80; --c0: #7fb0ff; --c1: #f5b35c; --c2: #6fd08c; --c3: #c99bff; --c4: #ff8fc0; --c5: #67cfe3 } }
@media print { :root { color-scheme: light; --ink: #000; --dim: #444; --line: #ccc; --paper: #fff; --bad: #900;
  --c0: #1d4fa8; --c1: #8f4207; --c2: #116532; --c3: #7426bb; --c4: #97134a; --c5: #0b5c73 }
  figure, table { break-inside: avoid } }
body { margin: 0 auto; max-width: 72rem; padding: 2rem 1.25rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif }
h1 { font-size: 1.5rem; margin: 0 0 .25rem } h2 { font-size: 1.1rem; margin: 2.5rem 0 .5rem }
.target, .note { color: var(--dim); margin: 0; overflow-wrap: anywhere }
.held { font-size: 1.2rem; margin: 1.5rem 0 0 } .bad { color: var(--bad); font-weight: 600 }
.wide { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .5rem 0 }
th, td { padding: .3rem .8rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap }
th:first-child, td:first-child { text-align: left; padding-left: 0 } th { color: var(--dim); font-weight: 500 }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); gap: 1.5rem }
figure { margin: 0 } figcaption { font-weight: 600 } svg { width: 100%; height: auto; overflow: visible }
figure ul { list-style: none; display: flex; flex-wrap: wrap; gap: 0 1rem; margin: 0; padding: 0; font-size: .85rem }
figure li::before { content: ""; display: inline-block; width: .8em; height: .2em; margin-right: .4em;
  vertical-align: middle; background: currentColor }
svg text { fill: var(--dim); font-size: 12px } .grid { stroke: var(--line) }
.limit { stroke: var(--bad); stroke-dasharray: 6 4 } polyline { fill: none; stroke-width: 2 }
""" + "".join(
    f".c{i} {{ stroke: var(--c{i}); color: var(--c{i}) }} circle.c{i} {{ fill: var(--c{i}) }}\n" for i in range(6)
)
_TIMES = (
    ("delta_lag_ms", "lag of deltas"),
    ("capture_lag_ms", "lag since the sound existed"),
    ("delta_gap_ms", "between deltas"),
    ("first_text_ms", "first text"),
    ("final_ms", "last chunk to done"),
    ("connect_ms", "connect"),
    ("ready_ms", "ready"),
    ("send_late_ms", "client sent late"),
    ("loop_late_ms", "client woke up late"),
)
_COLUMNS = ("p50", "p90", "p95", "p99", "max", "n")


def page(report: Mapping[str, Any]) -> str:
    """Return the page of a report, as ``voxctl bench --json`` writes it."""
    levels = report["levels"]
    slo = report["held"]["slo_ms"] if report["held"] else None
    title = f"Latency of {report['model']}"
    return "".join(
        [
            '<!doctype html><html lang="en"><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title><style>{_STYLE}</style><body>",
            f"<h1>{escape(title)}</h1>",
            f'<p class="target">{escape(report["target"])} · {escape(report["measured_at"])}</p>',
            _verdict(report),
            f"<h2>By number of streams, in milliseconds</h2>{_levels(levels)}",
            f'<h2>Plots</h2><div class="plots">{_plots(levels, slo)}</div>',
            "".join(_details(level) for level in levels),
            _made_with(report),
            "</body></html>\n",
        ]
    )


def rows(report: Mapping[str, Any]) -> str:
    """Return the figures of a report as CSV, a row for each trial: names end in their unit."""
    out = io.StringIO()
    names = [f"{name}_{column}" for name, _ in _TIMES for column in _COLUMNS]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["streams", "trial", "valid", "failed", "finished", "wer", "cer", "lag_slope_ms_per_s", *names])
    for level in report["levels"]:
        for number, trial in enumerate(level["trials"], 1):
            head = [level["streams"], number, trial["valid"], sum(trial["errors"].values()), trial["finished"]]
            head += [trial["wer"], trial["cer"], trial["lag_slope_ms_per_s"]]
            writer.writerow(head + [trial[name][column] for name, _ in _TIMES for column in _COLUMNS])
    return out.getvalue()


def _verdict(report: Mapping[str, Any]) -> str:
    said = []
    faults = [(level["streams"], fault) for level in report["levels"] for t in level["trials"] for fault in t["faults"]]
    if faults:
        n, fault = faults[0]
        said.append(f'<p class="held bad">Invalid: with {_streams(n)} {escape(fault)}.</p>')
    if held := report["held"]:
        why = held["broken_by"] or "more were not tried"
        said.append(
            f'<p class="held">Holds <b>{held["streams"]} streams</b> with 95 % of the deltas within '
            f"{held['slo_ms']:g} ms ({escape(why)}). Plan for {held['streams_per_instance']} on one such server.</p>"
        )
    said.append(
        f'<p class="note">The model itself waits {report["delay_ms"]:g} ms for more sound before it speaks of any; '
        "that is not counted as lag.</p>"
    )
    return "".join(said)


def _levels(levels: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for level in levels:
        found = level["all"]
        lag = found["delta_lag_ms"]
        figures = [*(lag[name] for name in ("p50", "p95", "p99", "max")), found["first_text_ms"]["p95"]]
        figures.append(found["final_ms"]["p95"])
        errors = ", ".join(f"{count} × {cause}" for cause, count in found["errors"].items()) or "none"
        wer = "–" if found["wer"] is None else f"{100 * found['wer']:.1f} %"
        cells = [str(level["streams"]), *map(_number, figures), f"{found['lag_slope_ms_per_s']:+.1f}", wer, errors]
        rows.append(cells)
    head = ["streams", "lag p50", "p95", "p99", "max", "first text p95", "final p95", "growth ms/s", "WER", "failed"]
    return _table(head, rows)


def _plots(levels: Sequence[Mapping[str, Any]], slo: float | None) -> str:
    by_streams = [
        Line(name, [(level["streams"], lag[name]) for level in levels if (lag := level["all"]["delta_lag_ms"])["n"]])
        for name in ("p50", "p95", "p99")
    ]
    over_time = [
        Line(_streams(level["streams"]), [(s, p95) for s, p95 in level["all"]["timeline_p95_ms"]]) for level in levels
    ]
    shares = [Line(_streams(level["streams"]), _shares(level["all"]["delta_lag_counts"])) for level in levels]
    wers = [(level["streams"], 100 * level["all"]["wer"]) for level in levels if level["all"]["wer"] is not None]
    return "".join(
        [
            plot("Lag by number of streams", "streams", "ms", by_streams, limit=slo, marks=True),
            plot("Lag over time, 95 % of each second", "s", "ms", over_time, limit=slo),
            plot("Share of deltas that came within a lag", "ms", "%", shares),
            plot("Word error rate by number of streams", "streams", "%", [Line("WER", wers)], marks=True),
        ]
    )


def _shares(counts: Mapping[str, int]) -> list[tuple[float, float]]:
    """Return the empirical distribution, thinned to what a plot can show; early deltas count as in time."""
    found = Distribution.from_json(counts)
    return [(max(0.0, found.percentile(percent)), percent) for percent in (0.1, *range(1, 100), 99.5, 99.9, 100)]


def _details(level: Mapping[str, Any]) -> str:
    found = level["all"]
    rows = [[what, *(_number(found[name][column]) for column in _COLUMNS)] for name, what in _TIMES]
    trials = f"{len(level['trials'])} trial{'s' * (len(level['trials']) > 1)}"
    return f"<h2>{_streams(level['streams'])}, {trials}, in milliseconds</h2>" + _table(["", *_COLUMNS], rows)


def _streams(n: int) -> str:
    return f"{n} stream{'s' * (n != 1)}"


def _made_with(report: Mapping[str, Any]) -> str:
    facts = {"voxctl": report["version"], **report["machine"], **report["settings"]}
    rows = [[name.replace("_", " "), str(value)] for name, value in facts.items()]
    command = escape(" ".join(report["command"]))
    return f"<h2>Measured with</h2><p class='target'><code>{command}</code></p>" + _table(["", ""], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    first = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{first}</tr></thead><tbody>{body}</tbody></table></div>'


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if isinstance(value, int) or abs(value) >= 10 else f"{value:.1f}"
