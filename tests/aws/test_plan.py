"""What there should be and what there is → steps: a table, without any AWS."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.aws.lifecycle import NOW_S, OTHER, PLACE, SPEC
from voxctl.aws import names
from voxctl.aws.names import MOST_LETTERS, belongs, checked_name, end_role, run_role, with_digest
from voxctl.aws.plan import delete_plan, deploy_plan
from voxctl.aws.roles import end_policy, run_policy, trusts
from voxctl.aws.spec import requests_of
from voxctl.aws.steps import Observed, SeenEndpoint, SeenSchedule, Step
from voxctl.errors import UsageError

WANTED = requests_of(SPEC, PLACE)
RUN, END = run_role("mine", PLACE.region), end_role("mine", PLACE.region)
TAGS = {"voxctl:managed": "true", "voxctl:endpoint": "mine"}
ROLES = {RUN: run_policy(SPEC, PLACE), END: end_policy("mine", PLACE)}
THERE = Observed(
    SeenEndpoint("InService", WANTED.config_name, TAGS),
    (WANTED.config_name,),
    (WANTED.model_name,),
    ROLES,
    SeenSchedule(NOW_S + 7200, 14_400),
    14,
)
WAIT = "in service"


def shown(steps: list[Step]) -> list[str]:
    """Return each step in a word: its call, or what it waits for."""
    return [step.until or step.call for step in steps]


def with_endpoint(status: str, config: str = WANTED.config_name) -> Observed:
    return replace(THERE, endpoint=SeenEndpoint(status, config, TAGS))


CASES: dict[str, tuple[Observed, list[str]]] = {
    "all is as it should be": (THERE, []),
    "it is being made": (with_endpoint("Creating"), [WAIT]),
    "it is being changed to this": (with_endpoint("Updating"), [WAIT]),
    "it is being changed to something else": (
        with_endpoint("Updating", "mine-0123456789"),
        ["UpdateSchedule", "settled", "UpdateEndpoint", WAIT],
    ),
    "it is something else": (with_endpoint("InService", "mine-0"), ["UpdateSchedule", "UpdateEndpoint", WAIT]),
    "it has failed": (
        with_endpoint("Failed"),
        ["UpdateSchedule", "DeleteEndpoint", "gone", "CreateEndpoint", WAIT],
    ),
    "it is being deleted": (with_endpoint("Deleting"), ["UpdateSchedule", "gone", "CreateEndpoint", WAIT]),
    "its end is gone": (replace(THERE, schedule=None), ["CreateSchedule"]),
    "its end is over": (replace(THERE, schedule=SeenSchedule(NOW_S - 1, 14_400)), ["UpdateSchedule"]),
    "its end was another": (replace(THERE, schedule=SeenSchedule(NOW_S + 60, 3600)), ["UpdateSchedule"]),
    "the log is kept for ever": (replace(THERE, log_days=0), ["PutRetentionPolicy"]),
    "a role has lost its policy": (replace(THERE, roles={**ROLES, RUN: None}), ["PutRolePolicy"]),
    "a role may do something else": (replace(THERE, roles={**ROLES, END: {}}), ["PutRolePolicy"]),
    "a killed run has left others": (
        replace(THERE, configs=(*THERE.configs, "mine-00000000aa"), models=(*THERE.models, "mine-00000000bb")),
        ["DeleteEndpointConfig", "DeleteModel"],
    ),
    "a tag is missing": (
        replace(THERE, endpoint=SeenEndpoint("InService", WANTED.config_name, {"voxctl:managed": "true"})),
        ["AddTags"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_steps_are_those_between_what_is_and_what_should_be(case: str) -> None:
    seen, wanted = CASES[case]
    assert shown(deploy_plan(SPEC, PLACE, seen, 14_400, NOW_S)) == wanted


def test_what_ends_the_bill_comes_before_what_makes_it_and_goes_after_it() -> None:
    up = shown(deploy_plan(SPEC, PLACE, Observed(), 14_400, NOW_S))
    assert up.index("CreateSchedule") < up.index("CreateEndpoint")
    down = shown(delete_plan("mine", PLACE, THERE, logs=True))
    assert down[:2] == ["DeleteEndpoint", "gone"] and down.index("DeleteSchedule") > 1
    assert "DeleteLogGroup" in down and "DeleteLogGroup" not in shown(delete_plan("mine", PLACE, THERE, logs=False))
    assert delete_plan("mine", PLACE, Observed(), logs=True) == []


def test_without_a_time_to_live_nothing_about_its_end_is_touched() -> None:
    assert deploy_plan(SPEC, PLACE, THERE, None, NOW_S) == []
    assert "CreateSchedule" not in shown(deploy_plan(SPEC, PLACE, Observed(), None, NOW_S))


def test_the_schedule_calls_delete_endpoint_once_and_then_is_gone() -> None:
    steps = deploy_plan(SPEC, PLACE, Observed(), 3600, NOW_S)
    (made,) = [step.parameters for step in steps if step.call == "CreateSchedule"]
    at = datetime.fromtimestamp(NOW_S + 3600, UTC)
    assert made["ScheduleExpression"] == f"at({at:%Y-%m-%dT%H:%M:%S})" and made["ScheduleExpressionTimezone"] == "UTC"
    assert made["ActionAfterCompletion"] == "DELETE"
    assert made["Target"]["Arn"] == "arn:aws:scheduler:::aws-sdk:sagemaker:deleteEndpoint"
    assert json.loads(made["Target"]["Input"]) == {"EndpointName": "mine"}
    assert made["Target"]["RoleArn"].endswith(f":role/{END}")


def test_names_change_with_what_they_name_and_with_nothing_else() -> None:
    again, other = requests_of(replace(SPEC, tags=(("a", "b"),), log_days=30), PLACE), requests_of(OTHER, PLACE)
    assert (again.model_name, again.config_name) == (WANTED.model_name, WANTED.config_name)
    assert other.model_name == WANTED.model_name and other.config_name != WANTED.config_name
    for spec in (replace(SPEC, delay_ms=960), replace(SPEC, env=(("A", "1"),)), replace(SPEC, image="x/y:z")):
        assert requests_of(spec, PLACE).model_name != WANTED.model_name


def test_what_belongs_to_another_endpoint_is_not_taken_for_ours() -> None:
    assert belongs(with_digest("mine", {}), "mine")
    assert not belongs(with_digest("mine-too", {}), "mine") and not belongs("mine-zzzzzzzzzz", "mine")
    assert not belongs("mine-abc", "mine")


def test_names_are_as_long_as_the_services_allow() -> None:
    longest = checked_name("x" * MOST_LETTERS)
    assert len(with_digest(longest, {})) == 63 and len(names.schedule(longest)) <= 64
    roles = {role(longest, region) for role in (run_role, end_role) for region in ("ap-southeast-3", "ap-southeast-4")}
    assert len(roles) == 4 and all(len(role) <= 64 for role in roles)
    with pytest.raises(UsageError):
        checked_name("x" * (MOST_LETTERS + 1))


def test_weights_in_s3_need_no_network_and_are_read_by_the_role_alone() -> None:
    spec = replace(SPEC, weights="s3://bucket/voxtral/", kms_key="arn:aws:kms:us-east-1:123456789012:key/1")
    wanted = requests_of(spec, PLACE)
    source = wanted.model["PrimaryContainer"]["ModelDataSource"]["S3DataSource"]
    assert source == {"S3Uri": "s3://bucket/voxtral/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    assert wanted.model["EnableNetworkIsolation"] is True and not WANTED.model["EnableNetworkIsolation"]
    assert "HF_MODEL_ID" not in wanted.model["PrimaryContainer"]["Environment"]
    rights = {s["Action"][0]: s["Resource"] for s in run_policy(spec, PLACE)["Statement"]}
    assert rights["s3:GetObject"] == "arn:aws:s3:::bucket/voxtral/*" and rights["kms:CreateGrant"] == spec.kms_key
    # The disk of a g6 is its own, and SageMaker takes no key for it.
    assert "KmsKeyId" not in wanted.config
    assert requests_of(replace(spec, instance_type="ml.p3.2xlarge"), PLACE).config["KmsKeyId"] == spec.kms_key


def test_the_variant_has_both_time_outs_and_the_machine_image_for_the_images_cuda() -> None:
    (variant,) = requests_of(replace(SPEC, download_limit_s=600, instances=2), PLACE).config["ProductionVariants"]
    assert variant["ModelDataDownloadTimeoutInSeconds"] == 600 and variant["InitialInstanceCount"] == 2
    assert variant["ContainerStartupHealthCheckTimeoutInSeconds"] == 1800
    assert variant["InferenceAmiVersion"] == "al2023-ami-sagemaker-inference-gpu-4-1"


def test_a_role_of_your_own_takes_the_place_of_the_one_that_was_made() -> None:
    spec = replace(SPEC, role="arn:aws:iam::123456789012:role/theirs")
    steps = deploy_plan(spec, PLACE, THERE, None, NOW_S)
    assert shown(steps)[-2:] == ["DeleteRolePolicy", "DeleteRole"] and steps[-1].parameters == {"RoleName": RUN}


@pytest.mark.parametrize(
    ("principal", "may"),
    [
        ({"Service": "sagemaker.amazonaws.com"}, True),
        ({"Service": ["ec2.amazonaws.com", "sagemaker.amazonaws.com"]}, True),
        ({"Service": "ec2.amazonaws.com"}, False),
        ({"AWS": "*"}, False),
        ("*", False),
    ],
)
def test_who_may_take_a_role_is_read_from_its_trust(principal: object, may: bool) -> None:
    document = {"Statement": {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}}
    assert trusts(document, "sagemaker.amazonaws.com") is may
