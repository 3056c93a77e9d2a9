"""Nobody's AWS: no configuration, no keys, no machine that has some."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.aws.services import Services, services
from tests.fakes.aws.front import Aws, open_aws


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the folder in which the test may put an AWS configuration."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return tmp_path


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """A control plane that botocore is pointed at, and keys for it."""
    with services() as found:
        for service in ("SAGEMAKER", "CLOUDWATCH_LOGS", "STS", "SSO"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", found.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        yield found


@pytest.fixture(scope="session")
def one_aws() -> Iterator[Aws]:
    """Listens as long as there are tests."""
    with open_aws() as found:
        yield found


@pytest.fixture
def aws(one_aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """All of AWS at one address, named by `AWS_ENDPOINT_URL` alone, with nothing in it, and keys for it."""
    one_aws.reset()
    monkeypatch.setenv("AWS_ENDPOINT_URL", one_aws.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    return one_aws
