"""`voxctl build` with a docker that says what real ones said, and a control plane of AWS on loopback."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from tests.cli.program import Run, run_here, shown_error
from tests.container.cloud import DOCKER_V2, HOST, Cloud, Repository
from tests.container.scripted import Scripted, scripted_docker
from tests.container.stack import PASSWORD
from voxctl import __version__

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
#: What the recorded push says that it pushed cannot be made; so a manifest is told under its own digest.
MANIFEST = b'{"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json"}'
DIGEST = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scripted:
    """A Docker that works and is the first on PATH."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    made = scripted_docker(folder)
    made.reply("push", f"v1: digest: {DIGEST} size: 943")
    return made


def build(tmp_path: Path, *arguments: str) -> Run:
    """Run `voxctl build` in this process."""
    return run_here("build", *arguments, cwd=tmp_path)


def pushed(aws: Cloud, tag: str, media_type: str = DOCKER_V2, repository: str = "voxctl") -> None:
    """Have a registry hold what a push would have left."""
    aws.repositories.setdefault(repository, Repository()).images[tag] = (media_type, MANIFEST)


def test_a_build_ends_with_the_name_of_the_image(docker: Scripted, tmp_path: Path) -> None:
    run = build(tmp_path)
    assert (run.code, run.out) == (0, f"voxctl:{__version__}\n"), run.err
    assert "step 3 of 3: COPY gateway /opt/voxctl/gateway" in run.err
    assert not list(tmp_path.glob("voxctl-build-*.log"))
    assert not any(call.startswith(("docker login", "docker push")) for call in docker.calls)


def test_json_ends_with_image_and_digest(docker: Scripted, aws: Cloud, tmp_path: Path) -> None:
    pushed(aws, "v1")
    run = build(tmp_path, "--push", "--tag", "voxctl:v1", "--json")
    assert run.code == 0, run.err
    assert json.loads(run.out) == {
        "image": f"{HOST}/voxctl:v1",
        "digest": DIGEST,
        "uri": f"{HOST}/voxctl@{DIGEST}",
        "id": "sha256:" + "1" * 64,
        "builder": "buildx",
        "pushed": True,
    }


def test_what_is_pushed_is_named_by_its_digest_and_the_password_by_nobody(
    docker: Scripted, aws: Cloud, tmp_path: Path
) -> None:
    pushed(aws, "v1")
    run = build(tmp_path, "--push", "--tag", f"{HOST}/voxctl:v1")
    assert (run.code, run.out) == (0, f"{HOST}/voxctl@{DIGEST}\n"), run.err
    login = docker.calls.index(f"docker login --username AWS --password-stdin {HOST}")
    assert docker.calls[login + 1] == PASSWORD, "the password is read from standard input"
    assert PASSWORD not in run.err and not any(PASSWORD in c for c in docker.calls if c.startswith("docker"))


def test_a_repository_that_is_missing_is_made_and_scans_and_one_that_is_there_is_left(
    docker: Scripted, aws: Cloud, tmp_path: Path
) -> None:
    aws.fetch = lambda name, tag: (DOCKER_V2, MANIFEST)
    assert build(tmp_path, "--push", "--tag", "team/speech:v1").code == 0
    made = aws.repositories["team/speech"]
    assert made.scans and made.tags == {"voxctl:managed": "true"}
    n_before = aws.asked.count("CreateRepository")
    assert build(tmp_path, "--push", "--tag", "team/speech:v1").code == 0
    assert aws.asked.count("CreateRepository") == n_before


@pytest.mark.parametrize("media_type", [OCI_INDEX, "application/vnd.oci.image.manifest.v1+json"])
def test_what_sagemaker_refuses_is_refused_with_one_line_on_why(
    media_type: str, docker: Scripted, aws: Cloud, tmp_path: Path
) -> None:
    pushed(aws, "v1", media_type)
    run = build(tmp_path, "--push", "--tag", "voxctl:v1")
    assert run.code == 4 and not run.out
    message, hint = shown_error(run)
    assert "which SageMaker refuses" in message and "--builder buildx" in hint


def test_somebody_else_s_push_in_between_is_noticed(docker: Scripted, aws: Cloud, tmp_path: Path) -> None:
    pushed(aws, "v1")
    docker.reply("push", f"v1: digest: sha256:{'0' * 64} size: 943")
    run = build(tmp_path, "--push", "--tag", "voxctl:v1")
    assert run.code == 4 and "somebody else" in shown_error(run)[0]


@pytest.mark.parametrize(
    ("action", "said", "code", "expected"),
    [
        ("buildx build", "buildx-0.13-no-space.txt", 4, "the disk on which images are kept is full"),
        ("push", "denied: User: me is not authorized to perform: ecr:PutImage on resource: x", 5, "ecr:PutImage"),
        ("push", "tag invalid: it cannot be overwritten because the repository is immutable.", 4, "the tag is taken"),
        ("login", "Error response from daemon: login attempt failed with status: 401 Unauthorized", 5, "the login"),
    ],
)
def test_what_fails_is_one_line_with_the_next_step_and_its_log_is_kept(
    action: str, said: str, code: int, expected: str, docker: Scripted, aws: Cloud, tmp_path: Path
) -> None:
    docker.reply(action, said, 1)
    run = build(tmp_path, "--push")
    message, hint = shown_error(run)
    assert run.code == code and expected in message and hint
    log = Path(message.partition("(log: ")[2].rstrip(")"))
    assert "docker" in log.read_text() and PASSWORD not in log.read_text()
    log.unlink()


@pytest.mark.real
@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("GetAuthorizationToken", "AWS gives no login for the registry in us-east-1"),
        ("DescribeRepositories", "the repository voxctl cannot be looked at"),
        ("CreateRepository", "the repository voxctl cannot be made"),
    ],
)
def test_what_aws_refuses_is_learnt_before_anything_is_built(
    action: str, expected: str, docker: Scripted, aws: Cloud, tmp_path: Path
) -> None:
    aws.denied.add(action)
    run = build(tmp_path, "--push")
    message, hint = shown_error(run)
    assert run.code == 5 and message.startswith(expected) and "allowed" in hint
    assert not any(call.startswith("docker buildx build") for call in docker.calls)


def test_wrong_credentials_are_aws_s_business(
    docker: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    run = build(tmp_path, "--push")
    assert run.code == 5 and "Unable to locate credentials" in shown_error(run)[0]


def test_no_docker_is_said_with_a_way_that_needs_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    run = build(tmp_path)
    message, hint = shown_error(run)
    assert run.code == 4 and message == "Docker is not installed" and "--builder codebuild" in hint


def test_a_configured_region_yields_to_the_one_that_a_name_is_in(docker: Scripted, aws: Cloud, tmp_path: Path) -> None:
    pushed(aws, "v1")
    arguments = ("build", "--push", "--tag", f"{HOST}/voxctl:v1")
    run = run_here(*arguments, cwd=tmp_path, env={"VOXCTL_REGION": "eu-west-1"})
    assert run.code == 0, run.err


def test_a_dry_run_says_every_step_and_takes_none(docker: Scripted, aws: Cloud, tmp_path: Path) -> None:
    run = build(tmp_path, "--push", "--dry-run", "--tag", "voxctl:v1", "--base-image", "mine.example.com/vllm:1")
    assert run.code == 0
    lines = run.out.splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["1.", "2.", "3.", "4.", "5."]
    assert "--build-arg BASE_IMAGE=mine.example.com/vllm:1" in lines[2]
    assert not aws.repositories and not any(call.startswith("docker login") for call in docker.calls)
    steps = json.loads(build(tmp_path, "--push", "--dry-run", "--json").out)["steps"]
    assert [step["action"] for step in steps] == ["log in", "make repository", "build", "push", "check"]


def test_a_base_image_in_another_region_s_registry_takes_that_region_s_login(
    docker: Scripted, aws: Cloud, tmp_path: Path
) -> None:
    host = "763104351884.dkr.ecr.us-west-2.amazonaws.com"
    assert build(tmp_path, "--base-image", f"{host}/vllm:server").code == 0
    assert f"docker login --username AWS --password-stdin {host}" in docker.calls
    assert aws.asked == ["GetAuthorizationToken"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--tag", "No"), "--tag 'No' names no image"),
        (("--platform", "amd64"), "--platform 'amd64' is none"),
        (("--base-image", "-x"), "--base-image '-x' names no image"),
        (("--base-image", "a; b"), "--base-image 'a; b' names no image"),
        (("--builder", "codebuild"), "its image is pushed"),
        (("--push", "--tag", "ghcr.io/a/b:1"), "ghcr.io is none of it"),
        (("--push", "--tag", f"{HOST}/a:1", "--region", "eu-west-1"), "names a registry in us-east-1"),
    ],
)
def test_a_wrong_command_line_is_told_before_anything_is_done(
    arguments: tuple[str, ...], expected: str, docker: Scripted, tmp_path: Path
) -> None:
    run = build(tmp_path, *arguments)
    assert run.code == 2 and expected in shown_error(run)[0]
    assert not any("build" in call and "--" in call for call in docker.calls)


@pytest.mark.real
def test_a_plain_docker_is_taken_where_it_is_asked_for(docker: Scripted, aws: Cloud, tmp_path: Path) -> None:
    pushed(aws, "v1")
    run = build(tmp_path, "--push", "--builder", "docker", "--tag", "voxctl:v1", "--json")
    assert json.loads(run.out)["builder"] == "docker", run.err
    assert "step 1 of 14: ARG BASE_IMAGE" in run.err
