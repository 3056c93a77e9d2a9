"""The command lines of docker and podman, and what they need in their environment. Pure; no secret is in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from voxctl.image.names import ImageName


class Builder(StrEnum):
    """What builds: Docker with BuildKit, Docker without it, or podman."""

    BUILDX = "buildx"
    DOCKER = "docker"
    PODMAN = "podman"


@dataclass(frozen=True, slots=True)
class Engine:
    """A builder that works. ``context`` is the engine that Docker's client speaks to.

    ``keeps_oci``: without BuildKit it would write images in a form that SageMaker refuses.
    """

    builder: Builder
    version: str = ""
    context: str = "default"
    keeps_oci: bool = False

    @property
    def program(self) -> str:
        """The command."""
        return "podman" if self.builder is Builder.PODMAN else "docker"

    def __str__(self) -> str:
        how = " with buildx" if self.builder is Builder.BUILDX else ""
        return f"{self.program} {self.version}".strip() + how


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is built: the ``folder`` of the Dockerfile and all it copies. No ``base_image``: the Dockerfile's own."""

    folder: str
    image: ImageName
    platform: str
    base_image: str | None = None


def build_command(engine: Engine, recipe: Recipe) -> tuple[str, ...]:
    """Return the command that builds an image and keeps it in the engine, in Docker's form, not in OCI's."""
    arguments = ("--build-arg", f"BASE_IMAGE={recipe.base_image}") if recipe.base_image else ()
    name = str(recipe.image)
    how: tuple[str, ...]
    what: tuple[str, ...] = ("--tag", name)
    match engine.builder:
        case Builder.BUILDX:
            # The engine's own BuildKit: others may not hand over the image. An attestation would make an OCI index.
            how = ("buildx", "build", "--builder", engine.context, "--provenance=false", "--progress=plain")
            what = ("--output", f"type=image,name={name},oci-mediatypes=false")
        case Builder.DOCKER:
            how = ("build",)
        case Builder.PODMAN:
            how = ("build", "--format", "docker")
    return (engine.program, *how, "--platform", recipe.platform, *arguments, *what, recipe.folder)


def push_command(engine: Engine, image: ImageName) -> tuple[str, ...]:
    """Return the command that pushes an image."""
    form = ("--format", "v2s2") if engine.builder is Builder.PODMAN else ()
    return (engine.program, "push", *form, str(image))


def login_command(engine: Engine, host: str, user: str = "AWS") -> tuple[str, ...]:
    """Return the command that logs in to a registry and reads the password from its standard input."""
    return (engine.program, "login", "--username", user, "--password-stdin", host)


def identity_command(engine: Engine, image: ImageName) -> tuple[str, ...]:
    """Return the command that writes the digest of an image that the engine has."""
    return (engine.program, "image", "inspect", "--format", "{{.Id}}", str(image))


def environment_for(engine: Engine) -> Mapping[str, str]:
    """Return the variables with which the commands do what they say, whatever is set otherwise."""
    return {} if engine.builder is Builder.PODMAN else {"DOCKER_BUILDKIT": str(int(engine.builder is Builder.BUILDX))}
