"""The two roles that are made: what the container may do, and what may delete the endpoint at its end. Pure."""

from __future__ import annotations

from typing import Any

from voxctl.aws.names import Place, log_group
from voxctl.aws.spec import HUB, Spec

type Document = dict[str, Any]

#: The name of the one policy inside each role.
POLICY = "voxctl"
SAGEMAKER_SERVICE, SCHEDULER_SERVICE = "sagemaker.amazonaws.com", "scheduler.amazonaws.com"


def trust(service: str, place: Place) -> Document:
    """Return who may take a role: one service, for this account only."""
    return _policy(
        {
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": place.account}},
        }
    )


def run_policy(spec: Spec, place: Place) -> Document:
    """Return the least that SageMaker needs to run the container: its image, its log, its metrics, its weights."""
    group = place.arn("logs", f"log-group:{log_group(spec.name)}")
    pull = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    write = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    statements = [
        _allow(["ecr:GetAuthorizationToken"], "*"),
        _allow(pull, _image(spec, place)),
        _allow(write, [group, f"{group}:*"]),
        _allow(["cloudwatch:PutMetricData"], "*"),
    ]
    if spec.weights != HUB:
        bucket, _, prefix = spec.weights.removeprefix("s3://").partition("/")
        arn = f"arn:{place.partition}:s3:::{bucket}"
        statements += [_allow(["s3:ListBucket"], arn), _allow(["s3:GetObject"], f"{arn}/{prefix}*")]
    if spec.kms_key:
        key = spec.kms_key if spec.kms_key.startswith("arn:") else place.arn("kms", f"key/{spec.kms_key}")
        statements.append(_allow(["kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"], key))
    if spec.subnets:
        actions = ["CreateNetworkInterface", "CreateNetworkInterfacePermission", "DeleteNetworkInterface"]
        actions += ["DeleteNetworkInterfacePermission", "DescribeDhcpOptions", "DescribeNetworkInterfaces"]
        actions += ["DescribeSecurityGroups", "DescribeSubnets", "DescribeVpcs"]
        statements.append(_allow([f"ec2:{action}" for action in actions], "*"))
    return _policy(*statements)


def end_policy(name: str, place: Place) -> Document:
    """Return the right to delete one endpoint, and nothing else."""
    return _policy(_allow("sagemaker:DeleteEndpoint", place.arn("sagemaker", f"endpoint/{name}")))


def trusts(document: Document, service: str) -> bool:
    """Return whether a role lets a service take it."""
    for statement in _listed(document.get("Statement", [])):
        principal = statement.get("Principal", {})
        named = _listed(principal.get("Service", [])) if isinstance(principal, dict) else []
        if statement.get("Effect") == "Allow" and service in named:
            return True
    return False


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _image(spec: Spec, place: Place) -> str:
    host, _, rest = spec.image.partition("/")
    parts = host.split(".")
    repository = rest.partition("@")[0].partition(":")[0]
    if len(parts) > 3 and parts[1:3] == ["dkr", "ecr"]:
        return f"arn:{place.partition}:ecr:{parts[3]}:{parts[0]}:repository/{repository}"
    return place.arn("ecr", "repository/*")


def _allow(actions: str | list[str], resource: str | list[str]) -> Document:
    return {"Effect": "Allow", "Action": actions, "Resource": resource}


def _policy(*statements: Document) -> Document:
    return {"Version": "2012-10-17", "Statement": list(statements)}
