"""Names of images, and which of them are in Amazon ECR. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from voxctl.errors import UsageError

#: What the image is called unless it is told otherwise.
REPOSITORY = "voxctl"

_ECR_HOST = re.compile(r"(?P<account>\d{12})\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")
_PART = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_EXAMPLE = "as in --tag voxctl:v2 or --tag 123456789012.dkr.ecr.us-east-1.amazonaws.com/voxctl:v2."


@dataclass(frozen=True, slots=True)
class Ecr:
    """A private registry of Amazon ECR."""

    account: str
    region: str


@dataclass(frozen=True, slots=True)
class ImageName:
    """An image's registry, which is empty where none is named, repository and tag."""

    host: str
    repository: str
    tag: str

    def __str__(self) -> str:
        return f"{self.host}/{self.repository}:{self.tag}" if self.host else f"{self.repository}:{self.tag}"

    @property
    def ecr(self) -> Ecr | None:
        """Which registry of ECR it is in, ``None`` for another one's or none's."""
        return ecr_of(self.host)

    def at(self, host: str) -> ImageName:
        """Return the same in a registry."""
        return replace(self, host=host)


def ecr_of(host: str) -> Ecr | None:
    """Return whose registry of ECR a host is, ``None`` for one that is none."""
    found = _ECR_HOST.fullmatch(host)
    return Ecr(found["account"], found["region"]) if found else None


def host_of(image: str) -> str:
    """Return the registry that an image is named with, empty for Docker's own."""
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else ""


def parse_name(text: str | None, version: str) -> ImageName:
    """Return what ``--tag`` names: ``name``, ``name:tag``, ``registry/name:tag``. The tag is else the ``version``.

    Raises ``UsageError`` for what registries take for no name.
    """
    text = REPOSITORY if text is None else text
    host = host_of(text)
    rest = text.removeprefix(f"{host}/") if host else text
    repository, colon, tag = rest.partition(":")
    if not colon:
        tag = re.sub(r"[^A-Za-z0-9_.-]", "-", version)
    if not _REPOSITORY.fullmatch(repository):
        raise UsageError(f"--tag {text!r} names no image: a name is of small letters and digits", hint=_EXAMPLE)
    if not _TAG.fullmatch(tag):
        raise UsageError(f"--tag {text!r}: {tag!r} is no tag", hint=_EXAMPLE)
    return ImageName(host, repository, tag)
