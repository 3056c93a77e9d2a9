"""What deploy finds out before it makes anything: one clear line for each reason not to, and nothing is changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.aws.lifecycle import SPEC, cloud_here
from tests.fakes.aws.front import LABEL, OCI, Aws
from voxctl.aws.preflight import FAILED, NOTE, OK, Finding, looked_ahead
from voxctl.aws.spec import Spec
from voxctl.errors import AwsError

NONE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/other:9"
GOOD = {LABEL: "true"}
ASKED = replace(SPEC, image="")
ROLE = "arn:aws:iam::123456789012:role/theirs"


def findings(spec: Spec = ASKED, ttl_s: int | None = None) -> dict[str, Finding]:
    before = looked_ahead(cloud_here(), spec, ttl_s)
    return {finding.name: finding for finding in before.findings}


def make_role(service: str) -> None:
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": [service]}, "Action": "sts:AssumeRole"}]}
    document = {"RoleName": "theirs", "AssumeRolePolicyDocument": json.dumps(trust)}
    cloud_here().call("iam", "CreateRole", "a role of somebody else's", document)


def test_all_is_well_and_what_it_costs_is_said(aws: Aws) -> None:
    older, newer = aws.push(tag="1.0", labels=GOOD), aws.push(tag="1.1", labels=GOOD)
    before = looked_ahead(cloud_here(), replace(ASKED, instances=2), 3600)
    assert {finding.status for finding in before.findings} == {OK}, before.findings
    assert before.hourly_usd == pytest.approx(2 * 1.6538) and not aws.changes
    found = {finding.name: finding.found for finding in before.findings}
    assert newer in found["image"] and "$3.31 an hour, $2,415 a month" in found["price"]
    assert "8.72 %" in found["model"] and before.spec.image.partition("@")[2].startswith("sha256:")
    assert looked_ahead(cloud_here(), replace(ASKED, image=older), None).spec.image != before.spec.image


REFUSED: dict[str, tuple[Callable[[Aws], object], Spec, str, str, str]] = {
    "quota 0": (
        lambda aws: aws.quotas.update({"ml.g6.4xlarge": 0}) if aws.quotas else None,
        ASKED,
        "quota",
        "the quota for ml.g6.4xlarge is 0, and 1 is asked for",
        "https://us-east-1.console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas/L-",
    ),
    "no label": (lambda aws: aws.push(tag="2"), ASKED, "image", "lacks the label com.amazonaws", "voxctl build --push"),
    "OCI manifest": (
        lambda aws: aws.push(tag="2", labels=GOOD, media_type=OCI),
        ASKED,
        "image",
        "is an OCI manifest, which SageMaker refuses",
        "voxctl build --push",
    ),
    "another processor": (
        lambda aws: aws.push(tag="2", labels=GOOD, architecture="arm64"),
        ASKED,
        "image",
        "is for arm64; the instances are amd64",
        "voxctl build --push",
    ),
    "no such image": (
        lambda _: None,
        replace(SPEC, image=NONE),
        "image",
        "there is no image",
        "",
    ),
    "not in ECR": (lambda _: None, replace(SPEC, image="vllm/vllm-openai:v1"), "image", "is not in Amazon ECR", "push"),
    "no such role": (lambda _: None, replace(ASKED, role=ROLE), "role", f"there is no role {ROLE}", "--role out"),
    "no trust": (
        lambda _: make_role("lambda.amazonaws.com"),
        replace(ASKED, role=ROLE),
        "role",
        "does not let sagemaker.amazonaws.com take it",
        "trust policy",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_work_is_said_with_what_mends_it(aws: Aws, name: str) -> None:
    aws.push(labels=GOOD)
    arrange, spec, about, message, hint = REFUSED[name]
    arrange(aws)
    finding = findings(spec)[about]
    assert finding.status == FAILED and finding.error and message in finding.error.message, finding
    assert hint in (finding.error.hint or "") and "\n" not in finding.found and finding.error.exit_code == 5


def test_a_role_that_sagemaker_may_take_is_well(aws: Aws) -> None:
    make_role("sagemaker.amazonaws.com")
    assert findings(replace(ASKED, role=ROLE))["role"].status == OK


def test_an_account_without_any_image_says_what_makes_one(aws: Aws) -> None:
    error = findings()["image"].error
    assert error and error.message == "there is no image of voxctl in us-east-1" and "build" in (error.hint or "")


def test_what_cannot_be_known_warns_and_stops_nothing(aws: Aws) -> None:
    aws.push(labels=GOOD)
    aws.denied = {"ListServiceQuotas", "GetProducts", "GetRole"}
    with pytest.raises(AwsError, match="not authorized to perform: GetRole"):
        findings()  # without it nobody can know what there is
    aws.denied -= {"GetRole"}
    found = findings()
    assert [found[name].status for name in ("quota", "price", "end")] == [NOTE] * 3
    assert "unknown" in found["price"].found and "$" not in found["end"].found


@pytest.mark.parametrize(
    ("code", "status", "hint"),
    [
        ("ExpiredToken", 403, "aws sso login"),
        ("AccessDenied", 403, "have the action allowed"),
        ("SignatureDoesNotMatch", 403, "aws sts get-caller-identity"),
    ],
)
def test_credentials_that_are_no_good_are_one_line(aws: Aws, code: str, status: int, hint: str) -> None:
    aws.faults["GetCallerIdentity"] = [(code, "no", status)]
    with pytest.raises(AwsError, match=f"AWS does not accept the credentials: {code}") as caught:
        findings()
    assert hint in (caught.value.hint or "")


@pytest.mark.real
def test_a_control_plane_that_asks_for_patience_is_given_some_and_then_told_of(aws: Aws) -> None:
    aws.push(labels=GOOD)
    aws.faults["GetCallerIdentity"] = [("Throttling", "Rate exceeded", 400)]
    assert findings()["credentials"].status == OK
    aws.faults["GetCallerIdentity"] = [("Throttling", "Rate exceeded", 400)] * 3
    with pytest.raises(AwsError, match="Throttling: Rate exceeded") as caught:
        findings()
    assert "patience" in (caught.value.hint or "")
