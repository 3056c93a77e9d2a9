"""What is installed: sounddevice and Docker in every state, as programs and packages that really run."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.doctor.conftest import Put
from voxctl.doctor.check import Check, Finding, Status, examined
from voxctl.doctor.containers import buildx, container_checks, engine
from voxctl.doctor.engine import engine_checks
from voxctl.doctor.machine import EXTRAS, machine_checks, microphone

DEVICES = (
    '[{"name": n, "max_input_channels": c} for n, c in (("Mic A", 1), ("Speaker", 0), ("B", 2), ("C", 1), ("D", 1))]'
)


async def ends(number: int, limit_s: float = 3.0) -> bool:
    """Return whether the process of that number is gone within ``limit_s``."""
    for _ in range(round(limit_s / 0.02)):
        if not psutil.pid_exists(number) or psutil.Process(number).status() == psutil.STATUS_ZOMBIE:
            return True
        await asyncio.sleep(0.02)
    return False


async def found(checks: list[Check], name: str) -> Finding:
    (result,) = await examined([check for check in checks if check.name == name])
    return result.finding


@pytest.mark.parametrize(
    ("module", "status", "words", "cure"),
    [
        ("raise ImportError('no')", Status.NOTE, "not installed", "voxctl[mic]"),
        (
            "raise OSError('PortAudio library not found')",
            Status.NOTE,
            "library not found",
            "sudo dnf install portaudio",
        ),
        (f"def query_devices(): return {DEVICES}", Status.OK, "Mic A, B, C and 1 more", ""),
        ("def query_devices(): return []", Status.NOTE, "no device that hears", "microphone"),
        ("def query_devices(): raise RuntimeError('Error -9999')", Status.NOTE, "RuntimeError: Error -9999", "dnf"),
        ("import os; os.abort()", Status.NOTE, "no reason given", "dnf"),
        ("print('ALSA says much')\ndef query_devices(): return []", Status.NOTE, "no device that hears", ""),
    ],
)
async def test_a_microphone_needs_its_extra_portaudio_and_a_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, put: Put, module: str, status: Status, words: str, cure: str
) -> None:
    if sys.platform == "darwin":
        pytest.skip("the lines that install PortAudio are those of Linux")
    put("dnf", "exit 1")
    (tmp_path / "sounddevice.py").write_text(module)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    finding = await microphone()
    assert finding.status is status and words in finding.found and cure in finding.cure
    assert bool(finding.cure) == (status is not Status.OK)


async def test_a_file_in_this_folder_is_not_taken_for_sounddevice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sounddevice.py").write_text("open('run', 'w')")
    monkeypatch.chdir(tmp_path)
    await microphone()
    assert not (tmp_path / "run").exists()


async def test_a_sound_library_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = tmp_path / "pid"
    (tmp_path / "sounddevice.py").write_text(
        f"import os, time, pathlib\npathlib.Path({str(pid)!r}).write_text(str(os.getpid()))\ntime.sleep(60)"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    began = time.monotonic()
    (result,) = await examined([Check("microphone", microphone, limit_s=2.0)])
    assert result.finding.found == "no answer within 2 s" and time.monotonic() - began < 5
    assert await ends(int(pid.read_text()))


async def test_what_is_installed_is_named_with_its_version() -> None:
    results = {r.check.name: r.finding for r in await examined([c for c in machine_checks() if c.name != "microphone"])}
    assert results["Python"].found.startswith(f"{sys.version_info.major}.{sys.version_info.minor}.")
    assert results["extra media"].found.startswith("av ") and "h2 " in results["extra stand-in"].found
    assert {finding.status for finding in results.values()} == {Status.OK}
    assert len(EXTRAS) == 2


@pytest.mark.parametrize(
    ("script", "status", "words", "cure"),
    [
        ("echo 27.1", Status.OK, "docker 27.1", ""),
        (
            "echo; echo 'permission denied while trying to connect to the Docker daemon socket' >&2; exit 1",
            Status.NOTE,
            "may not use it",
            "usermod -aG docker",
        ),
        (
            "echo 'Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?' >&2; exit 1",
            Status.NOTE,
            "does not run",
            "systemctl start docker",
        ),
        ("echo one >&2; echo 'a new refusal' >&2; exit 1", Status.NOTE, "docker: a new refusal", "docker info"),
        ("echo 27.1; exit 1", Status.NOTE, "gives no reason", "docker info"),
    ],
)
async def test_docker_is_there_running_and_allowed_or_not(
    put: Put, script: str, status: Status, words: str, cure: str
) -> None:
    if sys.platform == "darwin":
        pytest.skip("the cures are those of Linux")
    put("docker", script)
    finding = await engine()
    assert finding.status is status and words in finding.found and cure in finding.cure


async def test_podman_stands_in_for_docker(put: Put) -> None:
    nothing = await engine()
    assert nothing.status is Status.NOTE and "neither" in nothing.found
    assert (await found(container_checks(), "buildx")).found == "there is no Docker"
    put("podman", 'test "$1" = info && echo 5.2')
    assert (await engine()).found == "podman 5.2"
    assert (await found(container_checks(), "buildx")).status is Status.SKIPPED


async def test_buildx_is_there_or_not(put: Put) -> None:
    put("docker", 'test "$1 $2" = "buildx version" && echo github.com/docker/buildx v0.13.1 abc')
    assert await buildx() == Finding(Status.OK, "v0.13.1")
    put("docker", "echo \"docker: 'buildx' is not a docker command.\" >&2; exit 1")
    assert (await buildx()).status is Status.NOTE


async def test_a_docker_that_hangs_is_a_note_and_is_ended_with_its_children(put: Put, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    put("docker", f"/bin/sleep 60 & echo $! > {pid}; wait")
    (result,) = await examined([Check("containers", engine, limit_s=1.0)])
    assert result.finding == Finding(Status.NOTE, "no answer within 1 s")
    assert await ends(int(pid.read_text()))


# vLLM and the GPU.


async def test_a_vllm_of_an_older_release_is_told_of(put: Put) -> None:
    vllm = put("vllm", "echo vLLM 0.31.4")
    finding = await found(engine_checks(needed=False), "vLLM")
    assert finding.status is Status.NOTE and "0.31.4" in finding.found and "0.32" in finding.cure
    assert (await found(engine_checks(needed=False, vllm=vllm), "vLLM")).status is Status.FAILED
    put("vllm", "echo 0.32.1+cpu")
    assert (await found(engine_checks(needed=False), "vLLM")).status is Status.OK


async def test_a_vllm_that_was_named_must_be_there(put: Put, tmp_path: Path) -> None:
    assert (await found(engine_checks(needed=False), "vLLM")).status is Status.NOTE
    finding = await found(engine_checks(needed=False, vllm=tmp_path / "none"), "vLLM")
    assert finding.status is Status.FAILED and "--vllm" in finding.cure


async def test_a_gpu_is_told_with_its_memory(put: Put) -> None:
    assert (await found(engine_checks(needed=False), "GPU")).status is Status.NOTE
    put("nvidia-smi", "echo '0, GPU-1, 24576, 20480, NVIDIA L4'")
    assert await found(engine_checks(needed=False), "GPU") == Finding(Status.OK, "NVIDIA L4, 24 GiB, 20 free")
