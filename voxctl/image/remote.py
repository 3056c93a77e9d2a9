"""A build in AWS: the commands that run there, and what is done from here. Pure."""

from __future__ import annotations

import shlex

from voxctl.image.commands import Builder, Engine, Recipe, build_command, login_command, push_command
from voxctl.image.names import ImageName, ecr_of
from voxctl.image.plan import Action, Step, check_step, logins, repository_step

_BUILDX, _DOCKER = Engine(Builder.BUILDX), Engine(Builder.DOCKER)


def script(recipe: Recipe) -> tuple[str, ...]:
    """Return the commands of a build there, as a shell takes them. Its folder is the one they are run in."""
    tokens = [
        f"aws ecr get-login-password --region {ecr.region} | {shlex.join(login_command(_DOCKER, host))}"
        for host in logins(recipe, push=True)
        if (ecr := ecr_of(host))
    ]
    with_buildx = shlex.join(build_command(_BUILDX, recipe))
    without = shlex.join(build_command(_DOCKER, recipe))
    return (
        *tokens,
        f"if docker buildx version; then {with_buildx}; else DOCKER_BUILDKIT=0 {without}; fi",
        shlex.join(push_command(_DOCKER, recipe.image)),
    )


def plan_remote(
    image: ImageName, missing: dict[Action, str], source: str, commands: tuple[str, ...]
) -> tuple[Step, ...]:
    """Return the steps of a build in AWS. ``missing`` names what has to be made first, in its order.

    ``commands`` are those that run there.
    """
    steps = [
        repository_step(image) if action is Action.REPOSITORY else Step(action, text)
        for action, text in missing.items()
    ]
    return (
        *steps,
        Step(Action.UPLOAD, f"upload the source to {source}"),
        Step(Action.REMOTE, f"build {image} in AWS CodeBuild and push it", ("sh", "-c", "\n".join(commands))),
        check_step(image),
    )
