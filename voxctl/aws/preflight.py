"""What is to be known before anything is made: whose account, which image, what it costs, if it may be. Blocking."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from voxctl.aws.checks import source_of
from voxctl.aws.client import Account
from voxctl.aws.cloud import Cloud, place_of
from voxctl.aws.images import image_in_ecr, newest_image, trouble_with_image
from voxctl.aws.market import MONTH_H, endpoint_quota, price_per_hour
from voxctl.aws.names import Place
from voxctl.aws.observed import is_missing, observe
from voxctl.aws.roles import SAGEMAKER_SERVICE, trusts
from voxctl.aws.spec import HUB, Spec
from voxctl.aws.steps import Observed
from voxctl.errors import AwsError

OK, NOTE, FAILED = "ok", "note", "failed"
#: How long ECR may take to answer; nobody waits for the other checks meanwhile.
_LIMIT_S = 15.0
#: The published word error rate of Voxtral Mini 4B Realtime for a delay in milliseconds, FLEURS' average in percent.
_ERROR_RATES = {160: 12.60, 240: 10.80, 480: 8.72, 960: 7.70, 2400: 6.73}
_USUAL_DELAY_MS = 480


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look came to. ``error`` is why nothing may be made."""

    status: str
    name: str
    found: str
    cure: str = ""
    error: AwsError | None = None


@dataclass(frozen=True, slots=True)
class Preflight:
    """All that is known before. ``spec`` has the image by its digest. ``hourly_usd`` is for all instances together."""

    spec: Spec
    place: Place
    observed: Observed
    hourly_usd: float | None
    findings: tuple[Finding, ...]


def looked_ahead(cloud: Cloud, spec: Spec, ttl_s: int | None) -> Preflight:
    """Look at everything that ``spec`` needs; an image of ``""`` is the newest. Nothing is changed.

    Raises ``AwsError`` where the account itself cannot be looked at.
    """
    source = source_of(cloud.account)
    place = place_of(cloud)
    with ThreadPoolExecutor(5) as pool:
        observed = pool.submit(observe, cloud, place, spec.name)
        image = pool.submit(_image, cloud.account, spec.image)
        quota = pool.submit(_quota, cloud, spec)
        role = pool.submit(_role, cloud, spec)
        price = pool.submit(price_per_hour, cloud, place.partition, spec.instance_type)
        pinned, about_image = image.result()
        each = price.result()
        hourly = None if each is None else each * spec.instances
        findings = (
            Finding(OK, "credentials", f"account {place.account}, from {source.provider}"),
            Finding(OK, "region", place.region),
            about_image,
            quota.result(),
            role.result(),
            _model(spec),
            _price(spec, each),
            _end(hourly, ttl_s, observed.result()),
        )
        return Preflight(replace(spec, image=pinned), place, observed.result(), hourly, findings)


def _failed(name: str, error: AwsError) -> Finding:
    return Finding(FAILED, name, error.message, error.hint or "", error)


def _image(account: Account, name: str) -> tuple[str, Finding]:
    try:
        name = name or newest_image(account, limit_s=_LIMIT_S)
        found = image_in_ecr(account, name, limit_s=_LIMIT_S, attempts=2)
    except AwsError as exc:
        return name, _failed("image", exc)
    if found is None:
        error = AwsError(f"{name} is not in Amazon ECR, where SageMaker takes images from", hint="push it to ECR.")
        if ".dkr.ecr." in name:
            error = AwsError(f"there is no image {name}", hint="`voxctl build --push` makes one.")
        return name, _failed("image", error)
    if trouble := trouble_with_image(found):
        return name, _failed("image", trouble)
    return found.pinned, Finding(OK, "image", f"{name}: amd64, for streams")


def _quota(cloud: Cloud, spec: Spec) -> Finding:
    found = endpoint_quota(cloud, spec.instance_type)
    if found is None:
        return Finding(
            NOTE, "quota", f"unknown for {spec.instance_type}", "AWS says no by itself if there is none left."
        )
    if found.value < spec.instances:
        message = f"the quota for {spec.instance_type} is {found.value:g}, and {spec.instances} is asked for"
        return _failed("quota", AwsError(message, hint=f"ask for more at {found.link}"))
    return Finding(OK, "quota", f"{found.value:g} of {spec.instance_type} for endpoints in this region")


def _role(cloud: Cloud, spec: Spec) -> Finding:
    if spec.role is None:
        return Finding(OK, "role", "one is made, with the least that it needs")
    name = spec.role.rpartition("/")[2]
    try:
        role = cloud.call("iam", "GetRole", f"the role {name} cannot be looked at", {"RoleName": name})["Role"]
    except AwsError as exc:
        if is_missing(exc):
            return _failed("role", AwsError(f"there is no role {spec.role}", hint="leave --role out: one is made."))
        return Finding(NOTE, "role", exc.message, "AWS says no by itself if it is of no use.")
    if not trusts(role["AssumeRolePolicyDocument"], SAGEMAKER_SERVICE):
        message = f"the role {name} does not let {SAGEMAKER_SERVICE} take it"
        return _failed("role", AwsError(message, hint="add it to the role's trust policy, or leave --role out."))
    return Finding(OK, "role", f"{name}: SageMaker may take it")


def _model(spec: Spec) -> Finding:
    delay = spec.delay_ms or _USUAL_DELAY_MS
    rate = _ERROR_RATES.get(delay)
    known = f"published word error rate {rate:.2f} % (FLEURS)" if rate else "no published word error rate"
    where = "from the Hugging Face Hub" if spec.weights == HUB else f"from {spec.weights}, without a network"
    return Finding(OK, "model", f"{spec.model}, {where}; delay {delay} ms: {known}")


def _price(spec: Spec, each: float | None) -> Finding:
    if each is None:
        return Finding(NOTE, "price", "unknown", "https://aws.amazon.com/sagemaker/ai/pricing/ has it.")
    hourly = each * spec.instances
    what = f"{spec.instances} × {spec.instance_type}"
    return Finding(OK, "price", f"${hourly:.2f} an hour, ${hourly * MONTH_H:,.0f} a month: {what}")


def _end(hourly: float | None, ttl_s: int | None, seen: Observed) -> Finding:
    if ttl_s is not None or seen.schedule is not None:
        return Finding(OK, "end", "AWS deletes the endpoint by itself")
    cost = "" if hourly is None else f", for ${hourly * MONTH_H:,.0f} a month"
    return Finding(NOTE, "end", f"none: it runs until it is deleted{cost}", "--ttl 4h")
