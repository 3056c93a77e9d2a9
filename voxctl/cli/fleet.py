"""Endpoints in words: the cells of `voxctl list` and the lines of `voxctl status`."""

from __future__ import annotations

from collections.abc import Iterator

from voxctl.aws.ends import utc
from voxctl.aws.fleet import Running
from voxctl.cli.durations import shown_duration
from voxctl.ui.text import counted

_UNKNOWN = "unknown"
_BILLED = ("InService", "Updating", "SystemUpdating", "RollingBack", "Creating")


def cells(endpoint: Running, now_s: float) -> dict[str, str]:
    """Return the row of an endpoint, by the heads of its columns."""
    return {
        "name": endpoint.name,
        "region": endpoint.region,
        "status": endpoint.status,
        "instances": f"{endpoint.instances}/{endpoint.wanted_instances} {endpoint.instance_type}",
        "age": shown_duration(now_s - endpoint.made_s),
        "$/h": _usd(endpoint.usd_per_hour),
        "spent": _usd(endpoint.spent_usd(now_s)),
        "streams": _streams(endpoint),
        "left": _left(endpoint, now_s),
    }


def lines(endpoint: Running, now_s: float) -> Iterator[tuple[str, str]]:
    """Yield what there is to know of an endpoint, each with its name."""
    numbers = endpoint.numbers
    yield "endpoint", f"{endpoint.name} in {endpoint.region}"
    yield "status", f"{endpoint.status}{f': {endpoint.reason}' if endpoint.reason else ''}"
    yield "instances", f"{endpoint.instances} of {endpoint.wanted_instances}, {endpoint.instance_type}"
    yield "image", endpoint.image or _UNKNOWN
    yield "streams", _streams(endpoint)
    yield "errors", _UNKNOWN if numbers.mid_stream_errors is None else f"{numbers.mid_stream_errors} in the last minute"
    yield "GPU", f"{_percent(numbers.gpu_percent)} busy, {_percent(numbers.gpu_memory_percent)} of its memory"
    yield "age", shown_duration(now_s - endpoint.made_s)
    yield "price", f"{_usd(endpoint.usd_per_hour)} an hour, {_usd(endpoint.spent_usd(now_s))} so far"
    ends = "" if endpoint.ends_s is None else f", at {utc(endpoint.ends_s)} UTC"
    yield "left", f"{_left(endpoint, now_s)}{ends}"


def _streams(endpoint: Running) -> str:
    n_streams = endpoint.numbers.open_streams
    if n_streams is None:
        return _UNKNOWN
    return counted(n_streams, "stream") if n_streams or endpoint.status not in _BILLED else "idle"


def _left(endpoint: Running, now_s: float) -> str:
    return "no end" if endpoint.ends_s is None else shown_duration(endpoint.ends_s - now_s)


def _usd(value: float | None) -> str:
    return _UNKNOWN if value is None else f"${value:,.2f}"


def _percent(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:.0f} %"
