"""What there is of an endpoint, by asking. Blocking; nothing is changed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from voxctl.aws import names
from voxctl.aws.cloud import Cloud
from voxctl.aws.names import MANAGED_TAG, MANAGED_VALUE, Place
from voxctl.aws.roles import POLICY, Document
from voxctl.aws.steps import Observed, SeenEndpoint, SeenSchedule
from voxctl.errors import AwsError

#: How each service says that something is not there.
_NOT_THERE = ("ResourceNotFoundException", "NoSuchEntity", "NoSuchEntityException", "ResourceNotFound")


def observe(cloud: Cloud, place: Place, name: str) -> Observed:
    """Return all there is of the endpoint ``name``.

    Raises ``AwsError`` where it cannot be seen, and where an endpoint or a role of that name is somebody else's.
    """
    with ThreadPoolExecutor(5) as pool:
        endpoint = pool.submit(_endpoint, cloud, place, name)
        configs = pool.submit(list, _listed(cloud, "ListEndpointConfigs", "EndpointConfig", name))
        models = pool.submit(list, _listed(cloud, "ListModels", "Model", name))
        schedule = pool.submit(seen_schedule, cloud, name)
        log_days = pool.submit(_log_days, cloud, names.log_group(name))
        roles = {
            role: policy
            for role in (names.run_role(name, place.region), names.end_role(name, place.region))
            for policy in _role(cloud, role)
        }
        return Observed(
            endpoint.result(),
            tuple(configs.result()),
            tuple(models.result()),
            roles,
            schedule.result(),
            log_days.result(),
        )


def is_missing(error: AwsError) -> bool:
    """Return whether AWS says that something is not there."""
    return error.code in _NOT_THERE or (error.code == "ValidationException" and "Could not find" in error.message)


def tags_at(cloud: Cloud, arn: str, what: str) -> dict[str, str]:
    """Return the tags of something of SageMaker's. Raises ``AwsError``."""
    pages = cloud.pages("sagemaker", "ListTags", what, "Tags", {"ResourceArn": arn})
    return {str(tag["Key"]): str(tag["Value"]) for tag in pages}


def _found(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except AwsError as exc:
        if is_missing(exc):
            return None
        raise


def _endpoint(cloud: Cloud, place: Place, name: str) -> SeenEndpoint | None:
    what = f"the endpoint {name} cannot be looked at"
    there = _found(lambda: cloud.call("sagemaker", "DescribeEndpoint", what, {"EndpointName": name}))
    if there is None:
        return None
    tags = tags_at(cloud, there["EndpointArn"], what)
    if tags.get(MANAGED_TAG) != MANAGED_VALUE:
        raise AwsError(
            f"the endpoint {name} in {place.region} was not made by voxctl",
            hint="it is left alone; choose another name: voxctl deploy my-endpoint",
        )
    pending = there.get("PendingDeploymentSummary", {}).get("EndpointConfigName")
    return SeenEndpoint(str(there["EndpointStatus"]), str(pending or there["EndpointConfigName"]), tags)


def _listed(cloud: Cloud, operation: str, kind: str, name: str) -> Iterator[str]:
    what = f"what belongs to {name} cannot be listed"
    for one in cloud.pages(
        "sagemaker", operation, what, f"{kind}s", {"NameContains": f"{name}-", "PaginationConfig": {"PageSize": 100}}
    ):
        if names.belongs(one[f"{kind}Name"], name) and _ours(cloud, one[f"{kind}Arn"], what):
            yield str(one[f"{kind}Name"])


def _ours(cloud: Cloud, arn: str, what: str) -> bool:
    try:
        return tags_at(cloud, arn, what).get(MANAGED_TAG) == MANAGED_VALUE
    except AwsError as exc:
        if is_missing(exc):  # deleted since it was listed
            return False
        raise


def _role(cloud: Cloud, role: str) -> Iterator[Document | None]:
    """Yield the policy in a role of ours; nothing where there is no role."""
    what = f"the role {role} cannot be looked at"
    there = _found(lambda: cloud.call("iam", "GetRole", what, {"RoleName": role}))
    if there is None:
        return
    if not any(tag["Key"] == MANAGED_TAG for tag in there["Role"].get("Tags", [])):
        raise AwsError(f"the role {role} was not made by voxctl", hint="rename it, or name another with --role.")
    which = {"RoleName": role, "PolicyName": POLICY}
    policy = _found(lambda: cloud.call("iam", "GetRolePolicy", what, which))
    document = policy and policy["PolicyDocument"]
    yield json.loads(document) if isinstance(document, str) else document


def seen_schedule(cloud: Cloud, name: str) -> SeenSchedule | None:
    """Return what ends the endpoint ``name``, if anything does. Raises ``AwsError``."""
    what = f"the schedule of {name}'s end cannot be looked at"
    there = _found(lambda: cloud.call("scheduler", "GetSchedule", what, {"Name": names.schedule(name)}))
    if there is None:
        return None
    at = re.fullmatch(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)", there["ScheduleExpression"])
    ttl = re.search(r"ttl=(\d+)", there.get("Description", ""))
    return SeenSchedule(
        datetime.fromisoformat(at[1]).replace(tzinfo=UTC).timestamp() if at else 0.0, int(ttl[1]) if ttl else 0
    )


def _log_days(cloud: Cloud, group: str) -> int | None:
    what = f"the log {group} cannot be looked at"
    for one in cloud.pages("logs", "DescribeLogGroups", what, "logGroups", {"logGroupNamePrefix": group}):
        if one["logGroupName"] == group:
            return int(one.get("retentionInDays", 0))
    return None
