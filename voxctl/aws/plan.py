"""What there should be and what there is → the steps between them, as data. Pure.

Every prefix of a plan may be all that is carried out: the plan made after it ends in the same. What ends the bill comes
before what makes it.
"""

from __future__ import annotations

from collections.abc import Iterator

from voxctl.aws import names
from voxctl.aws.ends import end_steps
from voxctl.aws.names import Place
from voxctl.aws.roles import SAGEMAKER_SERVICE, run_policy
from voxctl.aws.spec import Requests, Spec, requests_of, tags_of
from voxctl.aws.steps import (
    BROKEN,
    GONE,
    IN_SERVICE,
    PASSING,
    SETTLED,
    Observed,
    Step,
    delete,
    delete_endpoint,
    delete_log,
    delete_role,
    delete_schedule,
    made,
    role_steps,
    wait,
)


def deploy_plan(spec: Spec, place: Place, seen: Observed, ttl_s: int | None, now_s: float) -> list[Step]:
    """Return the steps that make what ``spec`` says of what is ``seen``; none where it is so already."""
    wanted = requests_of(spec, place)
    change = list(_endpoint_steps(wanted, seen, place))
    steps: list[Step] = []
    run_role = names.run_role(spec.name, place.region)
    if spec.role is None:
        steps += role_steps(spec.name, run_role, SAGEMAKER_SERVICE, run_policy(spec, place), place, seen)
    steps += _log_steps(spec, wanted, seen)
    if wanted.model_name not in seen.models:
        steps.append(made("model", "CreateModel", wanted.model, {"ModelName": wanted.model_name}))
    if wanted.config_name not in seen.configs:
        steps.append(
            made(
                "configuration",
                "CreateEndpointConfig",
                wanted.config,
                {"EndpointConfigName": wanted.config_name},
            )
        )
    if ttl_s is not None:
        steps += end_steps(spec.name, place, seen, ttl_s, now_s, moved=_begins_anew(change))
    steps += change
    steps += _sweep(seen, wanted, () if spec.role is None else (run_role,))
    return steps


def delete_plan(name: str, place: Place, seen: Observed, *, logs: bool) -> list[Step]:
    """Return the steps that take away all there is of an endpoint; its log only with ``logs``."""
    steps: list[Step] = []
    if seen.endpoint is not None:
        if seen.endpoint.status != "Deleting":
            steps.append(delete_endpoint(name))
        steps.append(wait(name, GONE))
    steps += _sweep(seen, None, ())
    if seen.schedule is not None:
        steps.append(delete_schedule(name))
    for role, policy in sorted(seen.roles.items()):
        steps += delete_role(role, policy is not None)
    if logs and seen.log_days is not None:
        steps.append(delete_log(names.log_group(name)))
    return steps


def _begins_anew(change: list[Step]) -> bool:
    return any(step.call in ("CreateEndpoint", "UpdateEndpoint") for step in change)


def _log_steps(spec: Spec, wanted: Requests, seen: Observed) -> Iterator[Step]:
    group = {"logGroupName": wanted.log_group}
    if seen.log_days is None:
        tags = {tag["Key"]: tag["Value"] for tag in tags_of(spec.name)}
        undo = (delete_log(wanted.log_group),)
        yield Step("logs", "CreateLogGroup", {**group, "tags": tags}, f"make the log {wanted.log_group}", undo)
    if seen.log_days != spec.log_days:
        kept = {**group, "retentionInDays": spec.log_days}
        yield Step("logs", "PutRetentionPolicy", kept, f"keep its log for {spec.log_days} days")


def _endpoint_steps(wanted: Requests, seen: Observed, place: Place) -> Iterator[Step]:
    name, config, there = str(wanted.endpoint["EndpointName"]), wanted.config_name, seen.endpoint
    ready = wait(name, IN_SERVICE, config)
    if there is not None and there.status in (*BROKEN, "Deleting"):
        if there.status != "Deleting":
            yield delete_endpoint(name)
        yield wait(name, GONE)
        there = None
    if there is None:
        undo = (delete_endpoint(name), wait(name, GONE))
        yield Step("sagemaker", "CreateEndpoint", wanted.endpoint, f"make the endpoint {name}", undo)
        yield ready
        return
    tags = [tag for tag in wanted.endpoint["Tags"] if there.tags.get(tag["Key"]) != tag["Value"]]
    if there.config != config:
        if there.status in PASSING:
            yield wait(name, SETTLED)
        change = {"EndpointName": name, "EndpointConfigName": config}
        yield Step("sagemaker", "UpdateEndpoint", change, f"let the endpoint {name} have the new configuration")
        yield ready
    elif there.status in PASSING:
        yield ready
    if tags:
        request = {"ResourceArn": place.arn("sagemaker", f"endpoint/{name}"), "Tags": tags}
        yield Step("sagemaker", "AddTags", request, f"tag the endpoint {name}")


def _sweep(seen: Observed, wanted: Requests | None, roles: tuple[str, ...]) -> Iterator[Step]:
    """Yield what takes away configurations and models that nothing needs any longer."""
    for config in seen.configs:
        if wanted is None or config != wanted.config_name:
            yield delete("configuration", "DeleteEndpointConfig", {"EndpointConfigName": config})
    for model in seen.models:
        if wanted is None or model != wanted.model_name:
            yield delete("model", "DeleteModel", {"ModelName": model})
    for role in roles:
        if role in seen.roles:
            yield from delete_role(role, seen.roles[role] is not None)
