"""The figures on vLLM's own ``/metrics``, read when somebody asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate
from typing import Any, Protocol

from gateway.figures import LAG_BOUNDS_S, QUANTILES, Figures


class Source(Protocol):
    """What is shown."""

    figures: Figures

    @property
    def sound_s(self) -> float:
        """All the sound that was taken."""

    @property
    def waiting_s(self) -> float:
        """The most sound that waits in any one stream."""


@contextmanager
def exposed(source: Source, max_streams: int | None) -> Iterator[None]:
    """Show the figures for as long as the context is open; without Prometheus's library there is nowhere to."""
    try:
        from prometheus_client import REGISTRY
    except ImportError:
        yield
        return
    collector = _Collector(source, max_streams)
    REGISTRY.register(collector)
    try:
        yield
    finally:
        REGISTRY.unregister(collector)


class _Collector:
    def __init__(self, source: Source, max_streams: int | None) -> None:
        self._source = source
        self._max_streams = max_streams

    def collect(self) -> Iterator[Any]:
        """Yield every metric as it is now."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        figures = self._source.figures
        yield GaugeMetricFamily("voxctl_ready", "Whether an utterance was transcribed since the start.", figures.ready)
        yield GaugeMetricFamily("voxctl_active_streams", "Streams that are open.", figures.n_active)
        about = "The most sound that waits in any stream, in seconds, the model's delay included."
        yield GaugeMetricFamily("voxctl_waiting_seconds", about, self._source.waiting_s)
        if self._max_streams:
            yield GaugeMetricFamily("voxctl_max_streams", "Streams that may be open.", self._max_streams)
        for name, about, value in (
            ("opened_streams", "Streams that were let in.", figures.n_opened),
            ("refused_streams", "Streams that were turned away because all were taken.", figures.n_refused),
            ("held_back", "Times that a client's sound was left unread until the model had caught up.", figures.n_held),
            ("audio_seconds", "Sound that was taken, in seconds.", self._source.sound_s),
            ("missed_keepalives", "Streams that left a ping without an answer.", figures.ends["keepalive"]),
        ):
            yield CounterMetricFamily(f"voxctl_{name}", about, value)
        ended = CounterMetricFamily("voxctl_ended_streams", "Streams that are over, by how.", labels=["reason"])
        for reason, n_ended in figures.ends.items():
            ended.add_metric([reason], n_ended)
        yield ended
        upto = accumulate(figures.lag.counts)
        buckets = list(zip([*map(str, LAG_BOUNDS_S), "+Inf"], upto, strict=True))
        about = "From the sound of a delta to the delta, in seconds; sound that came faster than speech left out."
        yield HistogramMetricFamily("voxctl_delta_lag_seconds", about, buckets=buckets, sum_value=figures.lag.sum_s)
        lately = GaugeMetricFamily("voxctl_delta_lag_lately_seconds", "The same, of late.", labels=["quantile"])
        for quantile in QUANTILES:
            lag_s = figures.lately.quantile_s(quantile)
            lately.add_metric([str(quantile)], float("nan") if lag_s is None else lag_s)
        yield lately
