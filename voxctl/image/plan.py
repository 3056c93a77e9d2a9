"""What a build is going to do, as data: shown by ``--dry-run``, otherwise carried out in its order. Pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from enum import StrEnum

from voxctl.errors import BuildFailed, UsageError
from voxctl.image.commands import (
    Builder,
    Engine,
    Recipe,
    build_command,
    login_command,
    push_command,
)
from voxctl.image.names import ImageName, ecr_of, host_of


class Action(StrEnum):
    """What a step does."""

    LOGIN = "log in"
    BUILD = "build"
    REPOSITORY = "make repository"
    PUSH = "push"
    CHECK = "check"
    BUCKET = "make bucket"
    ROLE = "make role"
    PROJECT = "make project"
    UPLOAD = "upload"
    REMOTE = "build in AWS"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is done: what a person reads of it, and the command where it is one, here or in AWS.

    ``place`` is a registry.
    """

    action: Action
    text: str
    command: tuple[str, ...] = ()
    place: str = ""

    @property
    def shown(self) -> str:
        """The step in a line, its command as it would be typed."""
        return f"{self.text}: {shlex.join(self.command)}" if self.command else self.text


def plan_here(engine: Engine, recipe: Recipe, *, push: bool, has_repository: bool) -> tuple[Step, ...]:
    """Return the steps of a build on this machine. Raises ``BuildFailed`` for one that could only fail in the end."""
    if push and engine.builder is Builder.DOCKER and engine.keeps_oci:
        raise BuildFailed(
            "without buildx this Docker keeps images in OCI's form, which SageMaker refuses",
            hint="install buildx (https://docs.docker.com/go/buildx); or voxctl build --builder codebuild --push.",
        )
    image = recipe.image
    steps = [
        Step(Action.LOGIN, f"log in to {host}", login_command(engine, host), host) for host in logins(recipe, push=push)
    ]
    if push and not has_repository:  # before the build, which takes longer than learning that it may not be made
        steps.append(repository_step(image))
    steps.append(Step(Action.BUILD, f"build {image}", build_command(engine, recipe)))
    if push:
        steps += [Step(Action.PUSH, f"push {image}", push_command(engine, image)), check_step(image)]
    return tuple(steps)


def repository_step(image: ImageName) -> Step:
    """Return the step that makes the repository of an image."""
    return Step(
        Action.REPOSITORY, f"make the repository {image.repository} in {image.host}, which scans what is pushed"
    )


def check_step(image: ImageName) -> Step:
    """Return the step that looks at what the registry has got."""
    return Step(Action.CHECK, f"read the manifest of {image} back, and see that SageMaker takes it")


def check_pushable(image: ImageName) -> None:
    """Raise ``UsageError`` for a name that is in another registry than ECR's."""
    if image.host and image.ecr is None:
        raise UsageError(
            f"--push pushes to Amazon ECR, from which SageMaker takes images, and {image.host} is none of it",
            hint=f"--tag {image.repository}:{image.tag}, which goes to your own registry there.",
        )


def logins(recipe: Recipe, *, push: bool) -> list[str]:
    """Return the registries that give nothing to strangers: the base image's where it is in ECR, and ours to push."""
    base = host_of(recipe.base_image or "")
    hosts = [base] if ecr_of(base) else []
    return list(dict.fromkeys([*hosts, *([recipe.image.host] if push else [])]))
