"""`voxctl build` on a real engine, from the Dockerfile as it is to a stream through the container."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.program import SHORT
from tests.container.cloud import DOCKER_V2, Cloud, Image, cloud
from tests.container.stack import ECR, PASSWORD, USER, Docker, Inside
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
