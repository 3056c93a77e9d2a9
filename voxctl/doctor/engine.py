"""The recognisers of this machine: the bundled one tried out, vLLM looked for."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

from voxctl.audio.pcm import Chunk, Rechunker
from voxctl.audio.voice import voice
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
