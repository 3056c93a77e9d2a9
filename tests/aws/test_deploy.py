"""`voxctl deploy` and `voxctl delete` as a person meets them: what is shown, asked, written and returned."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.aws.lifecycle import cloud_here
from tests.cli.program import Run, run_here, shown_error
from tests.fakes.aws.front import LABEL, Aws

SCHEMA = json.loads(resources.files("voxctl.aws").joinpath("lifecycle.schema.json").read_text("utf-8"))


@pytest.fixture
def ready(aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """An account with an image of voxctl and nothing else."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    aws.push(labels={LABEL: "true"})
    return aws


def voxctl(*arguments: str) -> Run:
    return run_here(*arguments, cwd=Path.cwd())


def document(done: Run, kind: str) -> Any:
    found = json.loads(done.out)
    jsonschema.validate(found, SCHEMA | {"$ref": f"#/$defs/{kind}"})
    return found


def test_a_dry_run_shows_plan_price_and_policy_and_changes_nothing(ready: Aws) -> None:
    done = voxctl("deploy", "mine", "--ttl", "4h", "--dry-run")
    assert done.code == 0 and done.err == "" and ready.calls and not ready.changes
    for wanted in ("11. wait until the endpoint mine is in service", "$1.65 an hour", "sagemaker:DeleteEndpoint on"):
        assert wanted in done.out
    assert document(voxctl("deploy", "mine", "--dry-run", "--json"), "deploy")["status"] == "planned"
    assert document(voxctl("delete", "mine", "--dry-run", "--json"), "delete")["status"] == "nothing"
    assert not ready.changes


@pytest.mark.real
def test_one_command_up_and_one_command_down(ready: Aws) -> None:
    ready.spoken = ["Starting vLLM"]
    up = voxctl("deploy", "mine", "--ttl", "4h", "--yes", "--tag", "team=speech", "--json")
    found = document(up, "deploy")
    assert up.code == 0 and found["status"] == "deployed" and found["ends_at"]
    assert "[11/11] wait until the endpoint mine is in service" in up.err and "  | Starting vLLM" in up.err
    tags = ready.plane.tags["arn:aws:sagemaker:us-east-1:123456789012:endpoint/mine"]
    assert tags == {"team": "speech", "voxctl:endpoint": "mine", "voxctl:managed": "true"}
    n_changes = len(ready.changes)
    same = voxctl("deploy", "mine", "--ttl", "4h", "--tag", "team=speech", "--json")
    assert document(same, "deploy")["status"] == "unchanged" and len(ready.changes) == n_changes
    down = voxctl("delete", "mine", "--yes", "--logs", "--json")
    assert document(down, "delete")["status"] == "deleted" and ready.holds() == []
    assert voxctl("delete", "mine", "--yes").code == 0


def test_a_failed_endpoint_is_told_in_one_screenful_and_undone(ready: Aws) -> None:
    ready.plane.failure = "The primary container for production variant AllTraffic did not pass the ping health check."
    ready.spoken = ["Loading weights", "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB"]
    done = voxctl("deploy", "mine", "--yes")
    message, hint = shown_error(done)
    assert done.code == 5 and "did not pass the ping health check" in message
    assert hint.startswith("likely cause: the GPU has too little memory; --env SM_VLLM_MAX_MODEL_LEN")
    assert "  | torch.OutOfMemoryError: CUDA out of memory" in done.err and len(done.err.splitlines()) <= 24
    assert ready.holds(logs=False) == []


def test_what_cannot_work_is_shown_and_nothing_is_made(ready: Aws) -> None:
    assert ready.quotas
    ready.quotas["ml.g6.4xlarge"] = 0.0
    done = voxctl("deploy", "mine", "--yes")
    message, hint = shown_error(done)
    assert done.code == 5 and message == "the quota for ml.g6.4xlarge is 0, and 1 is asked for" and "https://" in hint
    assert "failed  quota" in done.out and not ready.changes


def test_nothing_is_made_unasked(ready: Aws) -> None:
    done = voxctl("deploy", "mine")
    assert done.code == 2 and "--yes" in shown_error(done)[1] and not ready.changes


@pytest.mark.real
def test_without_waiting_the_next_run_waits(ready: Aws) -> None:
    begun = voxctl("deploy", "mine", "--yes", "--no-wait", "--json")
    assert document(begun, "deploy")["status"] == "begun"
    assert [one.status for one in ready.plane.things.values() if one.kind == "endpoint"] == ["Creating"]
    ready.plane.things["endpoint", "us-east-1", "mine"].left = 3
    later = voxctl("deploy", "mine", "--yes", "--json")
    assert [step["call"] for step in document(later, "deploy")["steps"]] == ["DescribeEndpoint"]


@pytest.mark.real
def test_delete_waits_for_open_streams_unless_forced(ready: Aws) -> None:
    assert voxctl("deploy", "mine", "--yes").code == 0
    dimensions = [{"Name": "EndpointName", "Value": "mine"}, {"Name": "VariantName", "Value": "AllTraffic"}]
    data = {"MetricName": "ConcurrentRequestsPerModel", "Dimensions": dimensions, "Value": 3.0}
    put = {"Namespace": "AWS/SageMaker", "MetricData": [data]}
    cloud_here().call("cloudwatch", "PutMetricData", "a metric", put)
    done = voxctl("delete", "mine", "--yes", "--timeout", "1s")
    assert done.code == 5 and shown_error(done) == ("mine still has 3 open streams", "--force cuts them off.")
    assert voxctl("delete", "mine", "--yes", "--force", "--logs").code == 0 and ready.holds() == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--env", "HF_TOKEN=x"), "looks like a secret"),
        (("--env", "MY_KEY=x"), "looks like a secret"),
        (("--env", "A=hf_abcdefghijklmnopqrstuvwxyz"), "looks like a secret"),
        (("--env", "A"), "is no NAME=VALUE"),
        (("--tag", "voxctl:managed=no"), "is not yours to set"),
        (("--delay-ms", "100"), "is none of the model's"),
        (("--weights", "/my/weights"), "is neither hf nor in S3"),
        (("--log-days", "15"), "is not offered"),
        (("--ttl", "soon"), "is no length of time"),
        (("--ttl", "5m"), "--ttl takes 10m to 365d"),
        (("--subnets", "subnet-1"), "belong together"),
        (("--role", "admin"), "is no role"),
        (("--instances", "0"), "--instances"),
    ],
)
def test_a_wrong_value_is_refused_before_aws_is_asked(ready: Aws, arguments: tuple[str, ...], said: str) -> None:
    done = voxctl("deploy", "mine", *arguments)
    assert done.code == 2 and said in shown_error(done)[0] and not ready.calls


@pytest.mark.real
def test_variables_that_only_look_like_secrets_are_taken(ready: Aws) -> None:
    done = voxctl("deploy", "mine", "--env", "SM_VLLM_TOKENIZER_MODE=mistral", "--dry-run", "--json")
    (model,) = [step for step in document(done, "deploy")["steps"] if step["call"] == "CreateModel"]
    assert model["parameters"]["PrimaryContainer"]["Environment"]["SM_VLLM_TOKENIZER_MODE"] == "mistral"


@pytest.mark.parametrize("name", ["-x", "a_b", "x" * 53, "ä", "Mine"])
def test_a_name_that_sagemaker_would_refuse_is_refused(ready: Aws, name: str) -> None:
    assert voxctl("deploy", "--dry-run", "--", name).code == 2 and not ready.calls
