"""What SageMaker's control plane knows of endpoints: the one that voxctl made, and what is the matter with one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from voxctl.aws.client import SAGEMAKER, Account
from voxctl.aws.faults import FAILURES, renamed
from voxctl.aws.names import MANAGED_TAG as MANAGED_TAG
from voxctl.aws.names import MANAGED_VALUE as MANAGED_VALUE
from voxctl.errors import AwsError

#: What is looked through at most, and named at most.
_MOST_ENDPOINTS, _MOST_NAMED = 500, 8


def managed_endpoint(account: Account) -> str:
    """Return the name of the one endpoint in the region that is tagged ``voxctl:managed=true``.

    Raises ``AwsError`` if there is none or several, or if they cannot be listed. Needs sagemaker:ListEndpoints and
    sagemaker:ListTags.
    """
    client = account.client(SAGEMAKER, limit_s=2.0)
    try:
        found = [endpoint["EndpointName"] for endpoint in _endpoints(client) if _is_managed(client, endpoint)]
    except FAILURES as exc:
        raise renamed(exc, f"the endpoints in {account.region} cannot be listed") from exc
    if len(found) == 1:
        return str(found[0])
    if found:
        raise AwsError(
            f"there are {len(found)} endpoints of voxctl in {account.region}: {_named(found)}",
            hint=f"say which: --endpoint {min(found)}",
        )
    raise AwsError(
        f"there is no endpoint of voxctl in {account.region}",
        hint="make one with `voxctl deploy`, or name another's with --endpoint.",
    )


def _endpoints(client: Any) -> list[dict[str, Any]]:
    pages = client.get_paginator("list_endpoints").paginate(
        SortBy="CreationTime", SortOrder="Descending", PaginationConfig={"MaxItems": _MOST_ENDPOINTS, "PageSize": 100}
    )
    return [endpoint for page in pages for endpoint in page["Endpoints"]]


def _is_managed(client: Any, endpoint: dict[str, Any]) -> bool:
    pages = client.get_paginator("list_tags").paginate(ResourceArn=endpoint["EndpointArn"])
    return any(tag["Key"] == MANAGED_TAG and tag["Value"] == MANAGED_VALUE for page in pages for tag in page["Tags"])


def _named(names: list[str]) -> str:
    shown = ", ".join(sorted(names)[:_MOST_NAMED])
    return shown if len(names) <= _MOST_NAMED else f"{shown} …"


def trouble_with(account: Account, name: str) -> AwsError | None:
    """Return what keeps an endpoint from answering, as far as the caller may know it: it is not there, or not ready."""
    try:
        client = account.client(SAGEMAKER, limit_s=1.0, attempts=1)
        return trouble_in(client.describe_endpoint(EndpointName=name), account)
    except ClientError as exc:
        return unknown(account, client, name) if is_unknown(exc) else None
    except (BotoCoreError, ResponseParserError, AwsError):
        return None


def trouble_in(described: Mapping[str, Any], account: Account) -> AwsError | None:
    """Return what keeps an endpoint from answering that is ``described`` so, ``None`` if nothing does."""
    name, status = described["EndpointName"], described["EndpointStatus"]
    where = f"the endpoint {name} in {account.region}"
    if status == "Failed":
        reason = f": {described['FailureReason']}" if described.get("FailureReason") else ""
        hint = f"`voxctl logs {name}` shows why; `voxctl deploy {name}` makes it anew, if voxctl made it."
        return AwsError(f"{where} has failed{reason}", hint=hint)
    if status in ("InService", "Updating", "SystemUpdating", "RollingBack"):
        return None
    return AwsError(
        f"{where} is not in service: it is {status}",
        hint=f"voxctl status {name} --watch --region {account.region}",
    )


def is_unknown(exc: ClientError) -> bool:
    """Whether SageMaker says that there is no such endpoint."""
    code = exc.response.get("Error", {}).get("Code")
    return code in ("ValidationException", "ValidationError", "ResourceNotFound")


def unknown(account: Account, client: Any, name: str) -> AwsError:
    """Return the error for an endpoint that is not there, with the names of those that are."""
    try:
        page = client.list_endpoints(MaxResults=100, SortBy="CreationTime", SortOrder="Descending")
        names = [endpoint["EndpointName"] for endpoint in page["Endpoints"]]
    except FAILURES:
        names = []
    there = f"there are: {_named(names)}" if names else "`voxctl deploy` makes one; or is it in another --region?"
    return AwsError(f"there is no endpoint {name} in {account.region}", hint=there)
