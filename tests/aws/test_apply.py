"""Plans carried out against a control plane over real HTTP: from nothing to nothing, whatever happens between."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.aws.lifecycle import OTHER, SPEC, Killed, Told, carried_out, cloud_here, seen_after, to_delete, to_deploy
from tests.fakes.aws.front import Aws
from voxctl.errors import AwsError, EndpointFailed, Interrupted

DEPLOY = [
    "CreateRole",
    "PutRolePolicy",
    "CreateLogGroup",
    "PutRetentionPolicy",
    "CreateModel",
    "CreateEndpointConfig",
    "CreateRole",
    "PutRolePolicy",
    "CreateSchedule",
    "CreateEndpoint",
    "DescribeEndpoint",
]


def every_step(*quick: int) -> list[object]:
    """Return each step's number; those that are not ``quick`` are for `make test-real`."""
    return [pytest.param(k, marks=() if k in quick else pytest.mark.real) for k in range(len(DEPLOY))]


def test_an_endpoint_is_made_left_alone_and_taken_away_with_all_that_was_made_for_it(aws: Aws) -> None:
    cloud = cloud_here()
    assert carried_out(cloud, to_deploy(cloud)).calls == DEPLOY
    seen = seen_after(aws, cloud)
    assert seen.endpoint and seen.endpoint.status == "InService" and seen.log_days == 14
    assert to_deploy(cloud) == []
    carried_out(cloud, to_delete(cloud))
    assert aws.holds() == [] and to_delete(cloud) == []


def test_nobody_looks_with_more_than_reading(aws: Aws) -> None:
    to_deploy(cloud_here())
    assert aws.calls and not aws.changes


def test_another_spec_is_an_update_and_what_was_before_is_taken_away(aws: Aws) -> None:
    cloud = cloud_here()
    carried_out(cloud, to_deploy(cloud))
    before = seen_after(aws, cloud)
    steps = to_deploy(cloud, OTHER)
    calls = carried_out(cloud, steps).calls
    assert calls == [
        "CreateEndpointConfig",
        "UpdateSchedule",
        "UpdateEndpoint",
        "DescribeEndpoint",
        "DeleteEndpointConfig",
    ]
    after = seen_after(aws, cloud)
    assert after.endpoint and after.configs == (after.endpoint.config,) and after.configs != before.configs
    assert after.models == before.models and to_deploy(cloud, OTHER) == []


def test_an_update_that_fails_leaves_the_endpoint_as_it_was(aws: Aws) -> None:
    cloud = cloud_here()
    carried_out(cloud, to_deploy(cloud))
    before = seen_after(aws, cloud)
    aws.plane.failure = "the model container did not pass the ping health check"
    with pytest.raises(EndpointFailed, match="went back to it: the model container") as caught:
        carried_out(cloud, to_deploy(cloud, replace(OTHER, image=f"{OTHER.image}1")))
    assert caught.value.exit_code == 5 and seen_after(aws, cloud) == before


def test_what_only_tidies_up_takes_nothing_back_when_it_fails(aws: Aws) -> None:
    cloud, told = cloud_here(), Told()
    with pytest.raises(Killed):
        carried_out(cloud, to_deploy(cloud, OTHER), Told(DEPLOY.index("CreateEndpointConfig") + 1))
    aws.denied = {"DeleteEndpointConfig"}
    with pytest.raises(AwsError, match="not authorized to perform: DeleteEndpointConfig"):
        carried_out(cloud, to_deploy(cloud), told)
    assert told.undone == [] and "endpoint mine in us-east-1" in aws.holds()
    aws.denied = set()
    assert [step.call for step in to_deploy(cloud)] == ["DeleteEndpointConfig"]


def test_an_update_that_nobody_waits_for_any_longer_goes_on(aws: Aws) -> None:
    cloud = cloud_here()
    carried_out(cloud, to_deploy(cloud))
    steps = to_deploy(cloud, OTHER)
    told = Told([step.until for step in steps].index("in service"), KeyboardInterrupt)
    with pytest.raises(Interrupted) as caught:
        carried_out(cloud, steps, told)
    assert "goes on" in (caught.value.hint or "") and told.undone == []
    again = to_deploy(cloud, OTHER)
    assert [step.until or step.call for step in again] == ["in service", "DeleteEndpointConfig"]
    carried_out(cloud, again)
    assert to_deploy(cloud, OTHER) == []


def test_a_failed_endpoint_says_why_and_nothing_but_its_log_is_left(aws: Aws) -> None:
    aws.plane.failure = "no capacity"
    cloud, told = cloud_here(), Told()
    with pytest.raises(EndpointFailed, match="mine has failed: no capacity"):
        carried_out(cloud, to_deploy(cloud), told)
    assert aws.holds(logs=False) == [] and told.undone[:2] == ["DeleteEndpoint", "DescribeEndpoint"]
    # What ends the bill is taken away only once there is none.
    assert told.undone.index("DeleteSchedule") > 1
    assert aws.holds() == ["log group /aws/sagemaker/Endpoints/mine"]


def test_with_keep_a_failure_is_left_to_be_looked_at(aws: Aws) -> None:
    aws.plane.failure = "no capacity"
    cloud = cloud_here()
    with pytest.raises(EndpointFailed) as caught:
        carried_out(cloud, to_deploy(cloud), keep=True)
    assert "voxctl delete" in (caught.value.hint or "") and len(aws.holds()) > 5
    # The next one begins by taking the failed one away.
    assert carried_out(cloud, to_deploy(cloud)).calls == [
        "UpdateSchedule",
        "DeleteEndpoint",
        "DescribeEndpoint",
        "CreateEndpoint",
        "DescribeEndpoint",
    ]


@pytest.mark.parametrize("failing", ["CreateModel", "CreateSchedule", "CreateEndpoint", "PutRetentionPolicy"])
def test_a_step_that_is_not_allowed_takes_back_those_before_it(aws: Aws, failing: str) -> None:
    aws.denied = {failing}
    cloud = cloud_here()
    with pytest.raises(AwsError, match=f"not authorized to perform: {failing}"):
        carried_out(cloud, to_deploy(cloud))
    assert aws.holds() == []


def test_what_could_not_be_taken_back_is_said(aws: Aws) -> None:
    aws.denied, aws.plane.failure = {"DeleteEndpoint"}, "no capacity"
    cloud = cloud_here()
    with pytest.raises(EndpointFailed) as caught:
        carried_out(cloud, to_deploy(cloud))
    assert "voxctl delete" in (caught.value.hint or "") and "DeleteEndpoint" in (caught.value.hint or "")
    assert "schedule voxctl-mine in us-east-1" in aws.holds()  # it still ends the bill
    aws.denied = set()
    carried_out(cloud, to_delete(cloud))
    assert aws.holds() == []


@pytest.mark.parametrize("k", every_step(0, 8, 10))
def test_killed_before_any_step_the_next_run_comes_to_the_same(aws: Aws, k: int) -> None:
    cloud = cloud_here()
    with pytest.raises(Killed):
        carried_out(cloud, to_deploy(cloud), Told(k))
    again = to_deploy(cloud)
    assert [step.call for step in again if step.call != "UpdateSchedule"] == DEPLOY[k:]
    carried_out(cloud, again)
    assert to_deploy(cloud) == []
    carried_out(cloud, to_delete(cloud))
    assert aws.holds() == []


@pytest.mark.parametrize("k", every_step(9, 10))
def test_ctrl_c_at_any_step_leaves_nothing(aws: Aws, k: int) -> None:
    aws.plane.takes = 1
    cloud = cloud_here()
    with pytest.raises(Interrupted):
        carried_out(cloud, to_deploy(cloud), Told(k, KeyboardInterrupt))
    assert aws.holds(logs=k < 10) == []


def test_a_delete_that_is_killed_at_any_step_is_finished_by_the_next(aws: Aws) -> None:
    aws.plane.takes = 1
    cloud = cloud_here()
    carried_out(cloud, to_deploy(cloud))
    while len(steps := to_delete(cloud)) > 1:
        with pytest.raises(Killed):
            carried_out(cloud, steps, Told(1))
    carried_out(cloud, steps)
    assert aws.holds() == []


def test_a_slow_and_forgetful_control_plane_costs_only_time(aws: Aws) -> None:
    aws.plane.lag, aws.plane.role_lag, aws.plane.takes = 2, 3, 4
    throttled = ("ThrottlingException", "Rate exceeded", 400)
    aws.faults = {name: [throttled] * 2 for name in ("CreateModel", "CreateEndpoint", "PutRolePolicy")}
    aws.faults["CreateEndpointConfig"] = [("InternalFailure", "an odd moment", 500)]
    cloud = cloud_here()
    steps = to_deploy(cloud)
    aws.faults["DescribeEndpoint"] = [throttled]
    assert carried_out(cloud, steps).undone == []
    for _ in range(3):
        steps = to_deploy(cloud)  # until everything is seen
    assert steps == []


def test_two_deployers_at_once_come_to_one_endpoint(aws: Aws) -> None:
    first, second = cloud_here(), cloud_here(1)
    steps = [to_deploy(first), to_deploy(second)]
    carried_out(first, steps[0])
    carried_out(second, steps[1])
    assert to_deploy(first) == []
    # What the first has made is not the second's to take back.
    aws.plane.failure = "no capacity"
    with pytest.raises(EndpointFailed):
        carried_out(second, [*steps[1], *to_deploy(second, OTHER)])
    carried_out(first, to_deploy(first))
    assert to_deploy(first) == []


def test_what_somebody_else_has_just_made_is_not_taken_back(aws: Aws) -> None:
    first, second, told = cloud_here(), cloud_here(1), Told()
    steps = [to_deploy(first), to_deploy(second)]
    carried_out(first, steps[0])
    aws.denied = {"CreateEndpoint"}
    with pytest.raises(AwsError):
        carried_out(second, steps[1], told)
    assert told.undone == [] and to_deploy(first) == []


def test_an_endpoint_of_somebody_elses_is_left_alone(aws: Aws) -> None:
    cloud = cloud_here()
    carried_out(cloud, to_deploy(cloud, ttl_s=None))
    aws.plane.tags["arn:aws:sagemaker:us-east-1:123456789012:endpoint/mine"] = {}
    for plan in (to_deploy, to_delete):
        with pytest.raises(AwsError, match="was not made by voxctl"):
            plan(cloud)


def test_the_schedule_alone_deletes_the_endpoint(aws: Aws) -> None:
    cloud = cloud_here()
    with pytest.raises(Killed):
        carried_out(cloud, to_deploy(cloud), Told(DEPLOY.index("DescribeEndpoint")))
    while aws.plane.things["endpoint", "us-east-1", "mine"].status != "InService":
        seen_after(aws, cloud)  # the laptop is gone; time passes
    assert aws.fire() == ["DeleteEndpoint"]
    while seen_after(aws, cloud).endpoint:
        pass
    assert not any("endpoint mine" in one or "schedule" in one for one in aws.holds())
    carried_out(cloud, to_delete(cloud))
    assert aws.holds() == []


def test_a_region_without_the_service_is_said_in_a_line(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    from voxctl.aws.client import open_account
    from voxctl.aws.cloud import Cloud

    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", "http://127.0.0.1:9")
    with pytest.raises(AwsError, match="nobody answers for SageMaker in us-nowhere-7") as caught:
        to_deploy(Cloud(open_account(None, "us-nowhere-7")), replace(SPEC, name="mine"))
    assert "--region" in (caught.value.hint or "")
