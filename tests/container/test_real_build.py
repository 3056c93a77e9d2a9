"""`voxctl build` on a real engine, from the Dockerfile as it is to a stream through the container."""

from __future__ import annotations

import hashlib
import json
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.cli.program import SHORT
from tests.container.cloud import DOCKER_V2, Build, Cloud, Image, cloud
from tests.container.stack import ECR, PASSWORD, USER, Docker, Inside, docker, podman
from voxctl.image.manifest import MEDIA_TYPES

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

VOXCTL = (sys.executable, "-m", "voxctl")


@pytest.fixture
def control(place: Inside) -> Iterator[Cloud]:
    """AWS's control plane inside; ECR's answers are of the real registry."""
    with cloud(place.call) as found:
        found.fetch = lambda name, tag: _manifest(place, name, tag)
        yield found


def _manifest(place: Inside, name: str, tag: str) -> Image | None:
    """Read a manifest from the registry; the caller is inside."""
    login = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    headers = {"Accept": ", ".join(MEDIA_TYPES), "Authorization": f"Basic {login}"}
    request = urllib.request.Request(f"https://{'127.0.0.3'}/v2/{name}/manifests/{tag}", headers=headers)
    try:
        with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=place.ca)) as answer:
            return answer.headers["content-type"], answer.read()
    except urllib.error.HTTPError as exc:
        assert exc.code == 404, exc
        return None


def build(
    place: Inside, control: Cloud, env: dict[str, str], *arguments: str | Path
) -> subprocess.CompletedProcess[str]:
    """Run `voxctl build` inside."""
    return place.run(*VOXCTL, "build", *arguments, env={**env, "AWS_ENDPOINT_URL": control.url}, limit_s=120)


def test_what_is_pushed_is_what_sagemaker_takes_and_serves_a_stream(
    place: Inside, engine: Docker, control: Cloud
) -> None:
    done = build(place, control, engine.env, "--push", "--tag", "voxctl:e2e", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["image"] == f"{ECR}/voxctl:e2e" and result["builder"] == "buildx"
    held = place.call(lambda: _manifest(place, "voxctl", "e2e"))
    assert held and held[0] == DOCKER_V2
    assert result["uri"] == f"{ECR}/voxctl@{result['digest']}"
    assert control.repositories["voxctl"].scans
    assert PASSWORD not in done.stderr + done.stdout

    engine("rmi", "--force", result["image"])
    engine("pull", result["uri"])
    label = "com.amazonaws.sagemaker.capabilities.bidirectional-streaming"
    config = json.loads(engine("image", "inspect", "--format", "{{json .Config}}", result["uri"]))
    assert config["Labels"][label] == "true" and config["Healthcheck"]
    name = engine("run", "--detach", "--network", "host", result["uri"], "serve")
    served = place.run(*(sys.executable, "-m", "tests.container.contract"), limit_s=60)
    assert served.returncode == 0, served.stderr + engine("logs", name)
    engine("exec", name, *config["Healthcheck"]["Test"][1:])
    url = "ws://127.0.0.1:8080/invocations-bidirectional-stream"
    heard = place.run(*VOXCTL, "transcribe", SHORT, "--url", url, "--speed", "max")
    assert heard.stdout.split()[:3] == ["w1", "w2", "w3"], heard.stderr
    engine("stop", "--time", "10", name)
    logs = engine("logs", name)
    options = json.loads(logs.splitlines()[0])["options"]
    assert options["middleware"] == "gateway.Gateway" and options["max_num_seqs"] == "8"
    assert logs.splitlines()[-1] == "ended", "vLLM must get SIGTERM itself"
    assert engine("inspect", "--format", "{{.State.ExitCode}}", name) == "0"
    engine("rm", name)


def test_every_builder_and_store_pushes_the_same_form(place: Inside, engine: Docker, control: Cloud) -> None:
    with docker(place, "plain", containerd=False, buildx=False) as plain:
        done = build(place, control, plain.env, "--push", "--tag", "voxctl:plain", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["builder"] == "docker"
        # The same engine, whose store is not containerd's, through a client that has buildx.
        both = plain.env | {"DOCKER_CONFIG": engine.env["DOCKER_CONFIG"]}
        done = build(place, control, both, "--push", "--tag", "voxctl:both", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["builder"] == "buildx"
    with podman(place) as env:
        done = build(place, control, env, "--push", "--tag", "voxctl:podman", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["builder"] == "podman"
    for tag in ("plain", "both", "podman"):
        held = place.call(lambda tag=tag: _manifest(place, "voxctl", tag))  # type: ignore[misc]
        assert held and held[0] == DOCKER_V2


def test_an_oci_index_is_refused_once_it_is_read_back(place: Inside, engine: Docker, control: Cloud) -> None:
    # A docker that builds in its own way, whatever it is told: as one with defaults of somebody's making.
    own = place.folder / "own"
    own.mkdir()
    script = 'case "$1 $2" in "buildx build") exec docker buildx build --quiet --tag "$IMAGE" "$FOLDER";; esac\n'
    (own / "docker").write_text(f'#!/bin/sh\nPATH=${{PATH#*:}}\n{script}exec docker "$@"\n')
    (own / "docker").chmod(0o755)
    env = {**engine.env, "PATH": f"{own}:{place.environment['PATH']}"}
    folder = {"IMAGE": f"{ECR}/voxctl:oci", "FOLDER": str(Path(__file__).parents[2] / "container")}
    done = build(place, control, env | folder, "--push", "--tag", "voxctl:oci")
    assert done.returncode == 4 and not done.stdout
    assert "voxctl:oci is an OCI index, which SageMaker refuses" in done.stderr
    assert "--builder buildx" in done.stderr


def test_a_docker_that_would_push_oci_is_told_before_anything_is_built(
    place: Inside, engine: Docker, control: Cloud, tmp_path: Path
) -> None:
    env = {**engine.env, "DOCKER_CONFIG": str(tmp_path)}  # where it finds no plugin
    done = build(place, control, env, "--push")
    assert done.returncode == 4 and "SageMaker refuses" in done.stderr and "install buildx" in done.stderr
    done = build(place, control, env, "--builder", "buildx")
    assert done.returncode == 4 and "has no buildx" in done.stderr


def test_a_build_in_aws_ends_in_a_digest(place: Inside, engine: Docker, control: Cloud, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "aws").write_text(
        f'#!/bin/sh\n[ "$*" = "ecr get-login-password --region us-east-1" ] && printf %s {PASSWORD}\n'
    )
    (tools / "aws").chmod(0o755)
    env = {**engine.env, "PATH": f"{tools}:{place.environment['PATH']}"}

    def machine(made: Build) -> None:
        """Do with a real engine what CodeBuild's would do."""
        folder = tmp_path / "source"
        ZipFile(BytesIO(made.source)).extractall(folder)
        made.phase = "BUILD"
        for command in made.commands:
            done = place.run("sh", "-c", f"cd {folder} && {command} 2>&1", env=env)
            made.lines += done.stdout.splitlines()
            if done.returncode:
                made.status = "FAILED"
                return
        made.status, made.phase = "SUCCEEDED", "COMPLETED"

    control.machine, control.spreading = machine, 1
    done = build(
        place, control, {"PATH": "/nowhere"}, "--builder", "codebuild", "--push", "--tag", "voxctl:aws", "--json"
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    held = place.call(lambda: _manifest(place, "voxctl", "aws"))
    assert held and held[0] == DOCKER_V2
    assert result["digest"] == f"sha256:{hashlib.sha256(held[1]).hexdigest()}"
    assert control.buckets["voxctl-build-123456789012-us-east-1"].closed
    assert "step 3 of 3: COPY gateway" in done.stderr and PASSWORD not in done.stderr


@pytest.mark.parametrize("buildx", [True, False])
def test_a_full_disk_is_said_to_be_full(buildx: bool, place: Inside, engine: Docker, control: Cloud) -> None:
    with docker(place, f"small-{buildx}", containerd=False, buildx=buildx, size="60m") as small:
        done = build(place, control, small.env)
    assert done.returncode == 4
    assert "error: the disk on which images are kept is full (log: " in done.stderr
    log = Path(done.stderr.partition("(log: ")[2].partition(")")[0])
    assert "no space left on device" in log.read_text("utf-8")


def test_a_wrong_password_is_refused_by_the_registry(place: Inside, engine: Docker, control: Cloud) -> None:
    control.password = "another"
    done = build(place, control, engine.env, "--push")
    # Over loopback Docker then tries the same without TLS, and says of that alone that it failed.
    assert done.returncode in (4, 5)
    assert "another" not in done.stderr and "log in to" in done.stderr


def test_ctrl_c_ends_the_build_and_all_it_started(
    place: Inside, engine: Docker, control: Cloud, tmp_path: Path
) -> None:
    # A base image that a registry never hands out.
    listener = place.call(lambda: socket.create_server(("127.0.0.2", 5000)))
    command = place.command(*VOXCTL, "build", "--base-image", "127.0.0.2:5000/slow:1")
    with listener:
        running = subprocess.Popen(
            command, env={**place.environment, **engine.env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert running.stderr
        while "build voxctl" not in running.stderr.readline():
            pass
        time.sleep(0.5)
        children = _children(running.pid)
        assert children
        began_s = time.monotonic()
        running.send_signal(signal.SIGINT)
        rest = running.communicate(timeout=10)[1]
    assert running.returncode == 130 and "interrupted" in rest
    assert time.monotonic() - began_s < 6
    assert not any(Path(f"/proc/{child}").exists() for child in children)


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
