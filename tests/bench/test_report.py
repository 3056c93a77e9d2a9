from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.test_load import measured
from tests.fakes.calibrated import CalibratedServer
from voxctl.bench.machine import machine, without_key
from voxctl.bench.measures import Load
from voxctl.bench.plot import Line, plot
from voxctl.bench.report import page, rows
from voxctl.bench.run import Held, Level
from voxctl.bench.search import Slo

VOID = {"meta", "line", "polyline", "circle", "br"}


class Balanced(HTMLParser):
    """Fails when a tag is closed that is not open, or left open; keeps the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            assert name not in ("src", "href", "onclick") and "nan" not in str(value).lower(), (tag, name, value)
        if tag not in VOID and tag != "html":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID and tag != "html":
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(text: str) -> Balanced:
    parser = Balanced()
    parser.feed(text)
    assert not parser.open
    return parser


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    levels = [
        Level(n, [measured(CalibratedServer(lambda k, n: 40.0 * n), Load(n, 4.0, seed=trial)) for trial in range(2)])
        for n in (1, 3)
    ]
    return {
        "target": "ws://<server>/v1/realtime",
        "model": "a & b",
        "delay_ms": 480.0,
        "settings": {"duration_s": 4.0},
        "version": "0",
        "measured_at": "2026-01-01T00:00:00+00:00",
        "machine": machine(),
        "command": ["voxctl", "bench", "--model", "<script>"],
        "levels": [level.to_json() for level in levels],
        "held": Held(3, Slo(300), None).to_json(),
        "valid": True,
    }


def test_the_page_is_whole_and_needs_nothing_from_elsewhere(report: dict[str, Any]) -> None:
    text = page(report)
    shown = parsed(text)
    assert not re.search(r"https?:|url\(|@import|<script", text)
    assert "Holds 3 streams with 95 % of the deltas within 300 ms" in " ".join(shown.text.split())
    assert "a & b" in shown.text and "ws://<server>" in shown.text and "3 streams, 2 trials" in shown.text
    assert text.count("<svg") == 3, "no plot of word errors, as nothing was compared"
    assert "prefers-color-scheme: dark" in text and "@media print" in text


def test_a_measurement_that_says_nothing_is_called_invalid_at_the_top(report: dict[str, Any]) -> None:
    level = report["levels"][0]
    bad = {**level, "trials": [{**level["trials"][0], "faults": ["the client itself sent late: 31 ms"]}]}
    assert "Invalid: with 1 stream the client itself sent late" in page({**report, "levels": [bad]})


def test_each_trial_is_a_row_of_the_csv(report: dict[str, Any]) -> None:
    found = list(csv.DictReader(io.StringIO(rows(report))))
    assert [(row["streams"], row["trial"]) for row in found] == [("1", "1"), ("1", "2"), ("3", "1"), ("3", "2")]
    assert float(found[0]["delta_lag_ms_p50"]) == pytest.approx(40, abs=1)
    assert float(found[3]["delta_lag_ms_p95"]) == pytest.approx(120, abs=1)


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(-1e3, 1e6)), min_size=1, max_size=30))
def test_a_plot_holds_every_point_within_its_frame(points: list[tuple[float, float]]) -> None:
    text = plot("t", "x", "y", [Line("a", sorted(points))], marks=True)
    parsed(text)
    placed = [tuple(map(float, found)) for found in re.findall(r'cx="([-0-9.]+)" cy="([-0-9.]+)"', text)]
    assert len(placed) == len(points)
    assert all(61.9 <= x <= 624.1 and 13.9 <= y <= 254.1 for x, y in placed)


def test_nothing_to_plot_is_no_plot() -> None:
    assert plot("t", "x", "y", [Line("a", [])]) == ""


def test_a_key_is_never_part_of_a_report() -> None:
    typed = ["bench", "--api-key", "sekrit", "--url", "ws://h", "--api-key=sekrit"]
    assert "sekrit" not in " ".join(without_key(typed)) and "--url ws://h" in " ".join(without_key(typed))
