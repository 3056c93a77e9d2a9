"""An endpoint of SageMaker, with the real botocore against a control plane on this machine."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.aws.services import Endpoint
from tests.doctor.cloud import Cloud, cloud
from tests.fakes.lawful import LawfulServer
from tests.fakes.sagemaker import FakeSageMaker, open_sagemaker
from tests.fakes.sockets import raw_server
from voxctl.doctor.check import Finding, Result, Status, examined, exit_code_of
from voxctl.doctor.sagemaker import Asked, sagemaker_checks
from voxctl.serving.standin.signature import Key

pytestmark = pytest.mark.usefixtures("nobody")

#: Of the runtime, which is real AWS in most tests here, nothing is looked at: this machine has no such address.
CONTROL = ("AWS region", "credentials", "endpoint", "image label", "permission")


@pytest.fixture
def aws(nobody: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    with cloud() as found:
        for service in ("SAGEMAKER", "STS", "IAM", "ECR"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", found.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sesame")
        yield found


@pytest.fixture
async def service() -> AsyncIterator[FakeSageMaker]:
    async with (
        LawfulServer().on_a_port() as url,
        open_sagemaker(url, keys=[Key("AKID", "sesame")]) as service,
    ):
        yield service


async def results(*names: str, asked: Asked | None = None) -> list[Result]:
    """Return the results of the checks of those names, all if there are none."""
    checks = sagemaker_checks(asked or Asked("mine", "us-east-1"))
    return await examined([check for check in checks if not names or check.name in names])


async def found(name: str, asked: Asked | None = None) -> Finding:
    (result,) = await results(name, asked=asked)
    return result.finding


async def test_all_is_well_with_an_endpoint_that_may_be_invoked(aws: Cloud, service: FakeSageMaker) -> None:
    asked = Asked("mine", "us-east-1", endpoint_url=service.endpoint_url, ca_bundle=service.ca_bundle)
    every = await results(asked=asked)
    assert {r.check.name: r.finding.status for r in every} == dict.fromkeys(
        [*CONTROL[:2], "clock", "runtime", *CONTROL[2:], "stream"], Status.OK
    )
    text = " ".join(f"{r.finding}" for r in every)
    assert "assumed-role/worker" in text and "from env" in text and "right to the second" in text
    assert "sesame" not in text and exit_code_of(every) == 0


async def test_without_a_region_nothing_else_is_looked_at() -> None:
    every = await results(asked=Asked("mine"))
    assert every[0].finding.status is Status.FAILED and "--region" in every[0].finding.cure
    assert {r.finding.status for r in every[1:]} == {Status.SKIPPED} and exit_code_of(every) == 2


async def test_without_credentials_what_needs_them_is_skipped(aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    every = await results(*CONTROL)
    assert every[1].finding.status is Status.FAILED and "aws configure" in every[1].finding.cure
    assert {r.finding.status for r in every[2:]} == {Status.SKIPPED} and exit_code_of(every) == 5
    assert not aws.asked


async def test_credentials_that_aws_refuses_are_a_failure(aws: Cloud) -> None:
    aws.denied = {"GetCallerIdentity"}
    finding = await found("credentials")
    assert finding.status is Status.FAILED and "does not accept" in finding.found and "sesame" not in finding.found


@pytest.mark.parametrize(("for_s", "status"), [(7200, Status.OK), (120, Status.NOTE)])
async def test_credentials_that_end_soon_are_told_of(aws: Cloud, tmp_path: Path, for_s: int, status: Status) -> None:
    ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + for_s))
    program = tmp_path / "keys"
    program.write_text(
        f"""#!/bin/sh
echo '{{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "sesame", "SessionToken": "t", "Expiration": "{ends}"}}'
"""
    )
    program.chmod(0o755)
    (tmp_path / "config").write_text(f"[profile work]\ncredential_process = {program}\n")
    finding = await found("credentials", Asked("mine", "us-east-1", "work"))
    assert finding.status is status and "from custom-process" in finding.found
    assert f"{for_s // 60 - 1} min" in finding.found and "sesame" not in finding.found


async def test_an_unknown_profile_is_told_with_what_lists_them(aws: Cloud) -> None:
    every = await results(*CONTROL, asked=Asked("mine", "us-east-1", "nobody"))
    assert every[0].finding.status is Status.FAILED and "list-profiles" in every[0].finding.cure
    assert exit_code_of(every) == 5


# The endpoint, its image, the right to invoke it.


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        (Endpoint("Creating"), "it is Creating"),
        (Endpoint("Failed", reason="no capacity"), "has failed: no capacity"),
        (None, "there is no endpoint mine"),
    ],
)
async def test_an_endpoint_that_does_not_answer_is_a_failure(aws: Cloud, endpoint: Endpoint | None, words: str) -> None:
    aws.endpoints = {"mine": endpoint} if endpoint else {"other": Endpoint()}
    every = await results("endpoint", "image label", "permission")
    assert every[0].finding.status is Status.FAILED and words in every[0].finding.found and every[0].finding.cure
    assert {r.finding.status for r in every[1:]} == {Status.SKIPPED} and exit_code_of(every) == 5


async def test_aws_is_asked_once_for_an_endpoint(aws: Cloud) -> None:
    await results("endpoint", "image label", "permission")
    aws.endpoints = {"mine": Endpoint("Creating")}
    await results("endpoint", "image label", "permission")
    assert aws.asked.count("DescribeEndpoint") == 2


async def test_the_endpoint_that_voxctl_made_is_found_by_its_tag(aws: Cloud) -> None:
    assert (await found("endpoint", Asked(region="us-east-1"))).found == "mine is InService"


async def test_an_image_without_the_label_gets_no_streams(aws: Cloud) -> None:
    aws.labels = {"maintainer": "me"}
    finding = await found("image label")
    assert finding.status is Status.FAILED and "LABEL com.amazonaws.sagemaker" in finding.cure
    aws.labels = {}
    assert (await found("image label")).status is Status.FAILED


@pytest.mark.real
async def test_a_label_that_cannot_be_known_is_a_note(aws: Cloud) -> None:
    aws.denied = {"BatchGetImage"}
    finding = await found("image label")
    assert finding.status is Status.NOTE and "unknown" in finding.found and "BatchGetImage" in finding.found
    aws.denied, aws.labels = set(), None
    unread = await found("image label")
    assert unread.status is Status.NOTE and "sesame" not in f"{unread}"
    aws.manifest = {"manifests": []}
    assert "no plain image" in (await found("image label")).found
    aws.image = "docker.io/me/voxctl:v1"
    assert (await found("image label")).status is Status.NOTE
    aws.image = ""
    assert "does not name its image" in (await found("image label")).found


async def test_permission_is_that_of_the_role_behind_the_session(aws: Cloud) -> None:
    assert (await found("permission")).status is Status.OK
    aws.denied = {"GetRole"}
    assert (await found("permission")).status is Status.OK
    aws.arn = "arn:aws:iam::123456789012:user/me"
    await found("permission")
    role = "arn:aws:iam::123456789012:role/"
    assert aws.principals == [f"{role}sso/worker", f"{role}worker", aws.arn]


async def test_a_missing_permission_is_named(aws: Cloud) -> None:
    aws.refused = {"sagemaker:InvokeEndpointWithBidirectionalStream"}
    finding = await found("permission")
    assert finding.status is Status.FAILED and "InvokeEndpointWithBidirectionalStream" in finding.cure
    aws.refused = {"sagemaker:InvokeEndpoint"}
    assert (await found("permission")).status is Status.NOTE


async def test_a_permission_that_cannot_be_known_is_a_note(aws: Cloud) -> None:
    aws.denied = {"SimulatePrincipalPolicy"}
    finding = await found("permission")
    assert finding.status is Status.NOTE and finding.found.startswith("unknown: ")


async def test_the_root_of_an_account_needs_no_policy(aws: Cloud) -> None:
    aws.arn = "arn:aws:iam::123456789012:root"
    assert (await found("permission")).status is Status.OK and not aws.principals


# The runtime and the clock.


async def test_the_time_is_the_runtime_s_or_that_of_aws_where_it_does_not_tell_it(aws: Cloud) -> None:
    hour_ago_s = time.time() - 3600
    async with open_sagemaker(clock=lambda: hour_ago_s) as late:
        asked = Asked("mine", "us-east-1", endpoint_url=late.endpoint_url, ca_bundle=late.ca_bundle)
        finding = await found("clock", asked)
    assert finding.status is Status.FAILED and re.search(r"3(599|600) s ahead", finding.found)
    aws.date = formatdate(time.time() + 1000, usegmt=True)
    asked = Asked("mine", "us-east-1", endpoint_url="https://127.0.0.1:1")
    finding = await found("clock", asked)
    assert finding.status is Status.FAILED and "behind" in finding.found
    aws.denied = {"GetCallerIdentity"}  # a refusal has a date too
    assert (await found("clock", asked)).status is Status.FAILED


@pytest.mark.real
async def test_a_stream_that_is_refused_is_a_failure_whatever_else_was_found(
    aws: Cloud, service: FakeSageMaker
) -> None:
    asked = Asked("mine", "us-east-1", endpoint_url=service.endpoint_url, ca_bundle=service.ca_bundle)
    with service.refuses(403, "AccessDeniedException", "not authorized to perform"):
        (refused,) = await results("stream", asked=asked)
    assert refused.finding.status is Status.FAILED and "not authorized" in refused.finding.found
    assert "InvokeEndpointWithBidirectionalStream" in refused.finding.cure and refused.exit_code == 5
    with service.never_answers():
        (silent,) = await results("stream", asked=asked)
    assert silent.finding.status is Status.FAILED and "did not answer" in silent.finding.found
    assert silent.exit_code == 4


async def test_no_stream_is_opened_where_nobody_listens_or_no_endpoint_is_known(aws: Cloud) -> None:
    away = Asked("mine", "us-east-1", endpoint_url="https://127.0.0.1:1")
    assert (await found("stream", away)).found == "needs the runtime"
    assert (await found("stream", Asked(region="us-east-1", endpoint_url="https://127.0.0.1:1"))).status is (
        Status.SKIPPED
    )


async def test_of_a_runtime_elsewhere_aws_is_asked_nothing(
    service: FakeSageMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sesame")
    began = time.monotonic()
    every = await results(asked=Asked("local", "us-east-1", None, service.endpoint_url, service.ca_bundle))
    by_name = {r.check.name: r.finding.status for r in every}
    assert [by_name[name] for name in CONTROL] == [Status.OK] * 2 + [Status.SKIPPED] * 3
    assert "elsewhere" in every[-2].finding.found
    assert [by_name[name] for name in ("runtime", "clock", "stream")] == [Status.OK] * 3 and exit_code_of(every) == 0
    assert time.monotonic() - began < 8


async def test_an_answer_that_is_not_of_aws_is_a_finding(aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    async with raw_server(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\n<html>") as url:
        address = url.replace("ws:", "http:").removesuffix("/v1/realtime")
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", address)
        finding = await found("credentials")
        assert finding.status is Status.FAILED and finding.cure
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", aws.url)
        monkeypatch.setenv("AWS_ENDPOINT_URL_IAM", address)
        assert (await found("permission")).status is Status.NOTE


@pytest.mark.real
async def test_a_control_plane_that_hangs_is_a_finding(aws: Cloud) -> None:
    aws.slow_s = 4.0
    began = time.monotonic()
    finding = await found("endpoint")
    assert finding.status is Status.FAILED and "cannot be looked at" in finding.found
    assert time.monotonic() - began < 8


async def test_nobody_asked_for_sagemaker() -> None:
    (result,) = await examined(sagemaker_checks(None))
    assert result.finding.status is Status.SKIPPED and "--region" in result.finding.found
