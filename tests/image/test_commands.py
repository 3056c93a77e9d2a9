"""The command lines of each builder, here and in AWS."""

from __future__ import annotations

import shlex

import pytest

from voxctl.errors import BuildFailed, UsageError
from voxctl.image.commands import Builder, Engine, Recipe, build_command, environment_for, login_command, push_command
from voxctl.image.names import parse_name
from voxctl.image.plan import Action, check_pushable, plan_here
from voxctl.image.remote import plan_remote, script

ECR = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
BASE = "763104351884.dkr.ecr.us-west-2.amazonaws.com/vllm:server"
IMAGE = parse_name(f"{ECR}/voxctl:v1", "")
HERE = Recipe("/somewhere/container", IMAGE, "linux/amd64")


def test_buildx_is_told_to_write_docker_s_form_without_attestations() -> None:
    command = build_command(Engine(Builder.BUILDX, context="desktop-linux"), HERE)
    assert shlex.join(command) == (
        "docker buildx build --builder desktop-linux --provenance=false --progress=plain --platform linux/amd64 "
        f"--output type=image,name={ECR}/voxctl:v1,oci-mediatypes=false /somewhere/container"
    )


def test_docker_without_buildx_gets_no_option_that_it_does_not_know() -> None:
    engine = Engine(Builder.DOCKER)
    assert shlex.join(build_command(engine, HERE)) == (
        f"docker build --platform linux/amd64 --tag {ECR}/voxctl:v1 /somewhere/container"
    )
    assert environment_for(engine) == {"DOCKER_BUILDKIT": "0"}


def test_podman_builds_and_pushes_docker_s_form() -> None:
    engine = Engine(Builder.PODMAN)
    assert build_command(engine, HERE)[:4] == ("podman", "build", "--format", "docker")
    assert push_command(engine, IMAGE) == ("podman", "push", "--format", "v2s2", f"{ECR}/voxctl:v1")
    assert environment_for(engine) == {}


@pytest.mark.parametrize("builder", list(Builder))
def test_a_base_image_is_an_argument_of_the_build(builder: Builder) -> None:
    command = build_command(Engine(builder), Recipe("/x", IMAGE, "linux/amd64", BASE))
    assert command[command.index("--build-arg") + 1] == f"BASE_IMAGE={BASE}"


@pytest.mark.parametrize("builder", list(Builder))
def test_a_password_is_read_from_standard_input(builder: Builder) -> None:
    assert login_command(Engine(builder), ECR)[1:] == ("login", "--username", "AWS", "--password-stdin", ECR)


def test_the_repository_is_made_before_the_build_if_it_is_missing() -> None:
    engine = Engine(Builder.BUILDX)
    plan = plan_here(engine, HERE, push=True, has_repository=False)
    assert [step.action for step in plan] == [
        Action.LOGIN,
        Action.REPOSITORY,
        Action.BUILD,
        Action.PUSH,
        Action.CHECK,
    ]
    plan = plan_here(engine, HERE, push=True, has_repository=True)
    assert Action.REPOSITORY not in [step.action for step in plan]


def test_a_private_base_image_takes_a_login_and_a_build_alone_no_other() -> None:
    recipe = Recipe("/x", parse_name("voxctl:v1", ""), "linux/amd64", BASE)
    plan = plan_here(Engine(Builder.BUILDX), recipe, push=False, has_repository=False)
    assert [(step.action, step.place) for step in plan] == [
        (Action.LOGIN, "763104351884.dkr.ecr.us-west-2.amazonaws.com"),
        (Action.BUILD, ""),
    ]


def test_a_docker_that_would_push_oci_s_form_is_not_started() -> None:
    engine = Engine(Builder.DOCKER, keeps_oci=True)
    with pytest.raises(BuildFailed, match="OCI's form"):
        plan_here(engine, HERE, push=True, has_repository=True)
    assert plan_here(engine, HERE, push=False, has_repository=False)


def test_only_ecr_is_pushed_to() -> None:
    check_pushable(IMAGE)
    check_pushable(parse_name("voxctl:v1", ""))
    with pytest.raises(UsageError, match=r"ghcr\.io is none of it"):
        check_pushable(parse_name("ghcr.io/me/voxctl:v1", ""))


def test_the_script_in_aws_logs_in_where_it_must_and_builds_with_what_is_there() -> None:
    base, own, build, push = script(Recipe(".", IMAGE, "linux/amd64", BASE))
    host = "763104351884.dkr.ecr.us-west-2.amazonaws.com"
    assert base == (
        f"aws ecr get-login-password --region us-west-2 | docker login --username AWS --password-stdin {host}"
    )
    assert own.endswith(f"--password-stdin {ECR}")
    assert build.startswith("if docker buildx version; then docker buildx build --builder default --provenance=false")
    assert "; else DOCKER_BUILDKIT=0 docker build " in build and build.endswith(" .; fi")
    assert push == f"docker push {ECR}/voxctl:v1"


def test_a_build_in_aws_makes_what_is_missing_first() -> None:
    plan = plan_remote(IMAGE, {Action.BUCKET: "make the bucket", Action.REPOSITORY: ""}, "s3://b/k", ("one", "two"))
    assert [step.action for step in plan] == [
        Action.BUCKET,
        Action.REPOSITORY,
        Action.UPLOAD,
        Action.REMOTE,
        Action.CHECK,
    ]
    assert plan[3].command == ("sh", "-c", "one\ntwo")
    assert plan[1].text == f"make the repository voxctl in {ECR}, which scans what is pushed"
