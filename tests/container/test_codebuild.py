"""`voxctl build --builder codebuild` against a control plane on loopback whose machine does as it is told."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.cli.program import REPOSITORY, Run, run_here, shown_error
from tests.container.cloud import DOCKER_V2, HOST, Build, Cloud
from tests.image.test_output import lines_of
from voxctl.aws.codebuild_documents import PROJECT, Place, rights, trust

MANIFEST = b'{"schemaVersion": 2}'
DIGEST = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"
BUCKET, ROLE = "voxctl-build-123456789012-us-east-1", "voxctl-build-us-east-1"


def build(tmp_path: Path, *arguments: str) -> Run:
    """Run `voxctl build` in this process."""
    return run_here("build", "--builder", "codebuild", "--push", *arguments, cwd=tmp_path)


@pytest.fixture(autouse=True)
def logs_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))


@pytest.fixture
def working(aws: Cloud) -> Cloud:
    """A cloud whose machine builds and pushes."""

    def machine(made: Build) -> None:
        made.phase = "BUILD"
        made.lines += ["[Container] Entering phase BUILD", *lines_of("buildx-0.13-build.txt")]
        made.lines.append(f"v1: digest: {DIGEST} size: 943")
        repository = next(iter(aws.repositories.values()))
        repository.images["v1"] = (DOCKER_V2, MANIFEST)
        made.phase, made.status = "COMPLETED", "SUCCEEDED"

    aws.machine = machine
    return aws


def test_all_that_it_needs_is_made_and_the_image_is_there(working: Cloud, tmp_path: Path) -> None:
    run = build(tmp_path, "--tag", "voxctl:v1", "--json")
    assert run.code == 0, run.err
    result = json.loads(run.out)
    assert (result["uri"], result["digest"]) == (f"{HOST}/voxctl@{DIGEST}", DIGEST)
    assert working.buckets[BUCKET].closed and working.repositories["voxctl"].scans
    (source,) = working.buckets[BUCKET].objects.values()
    assert ZipFile(BytesIO(source)).read("Dockerfile") == (REPOSITORY / "container" / "Dockerfile").read_bytes()
    (made,) = working.builds.values()
    assert "docker login --username AWS --password-stdin" in made.commands[0]
    assert made.commands[-1] == f"docker push {HOST}/voxctl:v1"
    assert "step 3 of 3: COPY gateway" in run.err


def test_it_is_said_what_is_waited_for(working: Cloud, tmp_path: Path) -> None:
    builds = working.machine

    def slowly(made: Build) -> None:
        for phase in ("PROVISIONING", "BUILD"):
            made.phase, n_before = phase, made.asked
            while made.asked == n_before:
                time.sleep(0.01)
        builds(made)

    working.machine = slowly
    run = build(tmp_path, "--tag", "voxctl:v1")
    assert run.code == 0 and "starting a machine\n" in run.err and "building\n" in run.err


@pytest.mark.real
def test_the_second_build_makes_nothing_anew(working: Cloud, tmp_path: Path) -> None:
    assert build(tmp_path, "--tag", "voxctl:v1").code == 0
    working.asked.clear()
    assert build(tmp_path, "--tag", "voxctl:v1").code == 0
    made = [call for call in working.asked if call.startswith(("Create", "Put", "PUT"))]
    assert made == ["PUT object"], "only the source is uploaded again"


def test_a_role_for_another_repository_is_given_its_rights(working: Cloud, tmp_path: Path) -> None:
    assert build(tmp_path, "--tag", "voxctl:v1").code == 0
    working.repositories.clear()
    assert build(tmp_path, "--tag", "other:v1").code == 0
    assert "repository/other" in working.policies[ROLE] and "repository/voxctl" not in working.policies[ROLE]


def test_a_role_that_codebuild_does_not_know_yet_is_waited_for(working: Cloud, tmp_path: Path) -> None:
    working.spreading = 2
    run = build(tmp_path, "--tag", "voxctl:v1")
    assert run.code == 0 and "does not know the new role yet" in run.err
    assert working.asked.count("CreateProject") == 3


def test_a_dry_run_asks_and_makes_nothing(aws: Cloud, tmp_path: Path) -> None:
    run = build(tmp_path, "--dry-run")
    assert run.code == 0
    lines = [line for line in run.out.splitlines() if line[:1].isdigit()]
    assert len(lines) == 7 and f"make the bucket {BUCKET}" in run.out
    assert "docker login --username AWS --password-stdin" in run.out and "docker buildx build" in run.out
    assert not (aws.buckets or aws.roles or aws.projects or aws.repositories or aws.builds)


@pytest.mark.real
@pytest.mark.parametrize(
    ("lines", "reasons", "code", "expected"),
    [
        (lines_of("buildx-0.13-no-space.txt"), [], 4, "the disk on which images are kept is full"),
        (["toomanyrequests: Rate exceeded"], ["Error while executing command: if docker"], 4, "given enough"),
        ([], ["AccessDenied: the source is not to be had"], 4, "AccessDenied: the source is not to be had"),
    ],
)
def test_a_build_that_fails_says_why_and_where_to_look(
    lines: list[str], reasons: list[str], code: int, expected: str, aws: Cloud, tmp_path: Path
) -> None:
    def machine(made: Build) -> None:
        made.lines, made.reasons = lines, reasons
        made.phase, made.status = "COMPLETED", "FAILED"

    aws.machine = machine
    run = build(tmp_path)
    message, _ = shown_error(run)
    assert run.code == code and expected in message and not run.out
    assert "in a browser: https://console.aws/build" in run.err
    log = Path(message.partition("(log: ")[2].rstrip(")"))
    assert log.read_text().split("\n")[:-1] == lines
    log.unlink()


@pytest.mark.real
@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("BatchGetProjects", "CodeBuild cannot be asked"),
        ("s3:HEAD", f"the bucket {BUCKET} cannot be looked at, or is not yours"),
        ("GetRolePolicy", f"the role {ROLE} cannot be looked at"),
        ("s3:PUT", f"the bucket {BUCKET} cannot be made"),
        ("CreateRole", f"the role {ROLE} cannot be made"),
        ("PutRolePolicy", f"the role {ROLE} cannot be given its rights"),
        ("CreateProject", f"the project {PROJECT} cannot be made"),
        ("StartBuild", "the build cannot be started"),
    ],
)
def test_what_may_not_be_done_is_said_in_one_line(action: str, expected: str, working: Cloud, tmp_path: Path) -> None:
    working.denied.add(action)
    run = build(tmp_path)
    assert run.code == 5 and shown_error(run)[0].startswith(expected), run.err


@pytest.mark.real
def test_a_log_that_may_not_be_read_stops_no_build(working: Cloud, tmp_path: Path) -> None:
    working.denied.add("GetLogEvents")
    assert build(tmp_path, "--tag", "voxctl:v1").code == 0


@pytest.mark.real
def test_ctrl_c_stops_the_build_in_aws(aws: Cloud, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "voxctl", "build", "--builder", "codebuild", "--push"]
    running = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stderr
    while "the build is" not in (line := running.stderr.readline()):
        assert line
    began_s = time.monotonic()
    running.send_signal(signal.SIGINT)
    rest = running.communicate(timeout=10)[1]
    assert running.returncode == 130 and "interrupted" in rest
    assert time.monotonic() - began_s < 6
    assert [made.status for made in aws.builds.values()] == ["STOPPED"]


def test_the_role_may_push_to_one_repository_and_little_else() -> None:
    place = Place("aws", "123456789012", "us-east-1", "voxctl", "123456789012")
    allowed = {action: s["Resource"] for s in rights(place)["Statement"] for action in s["Action"]}
    assert allowed["ecr:PutImage"] == ["arn:aws:ecr:us-east-1:123456789012:repository/voxctl"]
    assert allowed["s3:GetObject"] == [f"arn:aws:s3:::{BUCKET}/*"]
    everywhere = [action for action, resources in allowed.items() if "*" in resources]
    assert everywhere == ["ecr:GetAuthorizationToken"], "which AWS grants for no less"
    assert not any("*" in action for action in allowed)
    (statement,) = trust(place)["Statement"]
    assert statement["Principal"] == {"Service": "codebuild.amazonaws.com"}
    assert statement["Condition"]["StringEquals"]["aws:SourceArn"].endswith(f":project/{PROJECT}")


def test_a_private_base_image_may_be_pulled_and_not_pushed() -> None:
    base = "arn:aws:ecr:us-west-2:763104351884:repository/vllm"
    place = Place("aws", "123456789012", "us-east-1", "voxctl", "123456789012", base)
    about_base = [s for s in rights(place)["Statement"] if base in s["Resource"]]
    assert [sorted(s["Action"]) for s in about_base] == [
        ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    ]
