"""What --tag may say, and which images are in Amazon ECR."""

from __future__ import annotations

import pytest

from voxctl.errors import UsageError
from voxctl.image.names import Ecr, ImageName, ecr_of, host_of, parse_name

ECR = "123456789012.dkr.ecr.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, ImageName("", "voxctl", "1.2.0")),
        ("mine", ImageName("", "mine", "1.2.0")),
        ("team/mine:v1", ImageName("", "team/mine", "v1")),
        (f"{ECR}/voxctl:v1", ImageName(ECR, "voxctl", "v1")),
        ("localhost:5000/voxctl", ImageName("localhost:5000", "voxctl", "1.2.0")),
        ("ghcr.io/a/b:C", ImageName("ghcr.io", "a/b", "C")),
    ],
)
def test_a_tag_names_registry_repository_and_tag(text: str | None, expected: ImageName) -> None:
    found = parse_name(text, "1.2.0")
    assert found == expected
    assert parse_name(str(found), "9") == found


def test_a_version_that_is_no_tag_becomes_one() -> None:
    assert parse_name(None, "1.2.0+local/x").tag == "1.2.0-local-x"


@pytest.mark.parametrize(
    "text", ["", "Voxctl", "a b", "-x", "a:", "a:b:c", "a//b", "a@sha256:00", "a:-x", "é", "a:" + "x" * 129]
)
def test_what_no_registry_takes_is_a_wrong_tag(text: str) -> None:
    with pytest.raises(UsageError, match="--tag"):
        parse_name(text, "1.2.0")


def test_only_private_registries_of_ecr_are_ecrs() -> None:
    assert ecr_of(ECR) == Ecr("123456789012", "us-east-1")
    assert ecr_of("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn") == Ecr("123456789012", "cn-north-1")
    assert ecr_of("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com") == Ecr("123456789012", "us-gov-west-1")
    for host in ("public.ecr.aws", f"{ECR}.example.com", "1234.dkr.ecr.us-east-1.amazonaws.com", ""):
        assert ecr_of(host) is None


def test_docker_s_own_registry_is_named_by_nobody() -> None:
    assert [host_of(image) for image in ("vllm/vllm-openai:v1", "busybox", f"{ECR}/a", "localhost/a")] == [
        "",
        "",
        ECR,
        "localhost",
    ]
