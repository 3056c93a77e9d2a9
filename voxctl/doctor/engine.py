"""The recognisers of this machine: the bundled one tried out, vLLM looked for."""

from __future__ import annotations

import math
import time
from array import array
from collections.abc import AsyncIterator
from pathlib import Path

from voxctl.audio.pcm import SAMPLE_RATE_HZ, Chunk, Rechunker
from voxctl.connect import embedded
from voxctl.doctor.check import Check, Finding, Status
from voxctl.errors import EngineUnavailable
from voxctl.events import Done
from voxctl.serving.vllm_found import driver_seen, find_gpu, require_vllm, version_of
from voxctl.serving.vllm_models import TESTED
from voxctl.session.policy import Policy
from voxctl.session.session import open_session

#: The sound of the self-test.
SOUND_S = 3.0
#: Formants of a few vowels, in Hz.
_VOWELS = ((700, 1220, 2600), (300, 2300, 3000), (450, 800, 2830), (530, 1840, 2480))
_BANDWIDTHS = (80, 100, 140)
_SYLLABLE_S = 0.22


def engine_checks(*, needed: bool, vllm: Path | None = None) -> list[Check]:
    """Return the checks of the recognisers. ``needed``: the bundled one is what would transcribe.

    ``vllm`` is the command that was named, if one was.
    """
    busy = "is the machine very busy? `voxctl serve` says more."
    return [
        Check("recogniser", self_test, needed=needed, limit_s=11.0, late=busy),
        Check("vLLM", lambda: _vllm(vllm), needed=vllm is not None, limit_s=8.0, late="vllm --version"),
        Check("GPU", _gpu, late="nvidia-smi"),
    ]


async def self_test() -> Finding:
    """Transcribe a generated sound with the bundled recogniser, over its real server and a real session.

    The sound is a voice without words, so words prove nothing: that all of it is acknowledged to its end does, and
    how long that takes.
    """
    began = time.monotonic()
    async with embedded() as connect:
        ready_s = time.monotonic() - began
        async with open_session(connect, _chunks(), policy=Policy(resume=False)) as session:
            events = [event async for event in session]
        took_s = time.monotonic() - began - ready_s
    done = events[-1]
    if not isinstance(done, Done) or not done.complete or not done.usage.completion_tokens:
        raise EngineUnavailable(
            "the bundled recogniser did not answer all of the sound", hint="`voxctl serve` says more."
        )
    speed = SOUND_S / took_s
    found = f"bundled: ready in {ready_s:.1f} s, {speed:.1f}x real time"
    if speed < 1:
        return Finding(Status.NOTE, f"{found}, which is slower than speech", "give it a machine that is less busy.")
    return Finding(Status.OK, found)


async def _chunks() -> AsyncIterator[Chunk]:
    cutter = Rechunker(80)
    for chunk in cutter.feed(voice(SOUND_S)) + cutter.finish():
        yield chunk


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


async def _vllm(named: Path | None) -> Finding:
    executable = require_vllm(named)
    version = await version_of(executable)
    found = f"{version.text} ({executable})"
    if version.release < TESTED:
        return Finding(Status.FAILED, f"{found}: {OLD_VLLM}", NEWER_VLLM)
    return Finding(Status.OK, found)


_LEAST = ".".join(map(str, TESTED))
OLD_VLLM = f"older than {_LEAST}, before which some streams hang in silence"
NEWER_VLLM = f"pip install -U 'vllm>={_LEAST}'"


async def _gpu() -> Finding:
    gpu = await find_gpu()
    if gpu is not None:
        return Finding(Status.OK, f"{gpu.name}, {gpu.total_gib:.0f} GiB, {gpu.free_gib:.0f} free")
    if driver_seen():
        return Finding(Status.NOTE, "a driver is loaded, but nvidia-smi shows no GPU", "nvidia-smi")
    return Finding(Status.NOTE, "none of NVIDIA's; Voxtral needs one", "transcribe on another machine: --url.")
