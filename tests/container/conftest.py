"""The container engine and registries that the heavy tests share, and nobody's AWS."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.container.cloud import Cloud, cloud
from tests.container.stack import ECR, PUBLIC, Docker, Inside, docker, inside, registry, require_packages
from tests.container.standin_base import write_base

BASE = f"{PUBLIC}/deep-learning-containers/vllm:server-sagemaker-cuda-v2.5"


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Take away the AWS configuration of whoever runs the tests, and give keys that open nothing."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """A control plane that botocore is pointed at."""
    with cloud() as found:
        monkeypatch.setenv("AWS_ENDPOINT_URL", found.url)
        yield found


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """Namespaces with two registries in them: the public one has a base image, the other wants a login."""
    require_packages()
    folder = tmp_path_factory.mktemp("stack")
    with inside(folder) as made, registry(made, PUBLIC, locked=False), registry(made, ECR, locked=True):
        yield made
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def engine(place: Inside) -> Iterator[Docker]:
    """Docker as it is delivered today: buildx, and images in containerd's store. It has pushed the base image."""
    with docker(place, "modern", containerd=True, buildx=True) as running:
        archive = place.folder / "base.tar"
        write_base(archive)
        running("import", "--platform", "linux/amd64", "--change", "ENV PYTHONPATH=/usr/local/bin", archive, BASE)
        archive.unlink()
        running("push", BASE)
        running("rmi", "--force", BASE)
        yield running
