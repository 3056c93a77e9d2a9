"""Which of Docker with buildx, Docker and podman is here and works."""

from __future__ import annotations

import json
import shutil

from voxctl.errors import BuildFailed, VoxError
from voxctl.image.commands import Builder, Engine
from voxctl.image.process import Answer, asked
from voxctl.image.signs import error_from

_ASK_S = 10.0
_INSTALL = "install Docker (https://docs.docker.com/engine/install) or podman"
_REMOTE = "or build in AWS: voxctl build --builder codebuild"
_CONTAINERD = "io.containerd.snapshotter"


async def found_engine(wanted: Builder | None) -> Engine:
    """Return the builder that was asked for, or the best that works. Raises ``BuildFailed`` if there is none."""
    if wanted is Builder.PODMAN:
        return await _podman()
    if wanted is not None:
        return await _docker(wanted)
    try:
        return await _docker(None)
    except VoxError:
        # What is the matter with Docker is of interest only where podman is no help.
        if not shutil.which("podman"):
            raise
        return await _podman()


async def _docker(wanted: Builder | None) -> Engine:
    if not shutil.which("docker"):
        raise BuildFailed("Docker is not installed", hint=f"{_INSTALL}; {_REMOTE}.")
    answer = await asked(["docker", "--version"], limit_s=_ASK_S)
    if answer and "podman" in answer.out.lower():  # podman under Docker's name
        return await _podman()
    version = _said("docker", await asked(["docker", "version", "--format", "{{.Server.Version}}"], limit_s=_ASK_S))
    buildx = await asked(["docker", "buildx", "version"], limit_s=_ASK_S)
    has_buildx = buildx is not None and buildx.code == 0
    if wanted is Builder.BUILDX and not has_buildx:
        raise error_from(["'buildx' is not a docker command"], "docker buildx version", None)
    if has_buildx and wanted is not Builder.DOCKER:
        return Engine(Builder.BUILDX, version, await _context())
    return Engine(Builder.DOCKER, version, keeps_oci=await _keeps_oci())


async def _context() -> str:
    answer = await asked(["docker", "context", "show"], limit_s=_ASK_S)
    return answer.out if answer and answer.code == 0 and answer.out else "default"


async def _keeps_oci() -> bool:
    answer = await asked(["docker", "info", "--format", "{{json .DriverStatus}}"], limit_s=_ASK_S)
    try:
        status = json.loads(answer.out) if answer else None
    except ValueError:
        return False
    return any(_CONTAINERD in str(pair) for pair in status or ())


async def _podman() -> Engine:
    if not shutil.which("podman"):
        raise BuildFailed("podman is not installed", hint=f"{_INSTALL}; {_REMOTE}.")
    version = _said("podman", await asked(["podman", "info", "--format", "{{.Version.Version}}"], limit_s=_ASK_S))
    return Engine(Builder.PODMAN, version)


def _said(program: str, answer: Answer | None) -> str:
    if answer is None:
        raise BuildFailed(
            f"{program} does not answer within {_ASK_S:g} s", hint=f"is its engine stuck? Restart it; {_REMOTE}."
        )
    if answer.code or not answer.out:
        raise error_from(answer.err.splitlines(), f"{program} does not work: asking its version", answer.code)
    return answer.out.splitlines()[-1]
