"""The end of an endpoint: a schedule of EventBridge that deletes it, whoever is there then. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from voxctl.aws import names
from voxctl.aws.names import Place
from voxctl.aws.roles import SCHEDULER_SERVICE, end_policy
from voxctl.aws.steps import Observed, Step, delete_schedule, role_steps


def end_steps(
    name: str, place: Place, seen: Observed, ttl_s: int, now_s: float, *, moved: bool, at_s: float | None = None
) -> Iterator[Step]:
    """Yield what lets EventBridge delete the endpoint at ``at_s``, else ``ttl_s`` from now, with a role for it.

    One that is there stays as it is, unless it has another time to live, is over, or the endpoint is ``moved``.
    """
    role = names.end_role(name, place.region)
    yield from role_steps(name, role, SCHEDULER_SERVICE, end_policy(name, place), place, seen)
    there = seen.schedule
    if there and there.ttl_s == ttl_s and there.at_s > now_s and not moved and at_s is None:
        return
    request = _schedule(name, role, place, ttl_s, now_s + ttl_s if at_s is None else at_s)
    when = request["ScheduleExpression"][3:-1]
    if there is None:
        undo = (delete_schedule(name),)
        yield Step("scheduler", "CreateSchedule", request, f"have the endpoint deleted at {when} UTC", undo)
    else:
        before = _schedule(name, role, place, there.ttl_s, there.at_s)
        back = Step("scheduler", "UpdateSchedule", before, "set its end as it was")
        yield Step("scheduler", "UpdateSchedule", request, f"have the endpoint deleted at {when} UTC", (back,))


def _schedule(name: str, role: str, place: Place, ttl_s: int, at_s: float) -> dict[str, Any]:
    return {
        "Name": names.schedule(name),
        "Description": f"voxctl deletes the endpoint {name}, ttl={ttl_s}",
        "ScheduleExpression": f"at({utc(at_s)})",
        "ScheduleExpressionTimezone": "UTC",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "ActionAfterCompletion": "DELETE",
        "Target": {
            "Arn": f"arn:{place.partition}:scheduler:::aws-sdk:sagemaker:deleteEndpoint",
            "RoleArn": place.role_arn(role),
            "Input": json.dumps({"EndpointName": name}),
            # One that is just being changed cannot be deleted: it is tried again for a day.
            "RetryPolicy": {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185},
        },
    }


def utc(at_s: float) -> str:
    """Return a moment, in seconds since 1970, as schedules have it: in UTC, to the second, without a zone."""
    return datetime.fromtimestamp(round(at_s), UTC).strftime("%Y-%m-%dT%H:%M:%S")
