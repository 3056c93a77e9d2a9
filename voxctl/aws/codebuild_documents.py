"""What a build in AWS is made of, as documents: names, the role and its rights, the project, the build's script. Pure.

The names follow from account and region alone, so that the next build finds what the last one made.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

#: The project, and the name that role and bucket begin with.
PROJECT = "voxctl-build"
#: The only rights that pushing an image takes, and pulling one.
_PULL = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
_PUSH = (*_PULL, "ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:PutImage")
#: The image needs some 40 GB of disk: this size has 128 GB, the next smaller one 64 GB.
_COMPUTE = "BUILD_GENERAL1_MEDIUM"
#: AWS's own image for builds; it has Docker, buildx and the AWS CLI.
_IMAGE = "aws/codebuild/standard:7.0"
_LIMIT_MINUTES = 90

type Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a build in AWS takes place, and where its image goes: the repository of an account's registry.

    ``base`` is the ARN of the repository that the base image is pulled from, where that is one of ECR's private ones.
    """

    partition: str
    account: str
    region: str
    repository: str
    registry: str
    base: str | None = None

    @property
    def bucket(self) -> str:
        """The bucket for the build's source."""
        return f"{PROJECT}-{self.account}-{self.region}"

    @property
    def role(self) -> str:
        """The role that the build runs as."""
        return f"{PROJECT}-{self.region}"

    @property
    def role_arn(self) -> str:
        """The same as an ARN."""
        return f"arn:{self.partition}:iam::{self.account}:role/{self.role}"

    @property
    def log_group(self) -> str:
        """The log group of all builds."""
        return f"/aws/codebuild/{PROJECT}"

    def arn(self, service: str, what: str, account: str | None = None) -> str:
        """Return the ARN of something in the region."""
        return f"arn:{self.partition}:{service}:{self.region}:{account or self.account}:{what}"


def trust(place: Place) -> Document:
    """Return who may take the role: CodeBuild, for this one project."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "codebuild.amazonaws.com"},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"aws:SourceArn": place.arn("codebuild", f"project/{PROJECT}")}},
            }
        ],
    }


def rights(place: Place) -> Document:
    """Return what the role may do: read its source, write its log, push to one repository, pull the base image."""
    logs = place.arn("logs", f"log-group:{place.log_group}")
    source = f"arn:{place.partition}:s3:::{place.bucket}/*"
    target = place.arn("ecr", f"repository/{place.repository}", place.registry)
    statements = [
        _allow(("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"), logs, f"{logs}:*"),
        _allow(("s3:GetObject", "s3:GetObjectVersion"), source),
        # AWS gives the login for a whole registry only; what it opens is said below.
        _allow(("ecr:GetAuthorizationToken",), "*"),
        _allow(_PUSH, target),
    ]
    if place.base:
        statements.append(_allow(_PULL, place.base))
    return {"Version": "2012-10-17", "Statement": statements}


def project(place: Place) -> Document:
    """Return the project. What differs between builds comes with each of them."""
    return {
        "name": PROJECT,
        "description": "Builds voxctl's container image.",
        "source": {"type": "S3", "location": f"{place.bucket}/source.zip", "buildspec": buildspec(["true"])},
        "artifacts": {"type": "NO_ARTIFACTS"},
        "environment": {
            "type": "LINUX_CONTAINER",
            "image": _IMAGE,
            "computeType": _COMPUTE,
            "privilegedMode": True,
        },
        "serviceRole": place.role_arn,
        "timeoutInMinutes": _LIMIT_MINUTES,
        "logsConfig": {"cloudWatchLogs": {"status": "ENABLED", "groupName": place.log_group}},
    }


def buildspec(commands: Sequence[str]) -> str:
    """Return the script of a build. JSON is YAML too, in which nothing has to be quoted by hand."""
    return json.dumps({"version": 0.2, "phases": {"build": {"on-failure": "ABORT", "commands": list(commands)}}})


def _allow(actions: Sequence[str], *resources: str) -> Document:
    return {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}
