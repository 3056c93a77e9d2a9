"""``voxctl build``: the container image for SageMaker, built here or in AWS, and pushed to Amazon ECR."""

from __future__ import annotations

import os
import sys

import typer

from voxctl._version import __version__
from voxctl.cli.aws_options import AwsProfileOpt
from voxctl.cli.build_options import (
    BaseImageOpt,
    BuilderName,
    BuilderOpt,
    BuildRegionOpt,
    DryRunOpt,
    PlatformOpt,
    PushOpt,
    TagOpt,
    checked_base,
    checked_platform,
)
from voxctl.cli.interrupt import run_interruptible
from voxctl.cli.options import JsonOpt
from voxctl.cli.settings import UseOpt
from voxctl.errors import UsageError
from voxctl.ui.building import BuildView
from voxctl.ui.streams import product, weather


def build(
    ctx: typer.Context,
    use: UseOpt = None,
    builder: BuilderOpt = BuilderName.AUTO,
    push: PushOpt = False,
    tag: TagOpt = None,
    region: BuildRegionOpt = None,
    profile: AwsProfileOpt = None,
    base_image: BaseImageOpt = None,
    platform: PlatformOpt = "linux/amd64",
    dry_run: DryRunOpt = False,
    json_: JsonOpt = False,
) -> None:
    """Build the container image for a SageMaker endpoint, and push it to Amazon ECR.

    stdout gets the image's name: with --push by its digest, as SageMaker takes it.
    """
    from voxctl.cli.building import Order, carry_out
    from voxctl.image.folder import container_folder
    from voxctl.image.names import parse_name
    from voxctl.image.plan import check_pushable

    image = parse_name(tag, __version__)
    if builder is BuilderName.CODEBUILD and not push:
        raise UsageError("a build in AWS leaves nothing here: its image is pushed", hint="add --push.")
    if push:
        check_pushable(image)
    _check_region(ctx, region, image.ecr.region if image.ecr else None)
    order = Order(
        builder,
        image,
        checked_platform(platform),
        checked_base(base_image),
        container_folder(),
        push,
        region,
        profile or None,
        dry_run,
        json_,
    )
    view = BuildView(product(sys.stdout), weather(sys.stderr), os.environ)
    run_interruptible(lambda _: carry_out(order, view), view.say)


def _check_region(ctx: typer.Context, region: str | None, named: str | None) -> None:
    """Raise ``UsageError`` for a typed region that the image's name contradicts; a configured one yields to it."""
    typed = getattr(ctx.get_parameter_source("region"), "name", "") == "COMMANDLINE"
    if typed and region and named and region != named:
        raise UsageError(f"--region is {region}, and --tag names a registry in {named}", hint="leave --region away.")
