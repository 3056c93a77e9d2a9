"""What an instance costs, and how many of them an account may have. Blocking; what cannot be read is unknown.

Sources: the Price List API (product ``AmazonSageMaker``, usage ``Host:<type>``), which answers in three regions only,
and Service Quotas (``<type> for endpoint usage``).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from voxctl.aws.cloud import Cloud
from voxctl.errors import AwsError

#: Hours of a month, as AWS reckons them.
MONTH_H = 730
_PRICES_IN = {"aws": "us-east-1", "aws-cn": "cn-northwest-1"}


@dataclass(frozen=True, slots=True)
class Quota:
    """How many instances of a type endpoints may have, and where more is asked for."""

    value: float
    link: str


def price_per_hour(cloud: Cloud, partition: str, instance_type: str) -> float | None:
    """Return what an hour of one instance costs in US dollars, ``None`` where that is not clear."""
    where = _PRICES_IN.get(partition)
    if where is None:
        return None
    filters = [("instanceName", instance_type), ("regionCode", cloud.region)]
    asked = {
        "ServiceCode": "AmazonSageMaker",
        "Filters": [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in filters],
    }
    try:
        found = list(
            cloud.elsewhere(where).pages("pricing", "GetProducts", "prices cannot be read", "PriceList", asked)
        )
        prices = {price for text in found for price in _hourly(json.loads(str(text)), instance_type)}
    except (AwsError, ValueError, LookupError, TypeError):
        return None
    return prices.pop() if len(prices) == 1 else None


def _hourly(product: dict[str, Any], instance_type: str) -> list[float]:
    if not product["product"]["attributes"]["usagetype"].endswith(f"Host:{instance_type}"):
        return []
    terms = product["terms"]["OnDemand"].values()
    dimensions = [dimension for term in terms for dimension in term["priceDimensions"].values()]
    return [float(dimension["pricePerUnit"]["USD"]) for dimension in dimensions]


def endpoint_quota(cloud: Cloud, instance_type: str) -> Quota | None:
    """Return the quota of a type for endpoints, ``None`` where it cannot be read."""
    wanted = f"{instance_type} for endpoint usage"
    for operation in ("ListServiceQuotas", "ListAWSDefaultServiceQuotas"):
        try:
            for quota in cloud.pages(
                "service-quotas",
                operation,
                "quotas cannot be read",
                "Quotas",
                {"ServiceCode": "sagemaker", "PaginationConfig": {"PageSize": 100}},
            ):
                if quota["QuotaName"] == wanted:
                    place = f"{cloud.region}.console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas"
                    return Quota(float(quota["Value"]), f"https://{place}/{quota['QuotaCode']}")
        except AwsError:
            return None
    return None
