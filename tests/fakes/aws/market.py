"""What instances cost and how many one may have: AWS's price list and service quotas, in their odd forms."""

from __future__ import annotations

import json
from typing import Any

Json = dict[str, Any]


def quotas_answer(quotas: dict[str, float] | None, operation: str, given: Json) -> Json:
    """Return a page of quotas: many others, and one for each instance type. ``None``: nothing is known of any."""
    every = [{"QuotaName": f"other {n}", "QuotaCode": f"L-{n:08}", "Value": 1.0} for n in range(120)]
    for kind, value in (quotas or {}).items():
        for use in ("transform job", "endpoint"):
            code = f"L-{abs(hash((kind, use))) % 10**8:08}"
            every.append(
                {"QuotaName": f"{kind} for {use} usage", "QuotaCode": code, "Value": value if use == "endpoint" else 9}
            )
    assert given["ServiceCode"] == "sagemaker" and operation in ("ListServiceQuotas", "ListAWSDefaultServiceQuotas")
    first, size = int(given.get("NextToken", 0)), given.get("MaxResults", 20)
    more = {"NextToken": str(first + size)} if first + size < len(every) else {}
    return {"Quotas": every[first : first + size]} | more


def prices_answer(prices: dict[str, float], given: Json) -> Json:
    """Return the products that the filters leave, each a text of JSON."""
    wanted = {one["Field"]: one["Value"] for one in given["Filters"]}
    price = prices.get(wanted["instanceName"])
    found = []
    for use, factor in (("Host", 1.0), ("AsyncInf", 3.0)) if price is not None else ():
        name, region = wanted["instanceName"], wanted["regionCode"]
        attributes = {"instanceName": name, "regionCode": region, "usagetype": f"USE1-{use}:{name}"}
        per_unit = {"unit": "Hrs", "pricePerUnit": {"USD": f"{(price or 0) * factor:.10f}"}}
        terms = {"OnDemand": {"A.B": {"priceDimensions": {"A.B.C": per_unit}}}}
        found.append(json.dumps({"product": {"attributes": attributes}, "terms": terms}))
    return {"FormatVersion": "aws_v1", "PriceList": found}
