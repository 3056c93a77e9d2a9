"""Options that name an endpoint of SageMaker, for every command that streams to one."""

from __future__ import annotations

from typing import Annotated

import typer

EndpointOpt = Annotated[
    str | None,
    typer.Option(
        "--endpoint",
        envvar="VOXCTL_ENDPOINT",
        metavar="NAME",
        help="A SageMaker endpoint. With --region alone: the one that voxctl deployed there.",
    ),
]
RegionOpt = Annotated[
    str | None,
    typer.Option(
        "--region",
        envvar="VOXCTL_REGION",
        metavar="REGION",
        help="The AWS region of the endpoint. Default: AWS's own configuration, once SageMaker is asked for.",
    ),
]
AwsProfileOpt = Annotated[
    str | None,
    typer.Option(
        "--profile",
        "--aws-profile",
        envvar="VOXCTL_AWS_PROFILE",
        metavar="NAME",
        help="The profile of the AWS configuration whose credentials are used.",
    ),
]
EndpointUrlOpt = Annotated[
    str | None,
    typer.Option(
        "--endpoint-url",
        envvar="VOXCTL_ENDPOINT_URL",
        metavar="URL",
        help="A SageMaker runtime elsewhere: https://host:port. AWS's own streams on port 8443.",
    ),
]
VariantOpt = Annotated[
    str | None,
    typer.Option(
        "--variant",
        envvar="VOXCTL_VARIANT",
        show_envvar=False,
        metavar="NAME",
        help="The endpoint's production variant. Default: SageMaker chooses.",
    ),
]
InvocationPathOpt = Annotated[
    str,
    typer.Option(
        "--invocation-path",
        envvar="VOXCTL_INVOCATION_PATH",
        show_envvar=False,
        metavar="PATH",
        help='What the endpoint\'s container is asked for; "" is its own default.',
    ),
]
