"""Of what a build or a push died, as the output of docker, buildx and podman tells it. Pure: lines in, an error out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from voxctl.errors import AwsError, BuildFailed, VoxError

_REMOTE = "or build in AWS: voxctl build --builder codebuild"


@dataclass(frozen=True, slots=True)
class _Sign:
    pattern: str
    message: str
    hint: str
    aws: bool = False

    def error_in(self, line: str, where: str) -> VoxError | None:
        found = re.search(self.pattern, line)
        if found is None:
            return None
        message = self.message.format(**{key: value or "" for key, value in found.groupdict().items()})
        return (AwsError if self.aws else BuildFailed)(f"{message}{where}", hint=self.hint)


#: The first sign in this order wins, wherever in the output it stands: what comes last there is seldom the cause.
_SIGNS = (
    _Sign(
        r"(?i)no space left on device|disk quota exceeded",
        "the disk on which images are kept is full",
        f"`docker system df` shows what takes it and `docker system prune` makes room (podman has both); {_REMOTE}.",
    ),
    _Sign(
        r"(?i)permission denied while trying to connect to the docker",
        "Docker runs, but this user may not use it",
        "sudo usermod -aG docker $USER, and log in again.",
    ),
    _Sign(
        r"(?i)cannot connect to the docker daemon|is the docker daemon running|cannot connect to podman",
        "the engine is installed, but does not run",
        f"sudo systemctl start docker, or start Docker Desktop (podman machine start); {_REMOTE}.",
    ),
    _Sign(
        r"buildx component is missing or broken|'buildx' is not a docker command|unknown flag: --provenance",
        "this Docker has no buildx",
        "install the plugin (https://docs.docker.com/go/buildx), or say --builder docker.",
    ),
    _Sign(
        r"(?i)cannot be overwritten because the repository is immutable|ImageTagAlreadyExists",
        "the tag is taken, and the repository lets no tag be moved to another image",
        "give the image a tag of its own with --tag.",
    ),
    _Sign(
        r"(?i)error (?:storing|saving) credentials|docker-credential-\S+.* executable file not found",
        "Docker cannot keep the login with the helper that its configuration names",
        "mend the helper, or remove credsStore from ~/.docker/config.json.",
    ),
    _Sign(
        r"is not authorized to perform: (?P<action>[a-z0-9-]+:\w+)",
        "the registry refuses: you may not {action}",
        "have the action allowed for you, or choose other keys with --profile.",
        aws=True,
    ),
    _Sign(
        r"(?i)authorization token has expired|no basic auth credentials|authentication required|401 unauthorized"
        r"|incorrect username or password",
        "the registry does not take the login",
        "run the command again, which logs in anew; `aws sts get-caller-identity` says who you are.",
        aws=True,
    ),
    _Sign(
        r"(?i)toomanyrequests|rate exceeded|data limit exceeded",
        "the registry of the base image has given enough to this address for now",
        "try again in a moment; who is logged in gets more: aws ecr-public get-login-password | docker login …",
    ),
    _Sign(
        r"(?i)name unknown|repository with name .* does not exist",
        "the registry has no such repository",
        "check --tag, --region and --profile; --push makes a repository in your own registry.",
        aws=True,
    ),
    _Sign(
        r"manifest for (?P<image>\S+) not found|failed to solve: (?P<solved>[^\s:]+(?::[^\s:]+)?): .*: not found"
        r"|reading manifest (?P<podman>\S+ in \S+): manifest unknown",
        "there is no base image {image}{solved}{podman}",
        "name one that is there with --base-image.",
    ),
    _Sign(
        r"(?i)no match for platform|does not match the specified platform",
        "the base image is not made for this platform",
        "name another with --base-image, or another --platform; SageMaker's GPUs need linux/amd64.",
    ),
    _Sign(
        r"(?i)x509: |certificate signed by unknown authority",
        "the engine does not trust the registry's certificate",
        "give the engine the authority: /etc/docker/certs.d/REGISTRY/ca.crt, or the system's own certificates.",
    ),
    _Sign(
        r"(?i)no such host|i/o timeout|connection refused|tls handshake timeout|network is unreachable"
        r"|server misbehaving|connection reset by peer",
        "the engine cannot reach a registry",
        "check the network of the engine, and its proxy: https://docs.docker.com/engine/daemon/proxy.",
    ),
    _Sign(
        r"(?i)\bdenied\b|403 forbidden",
        "the registry refuses",
        "check that you may push there: --profile chooses keys, --tag the place.",
        aws=True,
    ),
)


def error_from(lines: Iterable[str], what: str, code: int | None, log: str | None = None) -> VoxError:
    """Return the error for ``what`` failed with exit ``code`` and these lines of output, which are kept in ``log``."""
    output = list(lines)
    where = f" (log: {log})" if log else ""
    for sign in _SIGNS:
        for line in output:
            if error := sign.error_in(line, where):
                return error
    last = next((line for line in reversed(output) if line.strip()), "it says nothing")
    ended = "" if code is None else f" with exit code {code}"
    return BuildFailed(f"{what} failed{ended}: {last}{where}", hint=f"read {log}" if log else "voxctl doctor")
