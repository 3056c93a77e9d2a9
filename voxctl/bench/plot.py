"""Plots as SVG: lines over two axes, in the colours of the page they stand in. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 16, 14, 46
_N_TICKS = 5
_N_COLOURS = 6
#: What is less is nothing to anybody who looks at a plot.
_LEAST = 1e-9

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """A named line through points in the order of their x."""

    name: str
    points: Sequence[Point]


def plot(
    title: str, x_name: str, y_name: str, lines: Sequence[Line], *, limit: float | None = None, marks: bool = False
) -> str:
    """Return a plot as one ``<figure>``; ``limit`` draws a level across, ``marks`` a dot at each point.

    Axes begin at zero, so that heights can be compared by eye.
    """
    points = [point for line in lines for point in line.points]
    if not points:
        return ""
    x_most = _round_up(max(x for x, _ in points))
    y_most = _round_up(max([y for _, y in points] + ([limit] if limit is not None else [])))
    body = [_axes(x_most, y_most, x_name, y_name)]
    if limit is not None:
        y = _y(limit, y_most)
        body.append(f'<line class="limit" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
    for i, line in enumerate(lines):
        placed = [(_x(x, x_most), _y(y, y_most)) for x, y in line.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        body.append(f'<polyline class="c{i % _N_COLOURS}" points="{path}"/>')
        if marks:
            body += [f'<circle class="c{i % _N_COLOURS}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in placed]
    keys = "".join(f'<li class="c{i % _N_COLOURS}">{escape(line.name)}</li>' for i, line in enumerate(lines))
    legend = f"<ul>{keys}</ul>" if len(lines) > 1 else ""
    label = escape(f"{title}: {y_name} against {x_name}", quote=True)
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>{legend}"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{"".join(body)}</svg></figure>'
    )


def _axes(x_most: float, y_most: float, x_name: str, y_name: str) -> str:
    parts = []
    for i in range(_N_TICKS + 1):
        value = y_most * i / _N_TICKS
        y = _y(value, y_most)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
        value = x_most * i / _N_TICKS
        x = _x(value, x_most)
        parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">{value:g}</text>')
    middle_x, middle_y = (_LEFT + _WIDTH - _RIGHT) / 2, (_TOP + _HEIGHT - _BOTTOM) / 2
    parts.append(f'<text class="name" x="{middle_x}" y="{_HEIGHT - 6}" text-anchor="middle">{escape(x_name)}</text>')
    turned = f'transform="rotate(-90 14 {middle_y})"'
    parts.append(f'<text class="name" x="14" y="{middle_y}" text-anchor="middle" {turned}>{escape(y_name)}</text>')
    return "".join(parts)


def _x(value: float, most: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * value / most


def _y(value: float, most: float) -> float:
    return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * max(0.0, value) / most


def _round_up(value: float) -> float:
    """Return a round number, a multiple of the ticks, that is not below ``value``."""
    if value < _LEAST:
        return 1.0
    step = value / _N_TICKS
    power = 10.0 ** math.floor(math.log10(step))
    for factor in (1, 2, 2.5, 4, 5, 8, 10):
        if factor * power >= step * (1 - 1e-9):
            return factor * power * _N_TICKS
    raise AssertionError("ten times the power is above the step")
