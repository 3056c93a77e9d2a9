"""SageMaker's control plane as far as endpoints go: what takes time, fails, is in use, or is not seen yet.

Time is the number of times that somebody looks: an endpoint is made, changed or gone after so many descriptions.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

ACCOUNT = "123456789012"
INSTANCE_TYPES = ("ml.g5.xlarge", "ml.g6.xlarge", "ml.g6.2xlarge", "ml.g6.4xlarge", "ml.p3.2xlarge", "ml.m5.xlarge")
_LOCAL_DISKS = ("ml.g5", "ml.g6")
_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")


class Refused(Exception):
    """An answer that is an error."""

    def __init__(self, message: str, code: str = "ValidationException", status: int = 400) -> None:
        super().__init__(message)
        self.message, self.code, self.status = message, code, status


@dataclass
class Thing:
    """A model, a configuration or an endpoint. ``unseen``: how often somebody may look and not find it yet."""

    kind: str
    region: str
    request: Json
    unseen: int = 0
    made_s: float = field(default_factory=time.time)
    status: str = ""
    config: str = ""
    pending: str = ""
    left: int = 0
    reason: str = ""
    desired: int = 1

    @property
    def name(self) -> str:
        return str(self.request[{"model": "ModelName", "endpoint-config": "EndpointConfigName"}.get(self.kind, NAME)])

    @property
    def arn(self) -> str:
        return f"arn:aws:sagemaker:{self.region}:{ACCOUNT}:{self.kind}/{self.name.lower()}"


NAME = "EndpointName"
_WORDS = {"model": "model", "endpoint-config": "endpoint configuration", "endpoint": "endpoint"}


@dataclass
class Plane:
    """One account. ``takes``: descriptions until something is done. ``failure``: why the next creation or update fails.

    ``lag``: how often something new is not seen. ``role_lag``: how often a role cannot be assumed yet.
    """

    role_exists: Callable[[str], bool]
    started: Callable[[Thing], None] = lambda _: None
    things: dict[tuple[str, str, str], Thing] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    takes: int = 2
    lag: int = 0
    role_lag: int = 0
    failure: str = ""
    quota: dict[str, int] = field(default_factory=dict)
    page: int = 100

    def answer(self, region: str, operation: str, given: Json) -> Json:
        """Carry out one call. Raises ``Refused``."""
        found = getattr(self, operation, None)
        if found is None:
            raise Refused(f"the stand-in has no {operation}", "UnknownOperationException", 404)
        return found(region, given)  # type: ignore[no-any-return]

    def _find(self, kind: str, region: str, name: str, *, look: bool = True) -> Thing:
        thing = self.things.get((kind, region, name.lower()))
        if thing is not None and look and thing.unseen > 0:
            thing.unseen -= 1
            thing = None
        if thing is None:
            arn = f"arn:aws:sagemaker:{region}:{ACCOUNT}:{kind}/{name.lower()}"
            raise Refused(f'Could not find {_WORDS[kind]} "{arn}".')
        return thing

    def _make(self, kind: str, region: str, given: Json) -> Thing:
        thing = Thing(kind, region, given, unseen=self.lag)
        if not _NAME.fullmatch(thing.name):
            raise Refused(f"1 validation error detected: Value '{thing.name}' failed to satisfy constraint")
        key = (kind, region, thing.name.lower())
        if key in self.things:
            raise Refused(f'Cannot create already existing {_WORDS[kind]} "{thing.arn}".')
        self.things[key] = thing
        self.tags[thing.arn] = {tag["Key"]: tag["Value"] for tag in given.get("Tags", [])}
        return thing

    def _drop(self, thing: Thing) -> None:
        del self.things[thing.kind, thing.region, thing.name.lower()]
        self.tags.pop(thing.arn, None)

    def _all(self, kind: str, region: str) -> list[Thing]:
        return [t for t in self.things.values() if (t.kind, t.region) == (kind, region) and t.unseen <= 0]

    # Models and configurations

    def CreateModel(self, region: str, given: Json) -> Json:  # noqa: N802
        role = given["ExecutionRoleArn"]
        if not self.role_exists(role) or self.role_lag > 0:
            self.role_lag -= 1
            raise Refused(f"Could not assume role {role}. Please ensure that the role exists")
        return {"ModelArn": self._make("model", region, given).arn}

    def DescribeModel(self, region: str, given: Json) -> Json:  # noqa: N802
        thing = self._find("model", region, given["ModelName"])
        return thing.request | {"ModelArn": thing.arn, "CreationTime": thing.made_s}

    def DeleteModel(self, region: str, given: Json) -> Json:  # noqa: N802
        thing = self._find("model", region, given["ModelName"], look=False)
        for config in self._all("endpoint-config", region):
            if config.request["ProductionVariants"][0]["ModelName"] == thing.name:
                raise Refused(f'Cannot delete model "{thing.arn}" that is in use by "{config.arn}".')
        self._drop(thing)
        return {}

    def CreateEndpointConfig(self, region: str, given: Json) -> Json:  # noqa: N802
        variant = given["ProductionVariants"][0]
        self._find("model", region, variant["ModelName"], look=False)
        kind = variant["InstanceType"]
        if kind not in INSTANCE_TYPES:
            raise Refused(f"1 validation error detected: Value '{kind}' at 'instanceType' failed to satisfy constraint")
        if given.get("KmsKeyId") and kind.startswith(_LOCAL_DISKS):
            raise Refused(f"KmsKeyId is not supported for instance type {kind}, which has local storage")
        for limit in ("ModelDataDownloadTimeoutInSeconds", "ContainerStartupHealthCheckTimeoutInSeconds"):
            if not 60 <= variant.get(limit, 60) <= 3600:
                raise Refused(f"{limit} must be from 60 to 3600")
        return {"EndpointConfigArn": self._make("endpoint-config", region, given).arn}

    def DescribeEndpointConfig(self, region: str, given: Json) -> Json:  # noqa: N802
        thing = self._find("endpoint-config", region, given["EndpointConfigName"])
        return thing.request | {"EndpointConfigArn": thing.arn, "CreationTime": thing.made_s}

    def DeleteEndpointConfig(self, region: str, given: Json) -> Json:  # noqa: N802
        thing = self._find("endpoint-config", region, given["EndpointConfigName"], look=False)
        for endpoint in self._all("endpoint", region):
            if thing.name in (endpoint.config, endpoint.pending):
                raise Refused(f'Cannot delete endpoint configuration "{thing.arn}" in use by "{endpoint.arn}".')
        self._drop(thing)
        return {}

    # Endpoints

    def CreateEndpoint(self, region: str, given: Json) -> Json:  # noqa: N802
        config = self._find("endpoint-config", region, given["EndpointConfigName"], look=False)
        self._within_quota(region, config)
        thing = self._make("endpoint", region, given)
        thing.status, thing.pending, thing.left = "Creating", config.name, self.takes
        thing.config = config.name
        self.started(thing)
        return {"EndpointArn": thing.arn}

    def UpdateEndpoint(self, region: str, given: Json) -> Json:  # noqa: N802
        thing = self._find("endpoint", region, given[NAME], look=False)
        config = self._find("endpoint-config", region, given["EndpointConfigName"], look=False)
        if thing.status not in ("InService", "Failed"):
            raise Refused(f'Cannot update in-progress endpoint "{thing.arn}".')
        thing.status, thing.pending, thing.left, thing.reason = "Updating", config.name, self.takes, ""
        self.started(thing)
        return {"EndpointArn": thing.arn}

    def DeleteEndpoint(self, region: str, given: Json) -> Json:  # noqa: N802
        thing = self._find("endpoint", region, given[NAME], look=False)
        if thing.status in ("Creating", "Updating", "RollingBack"):
            self._passes(thing)
            raise Refused(f'Cannot update in-progress endpoint "{thing.arn}".')
        thing.status, thing.left = "Deleting", self.takes
        return {}

    def DescribeEndpoint(self, region: str, given: Json) -> Json:  # noqa: N802
        thing = self._find("endpoint", region, given[NAME])
        self._passes(thing)
        self._find("endpoint", region, given[NAME])
        config = self.things[("endpoint-config", region, thing.config.lower())].request
        variant = config["ProductionVariants"][0]
        model = self.things[("model", region, variant["ModelName"].lower())].request
        answer = self._summary(thing) | {"EndpointConfigName": thing.config}
        answer["ProductionVariants"] = [
            {
                "VariantName": variant["VariantName"],
                "CurrentInstanceCount": variant["InitialInstanceCount"] if thing.status == "InService" else 0,
                "DesiredInstanceCount": variant["InitialInstanceCount"],
                "DeployedImages": [{"SpecifiedImage": model["PrimaryContainer"]["Image"]}],
            }
        ]
        if thing.reason:
            answer["FailureReason"] = thing.reason
        if thing.status == "Updating":
            answer["PendingDeploymentSummary"] = {"EndpointConfigName": thing.pending}
        return answer

    def _passes(self, thing: Thing) -> None:
        """Let the time of one look pass."""
        if thing.status not in ("Creating", "Updating", "RollingBack", "Deleting"):
            return
        thing.left -= 1
        if thing.left > 0:
            return
        if thing.status == "Deleting":
            self._drop(thing)
        elif thing.status == "RollingBack":
            thing.status = "InService"
        elif self.failure:
            thing.reason, self.failure = self.failure, ""
            was, thing.pending = thing.status, ""
            thing.status, thing.left = ("Failed", 0) if was == "Creating" else ("RollingBack", 1)
        else:
            thing.status, thing.config, thing.pending = "InService", thing.pending, ""

    def _within_quota(self, region: str, config: Thing) -> None:
        variant = config.request["ProductionVariants"][0]
        kind, wanted = variant["InstanceType"], variant["InitialInstanceCount"]
        quota = self.quota.get(kind, 2)
        if wanted > quota:
            raise Refused(
                f"The account-level service limit '{kind} for endpoint usage' is {quota} Instances, with current "
                f"utilization of 0 Instances and a request delta of {wanted} Instances.",
                "ResourceLimitExceeded",
            )

    @staticmethod
    def _summary(thing: Thing) -> Json:
        times = {"CreationTime": thing.made_s, "LastModifiedTime": thing.made_s}
        return {NAME: thing.name, "EndpointArn": thing.arn, "EndpointStatus": thing.status} | times

    # Lists and tags

    def ListEndpoints(self, region: str, given: Json) -> Json:  # noqa: N802
        return self._listed("endpoint", region, given, "Endpoints", self._summary)

    def ListModels(self, region: str, given: Json) -> Json:  # noqa: N802
        return self._listed(
            "model",
            region,
            given,
            "Models",
            lambda t: {"ModelName": t.name, "ModelArn": t.arn, "CreationTime": t.made_s},
        )

    def ListEndpointConfigs(self, region: str, given: Json) -> Json:  # noqa: N802
        return self._listed(
            "endpoint-config",
            region,
            given,
            "EndpointConfigs",
            lambda t: {"EndpointConfigName": t.name, "EndpointConfigArn": t.arn, "CreationTime": t.made_s},
        )

    def _listed(self, kind: str, region: str, given: Json, key: str, shown: Callable[[Thing], Json]) -> Json:
        wanted = given.get("NameContains", "").lower()
        every = [t for t in self._all(kind, region) if wanted in t.name.lower()]
        for thing in self.things.values():
            thing.unseen = max(0, thing.unseen - 1)
        first, size = int(given.get("NextToken", 0)), min(self.page, given.get("MaxResults", 10))
        more = {"NextToken": str(first + size)} if first + size < len(every) else {}
        return {key: [shown(thing) for thing in every[first : first + size]]} | more

    def ListTags(self, region: str, given: Json) -> Json:  # noqa: N802
        tags = self.tags.get(given["ResourceArn"].lower(), {})
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    def AddTags(self, region: str, given: Json) -> Json:  # noqa: N802
        self.tags[given["ResourceArn"].lower()] |= {tag["Key"]: tag["Value"] for tag in given["Tags"]}
        return self.ListTags(region, given)
