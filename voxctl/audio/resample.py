"""Any rate and any number of channels in, 16 kHz mono out, as a stream."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

from voxctl.audio.pcm import SAMPLE_RATE_HZ

Samples = NDArray[np.float32]

# 40 dB over full scale: no sound is that loud, but a broken float file can hold 1e38, which would overflow a filter.
_LOUDEST = 100.0


class ResampleStream:
    """Blocks of ``rate_hz`` in, blocks of 16 kHz mono out; the sum does not depend on how the input was cut.

    Channels are averaged. soxr at its HQ setting keeps what would alias more than 100 dB down and holds back up to
    120 ms of a telephone's 8 kHz (less at higher rates), which ``finish`` returns.
    """

    def __init__(self, rate_hz: int, n_channels: int) -> None:
        self._n_channels = n_channels
        self._soxr: soxr.ResampleStream | None = None
        if rate_hz != SAMPLE_RATE_HZ:
            self._soxr = soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32", quality="HQ")

    def feed(self, block: Samples) -> Samples:
        """Take a block shaped (frames, channels), or (frames,) for mono, and return what is ready."""
        return self._resampled(self._mono(block.reshape(-1, self._n_channels)), last=False)

    def finish(self) -> Samples:
        """Return what was held back; nothing may be fed afterwards."""
        return self._resampled(np.zeros(0, np.float32), last=True)

    def _mono(self, block: Samples) -> Samples:
        # Before the filter: there, one NaN would spread over its whole length and an infinity would become NaN.
        sane: Samples = np.minimum(np.maximum(block, -_LOUDEST), _LOUDEST, dtype=np.float32)
        sane[np.isnan(sane)] = 0.0
        if self._n_channels == 1:
            return sane[:, 0]
        # Added one by one: numpy's own mean may group a sum differently from one block length to the next.
        total = sane[:, 0].copy()
        for channel in range(1, self._n_channels):
            total += sane[:, channel]
        return total / np.float32(self._n_channels)

    def _resampled(self, mono: Samples, *, last: bool) -> Samples:
        if self._soxr is None:
            return mono
        out: Samples = self._soxr.resample_chunk(np.ascontiguousarray(mono), last=last)
        return out
