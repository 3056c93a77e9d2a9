"""One call that changes an endpoint or what belongs to it, as data; and what there is of an endpoint. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from voxctl.aws import names
from voxctl.aws.names import Place
from voxctl.aws.roles import POLICY, Document, trust
from voxctl.aws.spec import tags_of

#: What a step waits for: an endpoint that answers, none at all, one that is no longer being changed.
IN_SERVICE, GONE, SETTLED = "in service", "gone", "settled"
#: States of an endpoint that pass by themselves, and those that no update mends.
PASSING = ("Creating", "Updating", "SystemUpdating", "RollingBack")
BROKEN = ("Failed", "OutOfService", "UpdateRollbackFailed")


@dataclass(frozen=True, slots=True)
class Step:
    """One call, by botocore's names. ``until``: it is made again until the endpoint has come to that.

    ``undo`` takes back what it made. ``config``: what an endpoint that is in service must have.
    """

    service: str
    call: str
    parameters: Mapping[str, Any]
    does: str
    undo: tuple[Step, ...] = ()
    until: str = ""
    config: str = ""


@dataclass(frozen=True, slots=True)
class SeenEndpoint:
    """An endpoint of ours as it is. ``config`` is the one that it has or is about to have."""

    status: str
    config: str
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SeenSchedule:
    """When the endpoint is deleted, in seconds since 1970, and the time to live it was made with, in seconds."""

    at_s: float
    ttl_s: int


@dataclass(frozen=True, slots=True)
class Observed:
    """What there is of an endpoint. ``roles``: by name, the policy in each, ``None`` in one without.

    ``log_days``: how long its log is kept, 0 for ever, ``None`` where there is none.
    """

    endpoint: SeenEndpoint | None = None
    configs: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    roles: Mapping[str, Document | None] = field(default_factory=dict)
    schedule: SeenSchedule | None = None
    log_days: int | None = None


def role_steps(name: str, role: str, service: str, policy: Document, place: Place, seen: Observed) -> Iterator[Step]:
    """Yield what makes a role for a service and lets it do what ``policy`` says, as far as that is not there."""
    if role not in seen.roles:
        request = {
            "RoleName": role,
            "AssumeRolePolicyDocument": json.dumps(trust(service, place)),
            "Description": f"made by voxctl for the endpoint {name} in {place.region}",
            "Tags": tags_of(name),
        }
        yield Step("iam", "CreateRole", request, f"make the role {role}", tuple(delete_role(role, True)))
    if seen.roles.get(role) != policy:
        request = {"RoleName": role, "PolicyName": POLICY, "PolicyDocument": json.dumps(policy)}
        yield Step("iam", "PutRolePolicy", request, f"let {role} do what it must")


def made(kind: str, call: str, request: Mapping[str, Any], which: Mapping[str, str]) -> Step:
    """Return what makes a model or a configuration, and how it is taken back."""
    (name,) = which.values()
    undo = delete(kind, call.replace("Create", "Delete"), which)
    return Step("sagemaker", call, request, f"make the {kind} {name}", (undo,))


def delete(kind: str, call: str, which: Mapping[str, str]) -> Step:
    """Return what deletes a model or a configuration."""
    (name,) = which.values()
    return Step("sagemaker", call, which, f"delete the {kind} {name}")


def delete_endpoint(name: str) -> Step:
    """Return what deletes an endpoint; it takes some minutes."""
    return Step("sagemaker", "DeleteEndpoint", {"EndpointName": name}, f"delete the endpoint {name}")


def delete_schedule(name: str) -> Step:
    """Return what deletes the schedule of an endpoint's end."""
    return Step("scheduler", "DeleteSchedule", {"Name": names.schedule(name)}, f"delete the schedule of {name}'s end")


def delete_log(group: str) -> Step:
    """Return what deletes a log with all that is in it."""
    return Step("logs", "DeleteLogGroup", {"logGroupName": group}, f"delete the log {group}")


def delete_role(role: str, has_policy: bool) -> Iterator[Step]:
    """Yield what deletes a role that has nothing else in it."""
    if has_policy:
        request = {"RoleName": role, "PolicyName": POLICY}
        yield Step("iam", "DeleteRolePolicy", request, f"take its policy from the role {role}")
    yield Step("iam", "DeleteRole", {"RoleName": role}, f"delete the role {role}")


def wait(name: str, until: str, config: str = "") -> Step:
    """Return what waits for an endpoint."""
    does = f"wait until the endpoint {name} is {until}"
    return Step("sagemaker", "DescribeEndpoint", {"EndpointName": name}, does, until=until, config=config)
