"""What AWS says of the caller, an endpoint, its image and the right to invoke it. Blocking; no secret is returned."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from botocore.parsers import ResponseParserError

from voxctl.aws.client import SAGEMAKER, Account
from voxctl.aws.endpoints import is_unknown, trouble_in, unknown
from voxctl.aws.faults import FAILURES, renamed
from voxctl.aws.images import image_in_ecr
from voxctl.errors import AwsError

STS, _IAM = "sts", "iam"
#: What a caller of a stream must be allowed.
INVOKE = ("sagemaker:InvokeEndpointWithBidirectionalStream", "sagemaker:InvokeEndpoint")

_LIMIT_S = 2.5


@dataclass(frozen=True, slots=True)
class Source:
    """Where credentials were found: ``provider`` by botocore's name; ``expires`` is known for those it renews."""

    provider: str
    temporary: bool
    expires: datetime | None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint as the control plane has it. ``images`` are its containers'."""

    name: str
    arn: str
    status: str
    images: tuple[str, ...]


def source_of(account: Account) -> Source:
    """Return where the credentials come from, looking them up as a call would. Raises ``AwsError``."""
    try:
        found = account.session.get_credentials()
        if found is None:
            raise NoCredentialsError
        frozen = found.get_frozen_credentials()
    except FAILURES as exc:
        raise renamed(exc, "there are no AWS credentials to use") from exc
    # botocore tells nobody else when they end.
    return Source(str(found.method), bool(frozen.token), getattr(found, "_expiry_time", None))


def caller_arn(account: Account) -> str:
    """Return who the caller is to AWS. Raises ``AwsError``."""
    try:
        return str(_client(account, STS).get_caller_identity()["Arn"])
    except ClientError as exc:
        raise renamed(exc, "AWS does not accept the credentials") from exc
    except (BotoCoreError, ResponseParserError) as exc:
        raise renamed(exc, "AWS cannot be asked whose the credentials are") from exc


def date_at_sts(account: Account) -> tuple[str | None, float]:
    """Return the HTTP date of an answer of STS, good or bad, and our own time when it came."""
    answer: Mapping[str, Any] = {}
    try:
        answer = _client(account, STS).get_caller_identity()
    except ClientError as exc:
        answer = exc.response
    except (BotoCoreError, ResponseParserError, AwsError):
        return None, time.time()
    return answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date"), time.time()


def described(account: Account, name: str) -> Endpoint:
    """Return an endpoint that answers. Raises ``AwsError`` with its state or its failure if it does not."""
    client = _client(account, SAGEMAKER)
    try:
        found = client.describe_endpoint(EndpointName=name)
    except FAILURES as exc:
        if isinstance(exc, ClientError) and is_unknown(exc):
            raise unknown(account, client, name) from exc
        raise renamed(exc, f"the endpoint {name} cannot be looked at") from exc
    if trouble := trouble_in(found, account):
        raise trouble
    images = [
        str(image["SpecifiedImage"])
        for variant in found.get("ProductionVariants", [])
        for image in variant.get("DeployedImages", [])
        if image.get("SpecifiedImage")
    ]
    return Endpoint(name, str(found["EndpointArn"]), str(found["EndpointStatus"]), tuple(dict.fromkeys(images)))


def image_labels(account: Account, image: str) -> Mapping[str, str] | None:
    """Return the labels of an image in ECR, ``None`` for one of another registry or a form without a configuration.

    Needs ecr:BatchGetImage and ecr:GetDownloadUrlForLayer. Raises ``AwsError``.
    """
    found = image_in_ecr(account, image)
    return found.labels if found else None


def refused_actions(account: Account, arn: str, endpoint: str) -> list[str]:
    """Return which of ``INVOKE`` the caller ``arn`` may not do to an endpoint (an ARN), by IAM's own simulation.

    What it does not know: policies of the organisation's, and conditions of the network. Needs
    iam:SimulatePrincipalPolicy. Raises ``AwsError``.
    """
    try:
        client = _client(account, _IAM)
        answer = client.simulate_principal_policy(
            PolicySourceArn=_principal(client, arn), ActionNames=list(INVOKE), ResourceArns=[endpoint]
        )
    except FAILURES as exc:
        raise renamed(exc, "IAM does not say whether you may invoke it") from exc
    return [str(r["EvalActionName"]) for r in answer["EvaluationResults"] if r["EvalDecision"] != "allowed"]


def _principal(client: Any, arn: str) -> str:
    """Return whose policies count: those of the role, for a session of it."""
    role = re.fullmatch(r"arn:([^:]+):sts::(\d+):assumed-role/([^/]+)/.*", arn)
    if role is None:
        return arn
    try:
        return str(client.get_role(RoleName=role[3])["Role"]["Arn"])
    except (ClientError, ResponseParserError):  # not allowed; most roles have no path
        return f"arn:{role[1]}:iam::{role[2]}:role/{role[3]}"


def _client(account: Account, service: str) -> Any:
    return account.client(service, limit_s=_LIMIT_S, attempts=1)
