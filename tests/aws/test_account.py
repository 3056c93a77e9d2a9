"""Where AWS is: the region, the address of the runtime, what is trusted on the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxctl.aws.client import STREAMS, ca_bundle, configured_url, open_account, runtime_url
from voxctl.errors import UsageError


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("us-east-1", "runtime.sagemaker.us-east-1.amazonaws.com"),
        ("eu-central-1", "runtime.sagemaker.eu-central-1.amazonaws.com"),
        ("cn-north-1", "runtime.sagemaker.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "runtime.sagemaker.us-gov-west-1.amazonaws.com"),
        ("us-iso-east-1", "runtime.sagemaker.us-iso-east-1.c2s.ic.gov"),
        ("us-isob-east-1", "runtime.sagemaker.us-isob-east-1.sc2s.sgov.gov"),
    ],
)
def test_every_partition_has_its_own_name_and_the_port_of_streams(region: str, host: str) -> None:
    assert runtime_url(open_account(None, region)) == f"https://{host}:8443"


def test_fips_is_obeyed_from_environment_and_profile(nobody: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (nobody / "config").write_text("[profile fips]\nregion = us-east-1\nuse_fips_endpoint = true\n")
    fips = "https://runtime-fips.sagemaker.us-east-1.amazonaws.com:8443"
    assert runtime_url(open_account("fips")) == fips
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    assert runtime_url(open_account(None, "us-east-1")) == fips
    assert runtime_url(open_account(None, "us-gov-west-1")).endswith("sagemaker.us-gov-west-1.amazonaws.com:8443")


def test_the_region_is_the_nearest_to_the_fingers(nobody: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError) as caught:
        open_account()
    assert "--region" in (caught.value.hint or "")
    (nobody / "config").write_text("[default]\nregion = eu-west-1\n[profile far]\nregion = ap-south-1\n")
    assert open_account().region == "eu-west-1" and open_account("far").region == "ap-south-1"
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-2")
    assert open_account().region == "eu-west-2"
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    assert open_account().region == "eu-west-3" and open_account(None, "us-east-1").region == "us-east-1"
    with pytest.raises(UsageError, match="is not a region"):
        open_account(None, "us-east-1.evil.example/")


def test_trust_and_address_can_be_configured(nobody: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    account = open_account(None, "us-east-1")
    assert ca_bundle(account) is None and configured_url(account, STREAMS) is None
    (nobody / "config").write_text(
        "[profile mine]\nca_bundle = /from/profile.pem\nservices = here\n"
        "[services here]\nsagemaker_runtime_http2 =\n  endpoint_url = https://profile:1\n"
    )
    mine = open_account("mine", "us-east-1")
    assert ca_bundle(mine) == Path("/from/profile.pem") and configured_url(mine, STREAMS) == "https://profile:1"
    monkeypatch.setenv("AWS_CA_BUNDLE", "/from/environment.pem")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME_HTTP2", "https://environment:1")
    mine = open_account("mine", "us-east-1")
    assert ca_bundle(mine) == Path("/from/environment.pem")
    assert configured_url(mine, STREAMS) == "https://environment:1"
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    assert configured_url(open_account("mine", "us-east-1"), STREAMS) is None
