"""`voxctl list`, `status`, `logs`, `extend` and `iam`: what is said of endpoints, and whose they are."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.aws.lifecycle import OTHER, SPEC, carried_out, cloud_here, to_delete, to_deploy
from tests.cli.program import Run, run_here, shown_error
from tests.fakes.aws.front import LABEL, Aws
from tests.fakes.aws.plane import Thing
from voxctl.aws.fleet import endpoints_in, everywhere, prices, running
from voxctl.aws.names import Place
from voxctl.aws.observed import observe
from voxctl.aws.permissions import WITHOUT_A_CALL, policy_for
from voxctl.aws.preflight import looked_ahead
from voxctl.aws.tail import Tail
from voxctl.errors import AwsError

SCHEMA = json.loads(resources.files("voxctl.aws").joinpath("lifecycle.schema.json").read_text("utf-8"))


@pytest.fixture
def deployed(aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """An endpoint `mine` that lives for four hours, and one of somebody else's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    cloud = cloud_here()
    carried_out(cloud, to_deploy(cloud, now_s=time.time()))
    theirs = Thing("endpoint", "us-east-1", {"EndpointName": "theirs"}, status="InService")
    aws.plane.things["endpoint", "us-east-1", "theirs"] = theirs
    return aws


def put_metrics(**values: float) -> None:
    dimensions = [{"Name": "EndpointName", "Value": "mine"}, {"Name": "VariantName", "Value": "AllTraffic"}]
    for name, value in values.items():
        space = "/aws/sagemaker/Endpoints" if name.startswith("GPU") else "AWS/SageMaker"
        data = [{"MetricName": name, "Dimensions": dimensions, "Value": value}]
        cloud_here().call("cloudwatch", "PutMetricData", "a metric", {"Namespace": space, "MetricData": data})


def voxctl(*arguments: str) -> Run:
    return run_here(*arguments, cwd=Path.cwd())


def documents(done: Run, kind: str) -> list[Any]:
    found = [json.loads(line) for line in done.out.splitlines()]
    for one in found:
        jsonschema.validate(one, SCHEMA | {"$ref": f"#/$defs/{kind}"})
    return found


def test_an_endpoint_is_known_by_what_it_is_costs_and_does(deployed: Aws) -> None:
    put_metrics(ConcurrentRequestsPerModel=3, MidStreamErrors=1, GPUUtilization=55.5, GPUMemoryUtilization=80)
    (found,) = endpoints_in(cloud_here())
    assert (found.name, found.status, found.instances, found.wanted_instances) == ("mine", "InService", 1, 1)
    numbers = found.numbers
    assert (numbers.open_streams, numbers.mid_stream_errors, numbers.gpu_percent) == (3, 1, 55.5)
    assert found.usd_per_hour == pytest.approx(1.6538)
    assert found.spent_usd(found.made_s + 7200) == pytest.approx(3.3076)
    assert found.ends_s == pytest.approx(time.time() + 14_400, abs=60)


def test_what_cloudwatch_and_prices_do_not_say_is_unknown(deployed: Aws) -> None:
    deployed.denied = {"GetProducts"}
    found = running(cloud_here(), "mine", prices(cloud_here()))
    assert found.usd_per_hour is None and found.spent_usd(2e9) is None and found.numbers.open_streams is None


def test_a_name_that_is_not_there_says_what_shows_those_that_are(deployed: Aws) -> None:
    with pytest.raises(AwsError, match="there is no endpoint yours in us-east-1") as caught:
        running(cloud_here(), "yours", prices(cloud_here()))
    assert "voxctl list" in (caught.value.hint or "")


@pytest.mark.real
def test_all_regions_are_looked_through_and_those_that_fail_are_named(deployed: Aws) -> None:
    found, failed = everywhere(cloud_here())
    assert [endpoint.name for endpoint in found] == ["mine"] and not failed
    assert len({call.region for call in deployed.calls if call.operation == "ListEndpoints"}) > 20
    deployed.faults["ListEndpoints"] = [
        ("AccessDeniedException", "not authorized", 400),
        ("UnrecognizedClientException", "not turned on", 400),
    ]
    assert len(everywhere(cloud_here())[1]) == 1


@pytest.mark.real
def test_list_and_status_in_words_and_as_documents(deployed: Aws) -> None:
    put_metrics(ConcurrentRequestsPerModel=0)
    listed = voxctl("list", "--region", "us-east-1")
    head, row = listed.out.splitlines()
    assert head.split() == ["name", "region", "status", "instances", "age", "$/h", "spent", "streams", "left"]
    assert row.startswith("mine  us-east-1  InService  1/1 ml.g6.4xlarge") and "  idle  " in row
    assert row.endswith(("3h 59m", "4h"))
    (document,) = documents(voxctl("list", "--region", "us-east-1", "--json"), "list")
    (shown,) = documents(voxctl("status", "mine", "--json"), "status")
    assert {**document["endpoints"][0], "age_s": 0, "usd_spent": 0} == {**shown, "age_s": 0, "usd_spent": 0}
    lines = voxctl("status", "mine").out.splitlines()
    assert "status     InService" in lines and any(re.match(r"left       (3h 59m|4h), at 20", line) for line in lines)


def test_the_log_is_shown_in_order_and_each_line_once(deployed: Aws) -> None:
    deployed.speak("us-east-1", "mine", "one", "two\x1b[31m")
    tail = Tail(cloud_here(), "mine", 0)
    assert [line.text for line in tail.lines()] == ["one", "two\x1b[31m"] and tail.lines() == []
    deployed.speak("us-east-1", "mine", "three")
    assert [line.text for line in tail.lines()] == ["three"]
    assert Tail(cloud_here(), "nobody", 0).lines() == []
    shown = voxctl("logs", "mine", "--since", "10m")
    assert [line[9:] for line in shown.out.splitlines()] == ["one", "two\ufffd[31m", "three"]
    assert next(line["text"] for line in documents(voxctl("logs", "mine", "--json"), "logs")) == "one"


@pytest.mark.real
def test_an_end_is_put_off_by_what_is_asked_for(deployed: Aws) -> None:
    before = observe(cloud_here(), Place("123456789012", "us-east-1"), "mine").schedule
    (document,) = documents(voxctl("extend", "mine", "2h", "--json"), "extend")
    after = observe(cloud_here(), Place("123456789012", "us-east-1"), "mine").schedule
    assert before and after and after.at_s - before.at_s == 7200 and after.ttl_s == before.ttl_s
    assert document["ends_at"] == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(after.at_s))
    assert deployed.fire() == ["DeleteEndpoint"]


@pytest.mark.real
def test_what_has_no_end_cannot_be_put_off(aws: Aws, deployed: Aws) -> None:
    cloud_here().call("scheduler", "DeleteSchedule", "its end", {"Name": "voxctl-mine"})
    done = voxctl("extend", "mine", "2h")
    assert done.code == 2 and "--ttl" in shown_error(done)[1]
    assert voxctl("extend", "nobody", "2h").code == 5


def rights(policy: dict[str, Any]) -> Iterator[str]:
    for statement in policy["Statement"]:
        yield from statement["Action"]


def test_the_deployers_policy_is_what_goes_over_the_wire(deployed: Aws) -> None:
    cloud = cloud_here()
    deployed.push(labels={LABEL: "true"})
    looked_ahead(cloud, replace(SPEC, image="", instance_type="ml.g5.xlarge"), None)
    carried_out(cloud, to_deploy(cloud, replace(OTHER, tags=(("team", "speech"),))))
    endpoints_in(cloud), Tail(cloud, "mine", 0).lines()
    carried_out(cloud, to_delete(cloud))
    names = {"monitoring": "cloudwatch"}
    asked = {f"{names.get(call.service, call.service)}:{call.operation}" for call in deployed.calls}
    asked -= {"cloudwatch:PutMetricData", "sts:GetCallerIdentity"}  # the latter is everybody's right
    assert asked == set(rights(policy_for("deployer", "aws"))) - WITHOUT_A_CALL


def test_the_policy_of_a_caller_is_printed_for_its_partition() -> None:
    done = run_here("iam", "caller", "--region", "cn-north-1", cwd=Path.cwd())
    policy = json.loads(done.out)
    assert "sagemaker:InvokeEndpointWithBidirectionalStream" in set(rights(policy))
    assert policy["Statement"][0]["Resource"] == ["arn:aws-cn:sagemaker:*:*:endpoint/*"]
