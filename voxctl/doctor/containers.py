"""Docker or podman: installed, running, allowed; and buildx, without which Docker's images have the wrong form."""

from __future__ import annotations

import shutil
import sys

from voxctl.doctor.check import Check, Finding, NotLookedAt, Status
from voxctl.doctor.programs import ran

_INSTALL = "install Docker (https://docs.docker.com/engine/install) or podman, to build container images here."
_START = {"docker": "open -a Docker", "podman": "podman machine start"}
#: What a client says of the socket, in lower case → what is found, and the cure on Linux.
_REFUSALS = (
    ("permission denied", "it runs, but this user may not use it", "sudo usermod -aG docker $USER, and log in again"),
    ("is the docker daemon running", "it is installed, but does not run", "sudo systemctl start docker"),
    ("cannot connect", "it is installed, but does not run", "sudo systemctl start docker"),
)


def container_checks() -> list[Check]:
    """Return the checks of what builds container images."""
    slow = "is its daemon stuck? Restart it: sudo systemctl restart docker"
    return [Check("containers", engine, late=slow), Check("buildx", buildx, late="docker buildx version")]


async def engine() -> Finding:
    """Look for Docker, else for podman, and ask whether it works."""
    program = _program()
    if program is None:
        return Finding(Status.NOTE, "neither Docker nor podman is installed", _INSTALL)
    question = "{{.Server.Version}}" if program == "docker" else "{{.Version.Version}}"
    done = await ran([program, "version" if program == "docker" else "info", "--format", question])
    if done and done.code == 0 and done.out:
        return Finding(Status.OK, f"{program} {done.out.splitlines()[-1]}")
    said = done.err if done else "it cannot be run"
    if sys.platform == "darwin":
        return Finding(Status.NOTE, f"{program}: it is installed, but does not run", _START[program])
    for words, found, cure in _REFUSALS if program == "docker" else ():
        if words in said.lower():
            return Finding(Status.NOTE, f"{program}: {found}", cure)
    last = said.splitlines()[-1] if said else "it fails and gives no reason"
    return Finding(Status.NOTE, f"{program}: {last}", f"{program} info")


async def buildx() -> Finding:
    """Look for Docker's buildx."""
    program = _program()
    if program != "docker":
        raise NotLookedAt("podman builds without it" if program else "there is no Docker")
    done = await ran([program, "buildx", "version"])
    if done and done.code == 0:
        words = done.out.split()
        return Finding(Status.OK, words[1] if len(words) > 1 else done.out)
    return Finding(
        Status.NOTE,
        "docker has no buildx; it builds in its older way",
        "install the plugin: https://docs.docker.com/go/buildx",
    )


def _program() -> str | None:
    return next((program for program in ("docker", "podman") if shutil.which(program)), None)
