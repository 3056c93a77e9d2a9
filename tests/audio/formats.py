"""Writes one clip as any sound file that voxctl should read; for every test that needs "the same words, otherwise"."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

Samples = NDArray[np.float32]

CLIP = Path(__file__).parents[2] / "examples" / "sense-and-sensibility.wav"
CLIP_TEXT = CLIP.with_suffix(".txt")


@dataclass(frozen=True)
class Variant:
    """One way to store the clip; ``min_snr_db`` is how close the decoded sound must come to the clip."""

    format: str
    subtype: str
    min_snr_db: float
    rate_hz: int = 16_000
    n_channels: int = 1

    @property
    def label(self) -> str:
        """A name that is good for a file and for a test."""
        stereo = {1: "mono", 2: "stereo"}.get(self.n_channels, f"{self.n_channels}ch")
        return f"{self.format}-{self.subtype}-{self.rate_hz}-{stereo}".lower()


_LOSSLESS_DB = 80.0
_16_BIT_DB = 45.0
_CODEC_DB = 10.0

VARIANTS = [
    *(Variant("WAV", f"PCM_{bits}", _LOSSLESS_DB) for bits in (16, 24, 32)),
    Variant("WAV", "PCM_U8", 20.0),
    Variant("WAV", "FLOAT", _LOSSLESS_DB),
    Variant("WAV", "DOUBLE", _LOSSLESS_DB),
    Variant("WAV", "ULAW", 30.0),
    Variant("WAV", "ALAW", 30.0),
    Variant("WAV", "IMA_ADPCM", 15.0),
    Variant("WAVEX", "PCM_16", _LOSSLESS_DB),
    *(Variant(name, "PCM_16", _LOSSLESS_DB) for name in ("RF64", "W64", "AIFF", "CAF", "AU", "FLAC")),
    Variant("CAF", "ALAC_16", _LOSSLESS_DB),
    Variant("OGG", "VORBIS", _CODEC_DB),
    Variant("OGG", "OPUS", _CODEC_DB),
    Variant("MP3", "MPEG_LAYER_III", _CODEC_DB),
    *(Variant("WAV", "PCM_16", _16_BIT_DB, rate) for rate in (8_000, 11_025, 22_050, 44_100, 48_000, 96_000)),
    *(Variant("WAV", "PCM_16", _16_BIT_DB, rate, 2) for rate in (8_000, 16_000, 44_100, 48_000)),
    Variant("WAV", "PCM_24", _16_BIT_DB, 48_000, 6),
    Variant("FLAC", "PCM_24", _16_BIT_DB, 44_100, 2),
    Variant("OGG", "VORBIS", _CODEC_DB, 44_100, 2),
    Variant("OGG", "OPUS", _CODEC_DB, 48_000, 2),
    Variant("MP3", "MPEG_LAYER_III", _CODEC_DB, 44_100, 2),
]


def clip_samples() -> Samples:
    """Return the example clip: mono, 16 kHz, in -1..1."""
    samples: Samples = soundfile.read(CLIP, dtype="float32")[0]
    return samples


def write_variant(
    samples: Samples,
    rate_hz: int,
    path: Path,
    format: str,  # noqa: A002 - soundfile's own word for it
    subtype: str,
    rate_out_hz: int,
    n_channels: int,
) -> Path:
    """Write mono ``samples`` as ``path``, resampled to ``rate_out_hz``, the same sound in every channel."""
    if rate_out_hz != rate_hz:
        samples = soxr.resample(samples, rate_hz, rate_out_hz, quality="VHQ")
    every_channel = np.repeat(samples[:, None], n_channels, axis=1)
    soundfile.write(path, every_channel, rate_out_hz, format=format, subtype=subtype)
    return path


def write(variant: Variant, samples: Samples, folder: Path) -> Path:
    """Write 16 kHz mono ``samples`` as the variant says, in ``folder``."""
    path = folder / f"{variant.label}.{variant.format.lower()}"
    return write_variant(samples, 16_000, path, variant.format, variant.subtype, variant.rate_hz, variant.n_channels)


def at_bandwidth_of(rate_hz: int, samples: Samples) -> Samples:
    """Return 16 kHz samples without what a stay at ``rate_hz`` takes away."""
    if rate_hz >= 16_000:
        return samples
    there = soxr.resample(samples, 16_000, rate_hz, quality="VHQ")
    back: Samples = soxr.resample(there, rate_hz, 16_000, quality="VHQ")
    return back


def snr_db(decoded: Samples, reference: Samples, max_lag: int = 400) -> float:
    """Compare two signals after shifting them, by at most ``max_lag`` samples, to where they fit best."""
    size = 1 << (len(decoded) + len(reference)).bit_length()
    spectrum = np.fft.rfft(decoded, size) * np.conj(np.fft.rfft(reference, size))
    correlation = np.fft.irfft(spectrum, size)
    lags = np.arange(-max_lag, max_lag + 1)
    lag = int(lags[np.argmax(correlation[lags])])
    ours, theirs = (decoded[lag:], reference) if lag >= 0 else (decoded, reference[-lag:])
    n_both = min(len(ours), len(theirs))
    noise = ours[:n_both].astype(np.float64) - theirs[:n_both]
    power = float(np.mean(theirs[:n_both].astype(np.float64) ** 2))
    return float(10 * np.log10(power / max(float(np.mean(noise**2)), 1e-20)))
