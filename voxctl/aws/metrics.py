"""What an endpoint's metrics say now. Blocking.

Source: ``ConcurrentRequestsPerModel`` counts open streams every 10 s; CloudWatch has it about a minute later.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from voxctl.aws.cloud import Cloud
from voxctl.aws.spec import VARIANT
from voxctl.errors import AwsError

_SAGEMAKER, _PERIOD_S, _BACK_S = "AWS/SageMaker", 60, 300


def open_streams(cloud: Cloud, name: str) -> int | None:
    """Return how many streams an endpoint has open, ``None`` where nothing is known of the last minutes."""
    found = latest(cloud, name, [("ConcurrentRequestsPerModel", "Maximum", _SAGEMAKER)])
    return None if found[0] is None else round(found[0])


def latest(cloud: Cloud, name: str, wanted: Sequence[tuple[str, str, str]]) -> list[float | None]:
    """Return the newest value of each metric: its name, statistic and namespace; ``None`` where there is none.

    Never raises: a number that cannot be had is one that is not known.
    """
    dimensions = [{"Name": "EndpointName", "Value": name}, {"Name": "VariantName", "Value": VARIANT}]
    queries = [
        {
            "Id": f"m{n}",
            "MetricStat": {
                "Metric": {"Namespace": namespace, "MetricName": metric, "Dimensions": dimensions},
                "Period": _PERIOD_S,
                "Stat": statistic,
            },
        }
        for n, (metric, statistic, namespace) in enumerate(wanted)
    ]
    now = datetime.now(UTC)
    asked = {
        "MetricDataQueries": queries,
        "StartTime": now - timedelta(seconds=_BACK_S),
        "EndTime": now + timedelta(seconds=_PERIOD_S),
        "ScanBy": "TimestampDescending",
    }
    try:
        answer = cloud.call("cloudwatch", "GetMetricData", "metrics cannot be read", asked)
    except AwsError:
        return [None] * len(wanted)
    values = {result["Id"]: result["Values"] for result in answer["MetricDataResults"]}
    return [float(values[f"m{n}"][0]) if values.get(f"m{n}") else None for n in range(len(wanted))]
