"""``voxctl iam``: the policy that somebody needs, to be given to whoever gives rights."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from typing import Annotated

import typer

from voxctl.cli import aws_options as aws
from voxctl.cli.settings import UseOpt
from voxctl.ui.streams import product

#: How a region begins that is not of AWS's common partition.
_PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}


class Who(StrEnum):
    """Whose rights."""

    DEPLOYER = "deployer"
    CALLER = "caller"


WhoArg = Annotated[Who, typer.Argument(help="deployer: deploys, lists, deletes. caller: only streams.")]


def iam(who: WhoArg = Who.DEPLOYER, use: UseOpt = None, region: aws.RegionOpt = None) -> None:
    """Print the IAM policy that a deployer or a caller needs. AWS is not asked.

    It is for endpoints, roles and schedules as voxctl names them; a --role of your own also needs iam:PassRole.
    """
    from voxctl.aws.permissions import policy_for

    partition = next((found for start, found in _PARTITIONS.items() if (region or "").startswith(start)), "aws")
    out = product(sys.stdout)
    out.write(json.dumps(policy_for(who, partition), indent=2) + "\n")
    out.flush()
