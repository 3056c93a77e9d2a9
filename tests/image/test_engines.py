"""Which builder is taken of those that are here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.container.scripted import Scripted, scripted_docker
from voxctl.errors import BuildFailed
from voxctl.image.commands import Builder, Engine
from voxctl.image.engines import found_engine

DOWN = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which programs are looked for, but for those of every shell."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in ("sh", "cat"):
        (folder / name).symlink_to(next(p for p in (Path("/bin") / name, Path("/usr/bin") / name) if p.exists()))
    monkeypatch.setenv("PATH", str(folder))
    return folder


def podman(tools: Path) -> Scripted:
    made = Scripted(tools, "podman")
    made.reply("info", "4.3.1")
    return made


async def test_buildx_is_the_first_choice(tools: Path) -> None:
    scripted_docker(tools).reply("context show", "desktop-linux")
    podman(tools)
    assert await found_engine(None) == Engine(Builder.BUILDX, "26.1.5", "desktop-linux")


async def test_docker_alone_is_the_second(tools: Path) -> None:
    scripted_docker(tools, buildx=False)
    assert await found_engine(None) == Engine(Builder.DOCKER, "26.1.5")


async def test_a_store_of_containerd_is_noticed(tools: Path) -> None:
    scripted_docker(tools, buildx=False).reply("info", '[["driver-type","io.containerd.snapshotter.v1"]]')
    assert (await found_engine(None)).keeps_oci


async def test_podman_is_taken_where_docker_is_not_or_does_not_run(tools: Path) -> None:
    podman(tools)
    assert await found_engine(None) == Engine(Builder.PODMAN, "4.3.1")
    scripted_docker(tools).reply("version", DOWN, 1)
    assert (await found_engine(None)).builder is Builder.PODMAN


async def test_podman_under_docker_s_name_is_podman(tools: Path) -> None:
    scripted_docker(tools).reply("--version", "podman version 4.3.1")
    podman(tools)
    assert (await found_engine(None)).builder is Builder.PODMAN


@pytest.mark.parametrize("wanted", [None, Builder.BUILDX, Builder.DOCKER])
async def test_no_docker_is_said_with_what_to_install(tools: Path, wanted: Builder | None) -> None:
    with pytest.raises(BuildFailed, match="Docker is not installed") as refused:
        await found_engine(wanted)
    assert refused.value.hint and "--builder codebuild" in refused.value.hint


async def test_a_docker_that_does_not_run_is_said_not_to(tools: Path) -> None:
    scripted_docker(tools).reply("version", DOWN, 1)
    with pytest.raises(BuildFailed, match="does not run"):
        await found_engine(None)


async def test_buildx_that_was_asked_for_and_is_not_there_is_an_error(tools: Path) -> None:
    scripted_docker(tools, buildx=False)
    with pytest.raises(BuildFailed, match="has no buildx"):
        await found_engine(Builder.BUILDX)
    with pytest.raises(BuildFailed, match="podman is not installed"):
        await found_engine(Builder.PODMAN)
