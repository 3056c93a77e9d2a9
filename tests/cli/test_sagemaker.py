"""`voxctl transcribe --endpoint`: the real program and the real SDK against the stand-in, well and not."""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

from tests.aws.services import Endpoint, services
from tests.cli.program import SHORT, Run, run, shown_error
from tests.fakes.lawful import LawfulServer
from tests.fakes.sagemaker import FakeSageMaker, open_sagemaker, silent_listener
from voxctl.serving.standin.signature import Key

#: Each starts processes for seconds: too long for `make test`.
pytestmark = pytest.mark.real

#: 6 s are promised, to a machine with nothing else to do; the one that runs the tests has.
SOON_S = 15.0
#: What keeps AWS's own configuration of whoever runs the tests out of them.
NOBODY = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)


@pytest.fixture
async def service() -> AsyncIterator[FakeSageMaker]:
    async with LawfulServer().on_a_port() as url, open_sagemaker(url) as service:
        yield service


def environment(service: FakeSageMaker, **more: str) -> dict[str, str]:
    stand_in = service.stand_in
    return NOBODY | {
        "AWS_ACCESS_KEY_ID": stand_in.access_key_id,
        "AWS_SECRET_ACCESS_KEY": stand_in.secret_access_key,
        "AWS_CA_BUNDLE": str(stand_in.ca_bundle),
        "VOXCTL_ENDPOINT_URL": stand_in.endpoint_url,
    } | more  # fmt: skip


async def transcribed(service: FakeSageMaker, *arguments: str, region: str = "us-east-1", **env: str) -> Run:
    return await run(
        "transcribe", SHORT, "--endpoint", "local", "--region", region, *arguments, env=environment(service, **env)
    )


def said(done: Run, code: int, *, within_s: float = SOON_S) -> tuple[str, str]:
    """Return message and hint of a run that must have failed with ``code`` in one line, and soon."""
    assert done.code == code and done.out == "", done
    assert "Traceback" not in done.err and done.took_s < within_s, done
    return shown_error(done)


async def test_an_endpoint_gives_the_same_text_as_its_server_would() -> None:
    async with LawfulServer().on_a_port() as url, open_sagemaker(url) as service:
        straight = await run("transcribe", SHORT, "--url", url)
        done = await transcribed(service, "--format", "json")
        assert service.counters.streams == 1
    assert straight.code == 0 and done.code == 0, (straight, done)
    document = json.loads(done.out)
    assert straight.out.strip() in done.out.replace("\\n", " ")
    assert "local (us-east-1)" in json.dumps(document)


async def test_keys_that_are_wrong_expired_or_not_allowed_are_told_apart(service: FakeSageMaker) -> None:
    message, hint = said(await transcribed(service, AWS_SECRET_ACCESS_KEY="wrong"), 5)
    assert "403" in message and "InvalidSignature" in message and "get-caller-identity" in hint
    with service.refuses(403, "AccessDeniedException", "User: me is not authorized to perform"):
        message, hint = said(await transcribed(service), 5)
    assert "not authorized" in message and "sagemaker:InvokeEndpointWithBidirectionalStream" in hint


async def test_a_token_that_expired_is_said() -> None:
    key = Key("AKID", "secret", session_token="t", expires_s=time.time() - 60)
    async with LawfulServer().on_a_port() as url, open_sagemaker(url, keys=[key]) as service:
        keys = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "t"}
        message, hint = said(await transcribed(service, **keys), 5)
    assert "ExpiredToken" in message and "aws sso login" in hint


async def test_no_keys_are_said_before_anything_is_connected(service: FakeSageMaker) -> None:
    message, hint = said(await transcribed(service, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY=""), 5)
    assert "credentials" in message and "aws configure" in hint and service.counters.connections == 0


async def test_another_region_than_the_endpoints_is_said(service: FakeSageMaker) -> None:
    message, hint = said(await transcribed(service, region="eu-west-1"), 5)
    assert "local (eu-west-1)" in message and "signed for eu-west-1" in hint


async def test_an_endpoint_that_is_not_there_or_not_ready_is_said(service: FakeSageMaker) -> None:
    with services() as cloud, service.refuses(400, "ValidationError", "Endpoint local of account 1 not found."):
        message, hint = said(await transcribed(service), 5)
        assert "not found" in message and "aws sagemaker list-endpoints --region us-east-1" in hint
        cloud.endpoints["other"] = Endpoint()
        message, hint = said(await transcribed(service, AWS_ENDPOINT_URL_SAGEMAKER=cloud.url), 5)
        assert message == "there is no endpoint local in us-east-1" and hint == "there are: other"
        cloud.endpoints["local"] = Endpoint("Creating")
        message, hint = said(await transcribed(service, AWS_ENDPOINT_URL_SAGEMAKER=cloud.url), 5)
        assert "Creating" in message and hint.startswith("voxctl status ")


async def test_with_a_region_alone_the_endpoint_of_voxctl_is_taken(service: FakeSageMaker) -> None:
    env = environment(service)
    env["AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME_HTTP2"] = env.pop("VOXCTL_ENDPOINT_URL")
    with services() as cloud:
        env["AWS_ENDPOINT_URL_SAGEMAKER"] = cloud.url
        cloud.endpoints = {"other": Endpoint(), "mine": Endpoint(managed=True)}
        done = await run("transcribe", SHORT, "--region", "us-east-1", "--format", "json", env=env)
        assert done.code == 0 and "mine (us-east-1)" in done.out
        cloud.endpoints = {}
        message, hint = said(await run("transcribe", SHORT, "--region", "us-east-1", env=env), 5)
    assert "no endpoint of voxctl in us-east-1" in message and "voxctl deploy" in hint


async def test_a_control_plane_that_does_not_answer_is_not_waited_for(service: FakeSageMaker) -> None:
    env = environment(service)
    env["AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME_HTTP2"] = env.pop("VOXCTL_ENDPOINT_URL")
    with services() as cloud:
        cloud.slow_s = 12.0
        env["AWS_ENDPOINT_URL_SAGEMAKER"] = cloud.url
        message, hint = said(await run("transcribe", SHORT, "--region", "us-east-1", env=env), 5)
        assert "cannot be listed" in message and "network" in hint
        with service.refuses(400, "ValidationError", "Endpoint local of account 1 not found."):
            message, _ = said(await transcribed(service, AWS_ENDPOINT_URL_SAGEMAKER=cloud.url), 5)
        assert "not found" in message


async def test_a_certificate_that_is_not_trusted_is_said(service: FakeSageMaker, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(str(stranger))
    message, hint = said(await transcribed(service, "--ca-bundle", str(stranger)), 4)
    assert "not trusted" in message and "--ca-bundle" in hint
    message, hint = said(await transcribed(service, AWS_CA_BUNDLE=str(tmp_path / "nothing.pem")), 2)
    assert "nothing.pem" in message and "AWS_CA_BUNDLE" in hint


async def test_a_port_that_is_closed_or_never_answers_is_said(service: FakeSageMaker) -> None:
    async with silent_listener() as port:
        message, hint = said(await transcribed(service, VOXCTL_ENDPOINT_URL=f"https://127.0.0.1:{port}"), 4)
        assert f"{port} takes connections and says nothing" in message and "8443" in hint
    message, hint = said(await transcribed(service, VOXCTL_ENDPOINT_URL=f"https://127.0.0.1:{port}"), 4)
    assert "nobody is listening" in message and "--endpoint-url" in hint


async def test_a_call_that_is_taken_and_never_answered_is_said_with_its_port(service: FakeSageMaker) -> None:
    with service.never_answers():
        message, hint = said(await transcribed(service), 4)
    assert service.endpoint_url.rpartition(":")[2] in message and "8443" in hint


async def test_a_container_that_refuses_is_tried_for_a_while_and_its_log_is_named(service: FakeSageMaker) -> None:
    with services() as cloud, service.refuses(424, "ModelError", "no", after=0):
        cloud.lines = ["RuntimeError: CUDA out of memory"]
        urls = {"AWS_ENDPOINT_URL_SAGEMAKER": cloud.url, "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": cloud.url}
        message, hint = said(await transcribed(service, **urls), 4, within_s=25)
    assert "424" in message and "/aws/sagemaker/Endpoints/local" in hint and hint.endswith("CUDA out of memory")


async def test_a_stream_that_breaks_never_exits_with_0(service: FakeSageMaker) -> None:
    for fault in (service.drops(after=20), service.ends(after=20), service.cuts_an_event(after=20)):
        with fault:
            done = await transcribed(service, "--no-resume")
        assert done.code == 4 and "local (us-east-1)" in shown_error(done)[0]


async def test_a_stream_that_breaks_is_gone_on_with_over_another(service: FakeSageMaker) -> None:
    with service.drops(before_reply=12, times=1):
        done = await transcribed(service)
    assert done.code == 0 and service.counters.streams == 2


@pytest.mark.parametrize("flag", ["--endpoint", "--region", "--profile", "--endpoint-url"])
async def test_two_kinds_of_server_contradict_each_other_when_typed(flag: str) -> None:
    done = await run("transcribe", SHORT, "--url", "ws://127.0.0.1:9", flag, "x", env=NOBODY)
    message, _ = said(done, 2)
    assert "--url" in message and flag in message


async def test_what_is_typed_beats_what_is_configured(service: FakeSageMaker, tmp_path: Path) -> None:
    typed = await transcribed(service, VOXCTL_URL="ws://127.0.0.1:9")
    assert typed.code == 0, typed
    configured = environment(service, VOXCTL_REGION="us-east-1", VOXCTL_ENDPOINT="local", VOXCTL_AWS_PROFILE="none")
    async with LawfulServer().on_a_port() as url:
        done = await run("transcribe", SHORT, "--url", url, env=configured)
    assert done.code == 0 and service.counters.streams == 1
    (tmp_path / "voxctl.toml").write_text('endpoint = "local"\nregion = "us-east-1"\n')
    done = await run("transcribe", SHORT, env=environment(service), cwd=tmp_path)
    assert done.code == 0 and service.counters.streams == 2


async def test_a_region_of_aws_alone_chooses_no_endpoint(service: FakeSageMaker) -> None:
    env = environment(service, AWS_REGION="us-east-1", AWS_DEFAULT_REGION="us-east-1")
    env.pop("VOXCTL_ENDPOINT_URL")
    done = await run("transcribe", SHORT, env=env)
    assert done.code == 0 and "pocketsphinx" in done.err and service.counters.connections == 0
