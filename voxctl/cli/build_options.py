"""The options of `voxctl build`."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated

import typer

from voxctl.errors import UsageError


class BuilderName(StrEnum):
    """What builds the image."""

    AUTO = "auto"
    BUILDX = "buildx"
    DOCKER = "docker"
    PODMAN = "podman"
    CODEBUILD = "codebuild"


BuilderOpt = Annotated[
    BuilderName,
    typer.Option(
        "--builder",
        envvar="VOXCTL_BUILDER",
        help="auto: what is here and works of Docker with buildx, Docker, podman. codebuild: in AWS, with nothing of "
        "it here; the image is larger than 10 GB.",
    ),
]
BaseImageOpt = Annotated[
    str | None,
    typer.Option(
        "--base-image",
        envvar="VOXCTL_BASE_IMAGE",
        metavar="IMAGE",
        help="What it is built on. Default: AWS's vLLM image for SageMaker that is named in the Dockerfile.",
    ),
]
TagOpt = Annotated[
    str | None,
    typer.Option(
        "--tag",
        metavar="NAME:TAG",
        show_default="voxctl:VERSION",
        help="The image's name. With --push it is one in your own registry of Amazon ECR unless it names another.",
    ),
]
PlatformOpt = Annotated[
    str,
    typer.Option("--platform", metavar="OS/ARCH", help="What the image runs on."),
]
PushOpt = Annotated[
    bool,
    typer.Option(
        "--push", help="Push it to Amazon ECR, making the repository if need be, and see that SageMaker takes it."
    ),
]
DryRunOpt = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
BuildRegionOpt = Annotated[
    str | None,
    typer.Option(
        "--region",
        envvar="VOXCTL_REGION",
        metavar="REGION",
        help="The AWS region of the registry. Default: AWS's own configuration.",
    ),
]


def checked_platform(platform: str) -> str:
    """Return what ``--platform`` says. Raises ``UsageError`` for what is none."""
    if not re.fullmatch(r"[a-z0-9]+/[a-z0-9]+(/v\d+)?", platform):
        raise UsageError(f"--platform {platform!r} is none", hint="SageMaker's GPUs need linux/amd64.")
    return platform


def checked_base(image: str | None) -> str | None:
    """Return what ``--base-image`` names, ``None`` for the Dockerfile's own. Raises ``UsageError`` for no name."""
    if image and (image.startswith("-") or not re.fullmatch(r"[\w.:/@-]+", image)):
        raise UsageError(
            f"--base-image {image!r} names no image",
            hint="as in public.ecr.aws/deep-learning-containers/vllm:server-sagemaker-cuda-v2.5.",
        )
    return image or None
