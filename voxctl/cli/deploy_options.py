"""The options of `voxctl deploy`; `wish.py` has what their values must be."""

from __future__ import annotations

from typing import Annotated

import typer

NameArg = Annotated[str, typer.Argument(metavar="[NAME]", help="The endpoint's name.")]
TheNameArg = Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="The endpoint's name.")]
ImageOpt = Annotated[
    str | None,
    typer.Option("--image", metavar="IMAGE", show_default="the newest one of voxctl in ECR", help="What runs."),
]
DeployModelOpt = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME[@REVISION]",
        show_default="Voxtral-Mini-4B-Realtime-2602",
        help="A model of the Hugging Face Hub.",
    ),
]
WeightsOpt = Annotated[
    str,
    typer.Option(
        metavar="hf|S3-URI",
        help="Where the weights come from: the Hub, or a prefix in S3; then the container has no network.",
    ),
]
DelayOpt = Annotated[
    int | None,
    typer.Option(
        "--delay-ms", metavar="MS", help="How much the model hears before it writes: 80 to 1200 by 80, or 2400."
    ),
]
InstanceTypeOpt = Annotated[str, typer.Option("--instance-type", metavar="TYPE", help="The kind of instances.")]
InstancesOpt = Annotated[int, typer.Option("--instances", min=1, help="How many of them.")]
TtlOpt = Annotated[
    str | None,
    typer.Option("--ttl", metavar="TIME", help="Delete the endpoint after this time, as in 4h: AWS does it by itself."),
]
RoleOpt = Annotated[
    str | None,
    typer.Option("--role", metavar="ARN", show_default="one is made", help="The role that the container runs with."),
]
SubnetsOpt = Annotated[str | None, typer.Option("--subnets", metavar="ID,…", help="Subnets of your VPC to run in.")]
SecurityGroupsOpt = Annotated[
    str | None, typer.Option("--security-groups", metavar="ID,…", help="Security groups there.")
]
KmsKeyOpt = Annotated[
    str | None,
    typer.Option(
        "--kms-key",
        metavar="ARN",
        help="The key of weights in S3, and of the volume of instances that have no disk of their own.",
    ),
]
AmiOpt = Annotated[
    str,
    typer.Option("--ami-version", metavar="NAME", help="SageMaker's machine image: it must fit the image's CUDA."),
]
DownloadOpt = Annotated[
    int,
    typer.Option("--download-timeout", min=60, max=3600, metavar="S", help="Until weights in S3 are on the instance."),
]
StartupOpt = Annotated[
    int,
    typer.Option("--startup-timeout", min=60, max=3600, metavar="S", help="Until the container is healthy."),
]
LogDaysOpt = Annotated[int, typer.Option("--log-days", metavar="DAYS", help="How long its log is kept.")]
EnvOpt = Annotated[
    list[str],
    typer.Option("--env", metavar="NAME=VALUE", show_default=False, help="A variable of the container; no secrets."),
]
TagsOpt = Annotated[
    list[str], typer.Option("--tag", metavar="KEY=VALUE", show_default=False, help="A tag on all that is made.")
]
DryRunOpt = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")]
YesOpt = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
NoWaitOpt = Annotated[bool, typer.Option("--no-wait", help="Leave once AWS has begun.")]
TimeoutOpt = Annotated[
    str | None,
    typer.Option(
        "--timeout", metavar="TIME", show_default="both start-up time-outs and 15m", help="Wait this long at most."
    ),
]
KeepOpt = Annotated[bool, typer.Option("--keep", help="Leave what was made when it fails.")]
