"""What a person must be allowed to deploy, and to stream. Pure; a test compares it with what goes over the wire."""

from __future__ import annotations

from typing import Any

#: Service → what is done to everything that is voxctl's, and to what: resources of any region and account.
_DEPLOYER: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    (
        "sagemaker",
        (
            "AddTags",
            "CreateEndpoint",
            "CreateEndpointConfig",
            "CreateModel",
            "DeleteEndpoint",
            "DeleteEndpointConfig",
            "DeleteModel",
            "DescribeEndpoint",
            "DescribeEndpointConfig",
            "ListTags",
            "UpdateEndpoint",
        ),
        ("sagemaker:*:*:endpoint/*", "sagemaker:*:*:endpoint-config/*", "sagemaker:*:*:model/*"),
    ),
    ("sagemaker", ("ListEndpointConfigs", "ListEndpoints", "ListModels"), ("*",)),
    (
        "iam",
        (
            "CreateRole",
            "DeleteRole",
            "DeleteRolePolicy",
            "GetRole",
            "GetRolePolicy",
            "PassRole",
            "PutRolePolicy",
            "TagRole",
        ),
        ("iam::*:role/voxctl-*",),
    ),
    (
        "scheduler",
        ("CreateSchedule", "DeleteSchedule", "GetSchedule", "UpdateSchedule"),
        ("scheduler:*:*:schedule/default/voxctl-*",),
    ),
    (
        "logs",
        ("CreateLogGroup", "DeleteLogGroup", "FilterLogEvents", "PutRetentionPolicy", "TagResource"),
        ("logs:*:*:log-group:/aws/sagemaker/Endpoints/*",),
    ),
    ("logs", ("DescribeLogGroups",), ("*",)),
    ("ecr", ("BatchGetImage", "DescribeImages", "GetDownloadUrlForLayer"), ("ecr:*:*:repository/*",)),
    ("cloudwatch", ("GetMetricData",), ("*",)),
    ("pricing", ("GetProducts",), ("*",)),
    ("servicequotas", ("ListAWSDefaultServiceQuotas", "ListServiceQuotas"), ("*",)),
)
#: To stream, and to be told why it does not work.
_CALLER: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    (
        "sagemaker",
        ("DescribeEndpoint", "InvokeEndpoint", "InvokeEndpointWithBidirectionalStream", "ListTags"),
        ("sagemaker:*:*:endpoint/*",),
    ),
    ("sagemaker", ("ListEndpoints",), ("*",)),
    ("logs", ("DescribeLogStreams", "GetLogEvents"), ("logs:*:*:log-group:/aws/sagemaker/Endpoints/*",)),
)
#: Rights that are needed without a call of their own: a role is handed to a service, something is made with tags.
WITHOUT_A_CALL = frozenset({"iam:PassRole", "iam:TagRole", "logs:TagResource"})
POLICIES = {"deployer": _DEPLOYER, "caller": _CALLER}


def policy_for(who: str, partition: str) -> dict[str, Any]:
    """Return the policy that ``deployer`` or ``caller`` needs, for any account and region of a partition."""
    statements = [
        {
            "Effect": "Allow",
            "Action": [f"{service}:{action}" for action in actions],
            "Resource": [one if one == "*" else f"arn:{partition}:{one}" for one in resources],
        }
        for service, actions, resources in POLICIES[who]
    ]
    return {"Version": "2012-10-17", "Statement": statements}
