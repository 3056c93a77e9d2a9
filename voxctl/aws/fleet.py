"""The endpoints that voxctl made: what each is, costs and does now, in one region or in all. Blocking."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from voxctl.aws.cloud import Cloud, partition, place_of, regions
from voxctl.aws.ends import utc
from voxctl.aws.market import price_per_hour
from voxctl.aws.metrics import latest
from voxctl.aws.names import MANAGED_TAG, MANAGED_VALUE
from voxctl.aws.observed import is_missing, seen_schedule, tags_at
from voxctl.errors import AwsError

_SAGEMAKER, _INSTANCES = "AWS/SageMaker", "/aws/sagemaker/Endpoints"
#: What is asked of CloudWatch: open streams, errors within streams, the GPU's work and memory in percent.
_METRICS = (
    ("ConcurrentRequestsPerModel", "Maximum", _SAGEMAKER),
    ("MidStreamErrors", "Sum", _SAGEMAKER),
    ("GPUUtilization", "Average", _INSTANCES),
    ("GPUMemoryUtilization", "Average", _INSTANCES),
)
#: How many regions are asked at a time, and what those answer that the account has not turned on.
_AT_A_TIME = 8
_NOT_OURS = ("UnrecognizedClientException", "InvalidClientTokenId", "OptInRequired", "AuthFailure")


@dataclass(frozen=True, slots=True)
class Numbers:
    """What an endpoint does, by its newest metrics; ``None`` is not known. The GPU's are in percent."""

    open_streams: int | None = None
    mid_stream_errors: int | None = None
    gpu_percent: float | None = None
    gpu_memory_percent: float | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """One endpoint. Times are in seconds since 1970; ``usd_per_hour`` is for all its instances together."""

    name: str
    region: str
    status: str
    made_s: float
    instance_type: str
    instances: int
    wanted_instances: int
    reason: str = ""
    image: str = ""
    usd_per_hour: float | None = None
    ends_s: float | None = None
    numbers: Numbers = field(default=Numbers())

    def spent_usd(self, now_s: float) -> float | None:
        """Return about what it has cost so far, as if it had always been as it is."""
        if self.usd_per_hour is None:
            return None
        return self.usd_per_hour * max(0.0, now_s - self.made_s) / 3600


def running(cloud: Cloud, name: str, price: Callable[[str], float | None]) -> Running:
    """Return an endpoint as it is now; ``price`` knows what an hour of an instance type costs.

    Raises ``AwsError``, also where there is none of that name.
    """
    what = f"the endpoint {name} in {cloud.region} cannot be looked at"
    try:
        found = cloud.call("sagemaker", "DescribeEndpoint", what, {"EndpointName": name})
    except AwsError as exc:
        if is_missing(exc):
            message = f"there is no endpoint {name} in {cloud.region}"
            raise AwsError(message, hint="`voxctl list` shows all of them.") from exc
        raise
    which = {"EndpointConfigName": found["EndpointConfigName"]}
    variant = cloud.call("sagemaker", "DescribeEndpointConfig", what, which)["ProductionVariants"][0]
    now = (found.get("ProductionVariants") or [{}])[0]
    wanted = int(now.get("DesiredInstanceCount", variant.get("InitialInstanceCount", 1)))
    each, schedule = price(str(variant.get("InstanceType", ""))), seen_schedule(cloud, name)
    streams, errors, gpu, memory = latest(cloud, name, _METRICS)
    return Running(
        name=name,
        region=cloud.region,
        status=str(found["EndpointStatus"]),
        made_s=found["CreationTime"].timestamp(),
        instance_type=str(variant.get("InstanceType", "")),
        instances=int(now.get("CurrentInstanceCount", 0)),
        wanted_instances=wanted,
        reason=str(found.get("FailureReason", "")),
        image=next((str(one.get("SpecifiedImage", "")) for one in now.get("DeployedImages", [])), ""),
        usd_per_hour=None if each is None else each * wanted,
        ends_s=schedule.at_s if schedule else None,
        numbers=Numbers(_whole(streams), _whole(errors), gpu, memory),
    )


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def prices(cloud: Cloud) -> Callable[[str], float | None]:
    """Return what knows the prices of a region, each asked for once."""
    known: dict[str, float | None] = {}

    def price(instance_type: str) -> float | None:
        if instance_type not in known:
            known[instance_type] = price_per_hour(cloud, partition(cloud.account), instance_type)
        return known[instance_type]

    return price


def endpoints_in(cloud: Cloud) -> list[Running]:
    """Return the endpoints in a region that voxctl made, oldest first. Raises ``AwsError``."""
    what, price = f"the endpoints in {cloud.region} cannot be listed", prices(cloud)
    found = []
    for one in cloud.pages("sagemaker", "ListEndpoints", what, "Endpoints", {"PaginationConfig": {"PageSize": 100}}):
        try:
            if tags_at(cloud, one["EndpointArn"], what).get(MANAGED_TAG) == MANAGED_VALUE:
                found.append(running(cloud, one["EndpointName"], price))
        except AwsError as exc:
            if not (is_missing(exc) or _was_missing(exc)):  # gone since it was listed
                raise
    return sorted(found, key=lambda endpoint: endpoint.made_s)


def _was_missing(error: AwsError) -> bool:
    return isinstance(error.__cause__, AwsError) and is_missing(error.__cause__)


def everywhere(cloud: Cloud) -> tuple[list[Running], dict[str, AwsError]]:
    """Return the endpoints in all regions, and the regions that could not be asked. Raises ``AwsError``.

    Regions that the account has not turned on have none.
    """
    place_of(cloud)  # credentials that are no good anywhere are not told of each region
    names = sorted({cloud.region, *regions(cloud.account)})
    found: list[Running] = []
    failed: dict[str, AwsError] = {}
    clouds = [cloud.elsewhere(name) for name in names]
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        for one, looked in zip(clouds, pool.map(_looked, clouds), strict=True):
            if isinstance(looked, list):
                found += looked
            elif looked.code not in _NOT_OURS:
                failed[one.region] = looked
    return found, failed


def _looked(cloud: Cloud) -> list[Running] | AwsError:
    try:
        return endpoints_in(cloud)
    except AwsError as exc:
        return exc


def told(endpoint: Running, now_s: float) -> Iterator[tuple[str, Any]]:
    """Yield what others read of an endpoint, by the names of the documents."""
    yield "endpoint", endpoint.name
    yield "region", endpoint.region
    yield "status", endpoint.status
    yield "reason", endpoint.reason or None
    yield "image", endpoint.image or None
    yield "instance_type", endpoint.instance_type
    yield "instances", endpoint.instances
    yield "wanted_instances", endpoint.wanted_instances
    yield "age_s", round(now_s - endpoint.made_s)
    yield "usd_per_hour", endpoint.usd_per_hour
    spent = endpoint.spent_usd(now_s)
    yield "usd_spent", None if spent is None else round(spent, 2)
    yield "ends_at", None if endpoint.ends_s is None else f"{utc(endpoint.ends_s)}Z"
    yield "open_streams", endpoint.numbers.open_streams
    yield "mid_stream_errors", endpoint.numbers.mid_stream_errors
    yield "gpu_percent", endpoint.numbers.gpu_percent
    yield "gpu_memory_percent", endpoint.numbers.gpu_memory_percent
