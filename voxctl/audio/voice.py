"""A voice without words, for when some sound of speech is needed and none is at hand."""

from __future__ import annotations

import math
from array import array

from voxctl.audio.pcm import SAMPLE_RATE_HZ

#: Formants of a few vowels, in Hz.
_VOWELS = ((700, 1220, 2600), (300, 2300, 3000), (450, 800, 2830), (530, 1840, 2480))
_BANDWIDTHS = (80, 100, 140)
_SYLLABLE_S = 0.22


def voice(length_s: float) -> bytes:
    """Return a voice that says vowels, as 16 kHz mono PCM16: pulses of the glottis through three resonances."""
    samples = array("h", bytes(2 * round(length_s * SAMPLE_RATE_HZ)))
    memory = [[0.0, 0.0] for _ in _BANDWIDTHS]
    phase = 0.0
    per_syllable = round(_SYLLABLE_S * SAMPLE_RATE_HZ)
    for n in range(len(samples)):
        syllable, at = divmod(n, per_syllable)
        if at == 0:
            filters = [_resonance(f, b) for f, b in zip(_VOWELS[syllable % len(_VOWELS)], _BANDWIDTHS, strict=True)]
        phase += (130 - 25 * n / len(samples)) / SAMPLE_RATE_HZ
        signal = 1.0 if phase >= 1 else 0.0
        phase %= 1.0
        for (gain, a, b), past in zip(filters, memory, strict=True):
            signal = gain * signal + a * past[0] + b * past[1]
            past[0], past[1] = signal, past[0]
        loudness = math.sin(math.pi * at / per_syllable) ** 0.5
        samples[n] = max(-32768, min(32767, round(signal * loudness * 20_000)))
    return samples.tobytes()


def _resonance(frequency_hz: float, bandwidth_hz: float) -> tuple[float, float, float]:
    radius = math.exp(-math.pi * bandwidth_hz / SAMPLE_RATE_HZ)
    a = 2 * radius * math.cos(2 * math.pi * frequency_hz / SAMPLE_RATE_HZ)
    return 1 - a + radius * radius, a, -radius * radius
