"""What the control plane says of endpoints, over real HTTP to the real botocore."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest
from botocore.exceptions import ClientError

from tests.aws.services import Endpoint, Services
from voxctl.aws.advice import advised
from voxctl.aws.client import open_account
from voxctl.aws.endpoints import managed_endpoint, trouble_with
from voxctl.aws.faults import renamed
from voxctl.aws.logs import last_lines
from voxctl.errors import AwsError, HandshakeRefused

GROUP = "/aws/sagemaker/Endpoints/mine"


def test_the_one_endpoint_of_voxctl_is_found_among_others(cloud: Services) -> None:
    cloud.page = 3
    cloud.endpoints = {f"other-{n}": Endpoint() for n in range(7)} | {"mine": Endpoint(managed=True)}
    assert managed_endpoint(open_account(None, "us-east-1")) == "mine"


def test_several_are_listed_and_none_says_what_makes_one(cloud: Services) -> None:
    account = open_account(None, "us-east-1")
    with pytest.raises(AwsError) as caught:
        managed_endpoint(account)
    assert "us-east-1" in caught.value.message and "voxctl deploy" in (caught.value.hint or "")
    cloud.endpoints = {name: Endpoint(managed=True) for name in ("b", "a")}
    with pytest.raises(AwsError, match="a, b") as caught:
        managed_endpoint(account)
    assert "--endpoint a" in (caught.value.hint or "")


def test_who_may_not_list_is_told_so(cloud: Services) -> None:
    cloud.denied = {"ListEndpoints"}
    with pytest.raises(AwsError) as caught:
        managed_endpoint(open_account(None, "us-east-1"))
    error = caught.value
    assert (error.status, error.code) == (400, "AccessDeniedException") and "ListEndpoints" in error.message


def test_no_keys_and_no_network_are_told_apart(cloud: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", "http://127.0.0.1:9")
    with pytest.raises(AwsError) as caught:
        managed_endpoint(open_account(None, "us-east-1"))
    assert "network" in (caught.value.hint or "")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(AwsError) as caught:
        managed_endpoint(open_account(None, "us-east-1"))
    assert "aws configure" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("Creating", "is Creating"),
        ("Deleting", "is Deleting"),
        ("OutOfService", "is OutOfService"),
        ("Failed", "has failed: no capacity"),
        ("InService", None),
        ("Updating", None),
    ],
)
def test_an_endpoint_that_cannot_answer_yet_is_told(cloud: Services, status: str, said: str | None) -> None:
    cloud.endpoints["mine"] = Endpoint(status, reason="no capacity")
    trouble = trouble_with(open_account(None, "us-east-1"), "mine")
    assert (trouble is None) == (said is None)
    if trouble and said:
        assert said in trouble.message and trouble.hint


def test_an_endpoint_that_is_not_there_is_told_with_those_that_are(cloud: Services) -> None:
    account = open_account(None, "us-east-1")
    cloud.endpoints["yours"] = Endpoint()
    trouble = trouble_with(account, "mine")
    assert trouble and "no endpoint mine in us-east-1" in trouble.message and "yours" in (trouble.hint or "")
    cloud.denied = {"DescribeEndpoint"}
    assert trouble_with(account, "mine") is None


def test_the_last_lines_of_a_container_are_read_where_that_is_allowed(cloud: Services) -> None:
    account = open_account(None, "us-east-1")
    assert last_lines(account, GROUP) == []
    cloud.lines = ["one", "two", "", "three\tand \x1b[31mmore", "x" * 500]
    assert last_lines(account, GROUP) == ["two", "three and [31mmore", f"{'x' * 200}…"]
    cloud.denied = {"GetLogEvents"}
    assert last_lines(account, GROUP) == []


def test_logs_that_do_not_come_hold_nobody_up(cloud: Services) -> None:
    cloud.slow_s, cloud.lines = 3.0, ["one"]
    started = time.monotonic()
    assert last_lines(open_account(None, "us-east-1"), GROUP, limit_s=0.4) == []
    assert time.monotonic() - started < 2.5


@pytest.mark.real
async def test_what_aws_does_not_come_to_say_is_not_waited_for(
    cloud: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    enough = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            writer.write(b"HTTP/1.1 200 OK\r\n")
            while not enough.is_set():  # no silence is as long as botocore would wait
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.1)
        writer.close()

    async def fail() -> None:
        raise AwsError("not found", status=400, code="ValidationError")

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", url)
        try:
            async with asyncio.timeout(10):
                with pytest.raises(AwsError, match="not found"):
                    await advised(fail, open_account(None, "us-east-1"), "mine", GROUP)()
        finally:
            enough.set()


def test_a_request_that_aws_repeats_is_not_shown() -> None:
    words = "It does not match.\n\nThe Canonical String for this request should have been 'x-amz-security-token:T0P'"
    answer = {"Error": {"Code": "SignatureDoesNotMatch", "Message": words}}
    error = renamed(ClientError(answer, "ListEndpoints"), "it cannot be done")
    assert error.message == "it cannot be done: SignatureDoesNotMatch: It does not match."


async def test_an_answer_is_told_with_what_aws_knows_of_it(cloud: Services) -> None:
    account = open_account(None, "us-east-1")
    answers: list[Exception] = [
        AwsError("not found", status=400, code="ValidationError"),
        AwsError("denied", status=403, hint="h"),
        HandshakeRefused("no", status=424, hint="the log."),
        HandshakeRefused("slow down", status=429),
    ]

    async def fail() -> None:
        raise answers.pop(0)

    cloud.endpoints["mine"], cloud.lines = Endpoint("Creating"), ["CUDA error"]
    open_ = advised(fail, account, "mine", GROUP)
    with pytest.raises(AwsError, match="is Creating"):
        await open_()
    with pytest.raises(AwsError, match="denied"):
        await open_()
    with pytest.raises(HandshakeRefused, match="no") as caught:
        await open_()
    assert (caught.value.hint or "").endswith("It ends: CUDA error") and caught.value.status == 424
    with pytest.raises(HandshakeRefused, match="slow down"):
        await open_()
    assert cloud.asked == ["DescribeEndpoint", "DescribeLogStreams", "GetLogEvents"]
