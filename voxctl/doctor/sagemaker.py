"""Whether a SageMaker endpoint can be used from here: who asks, where, what the endpoint is, and what is between."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from voxctl.aws import checks as aws
from voxctl.aws.client import SAGEMAKER, STREAMS, Account, ca_bundle, configured_url, open_account, runtime_url
from voxctl.aws.endpoints import managed_endpoint
from voxctl.connect import sagemaker
from voxctl.doctor import runtime
from voxctl.doctor.check import Check, Finding, NotLookedAt, Status
from voxctl.doctor.server import opened
from voxctl.errors import AwsError, UsageError, VoxError
from voxctl.transport.base import Connector
from voxctl.transport.sagemaker_target import checked_endpoint_name, checked_endpoint_url, is_aws, label_of

#: The label without which SageMaker gives a container no streams.
LABEL = "com.amazonaws.sagemaker.capabilities.bidirectional-streaming"
_LIMIT_S = 9.0
#: Credentials that end in less are worth a word.
_SOON_MIN = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """What was said of the endpoint; what was not is AWS's own configuration's to say."""

    endpoint: str | None = None
    region: str | None = None
    profile: str | None = None
    endpoint_url: str | None = None
    ca_bundle: Path | None = None


def sagemaker_checks(asked: Asked | None) -> list[Check]:
    """Return the checks of SageMaker, ``None`` where nobody asked for it."""
    if asked is None:
        return [Check("SageMaker", _not_asked_for)]
    cloud = _Cloud(asked)
    network = "check your network and --region; behind a proxy, set HTTPS_PROXY."
    permission = Check("permission", _in_thread(cloud.permission), False, AwsError.exit_code, _LIMIT_S, network)
    return [
        Check("AWS region", _in_thread(cloud.region), True, UsageError.exit_code, _LIMIT_S, "name it with --region."),
        Check("credentials", _in_thread(cloud.credentials), True, AwsError.exit_code, _LIMIT_S, network),
        Check("clock", _in_thread(cloud.clock), True, AwsError.exit_code, _LIMIT_S, network),
        Check("runtime", _in_thread(cloud.reach), True, limit_s=_LIMIT_S, late=f"have {runtime.PORT_OPENED}"),
        replace(permission, name="endpoint", look=_in_thread(cloud.state), needed=True),
        replace(permission, name="image label", look=_in_thread(cloud.label), needed=True),
        replace(permission, needed=True),
        Check("stream", cloud.stream, True, limit_s=_LIMIT_S, late="the log of the endpoint's container may say why."),
    ]


async def _not_asked_for() -> Finding:
    raise NotLookedAt("not asked for: --endpoint or --region checks it")


def _in_thread(look: Callable[[], Finding]) -> Callable[[], asyncio.Future[Finding]]:
    return lambda: asyncio.ensure_future(asyncio.to_thread(look))


class _Once[T]:
    """Asks once, however many want to know; a refusal is kept too. Called from threads."""

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._answer: list[T] = []
        self._refusal: VoxError | None = None

    def __call__(self) -> T:
        with self._lock:
            if self._refusal is not None:
                raise self._refusal
            if not self._answer:
                try:
                    self._answer.append(self._ask())
                except VoxError as exc:
                    self._refusal = exc
                    raise
            return self._answer[0]

    def needed_for(self, what: str) -> T:
        """Return the answer for a check of something else, which is not looked at without it."""
        try:
            return self()
        except VoxError as exc:
            raise NotLookedAt(f"needs {what}") from exc


class _Cloud:
    """The checks, each in words of its own, over what they share."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._account = _Once(lambda: open_account(asked.profile or None, asked.region or None))
        self._source = _Once(lambda: aws.source_of(self._account.needed_for("an AWS region")))
        self._caller = _Once(self._find_caller)
        self._endpoint = _Once(self._find_endpoint)
        self._reached = _Once(lambda: runtime.reached(self._runtime()))

    def region(self) -> Finding:
        account = self._account()
        profile = f", profile {self._asked.profile}" if self._asked.profile else ""
        return Finding(Status.OK, f"{account.region}{profile}")

    def credentials(self) -> Finding:
        source = self._source()
        found = f"from {source.provider}"
        if self._elsewhere():
            return Finding(Status.OK, f"{found}; AWS was not asked, as the runtime is elsewhere")
        arn = self._caller()
        if source.expires is None:
            return Finding(Status.OK, f"{arn}, {found}" + (", temporary" if source.temporary else ""))
        minutes = int((source.expires - datetime.now(UTC)).total_seconds() // 60)
        status, cure = (Status.NOTE, "sign in again: `aws sso login`.") if minutes < _SOON_MIN else (Status.OK, "")
        return Finding(status, f"{arn}, {found}, for another {minutes} min", cure)

    def clock(self) -> Finding:
        behind_s = runtime.time_at(self._runtime())
        if behind_s is None and not self._elsewhere():
            behind_s = runtime.behind(*aws.date_at_sts(self._account.needed_for("an AWS region")))
        return runtime.clock_finding(behind_s)

    def reach(self) -> Finding:
        return self._reached()

    async def stream(self) -> Finding:
        """Open one as a session would: what AWS says of everything else is not what it does."""
        return await opened(*await asyncio.to_thread(self._way))

    def state(self) -> Finding:
        found = self._endpoint()
        return Finding(Status.OK, f"{found.name} is {found.status}")

    def label(self) -> Finding:
        images = self._endpoint.needed_for("the endpoint").images
        if not images:
            return Finding(Status.NOTE, "unknown: the endpoint does not name its image")
        try:
            labels = aws.image_labels(self._account(), images[0])
        except AwsError as exc:
            return Finding(Status.NOTE, f"unknown: {exc.message}", exc.hint or "")
        if labels is None:
            return Finding(Status.NOTE, f"unknown: {images[0]} is no plain image in ECR", f"docker inspect {images[0]}")
        if labels.get(LABEL) == "true":
            return Finding(Status.OK, f"{images[0]} has it")
        return Finding(
            Status.FAILED,
            f"{images[0]} lacks it, so SageMaker gives it no streams",
            f"build the image with: LABEL {LABEL}=true",
        )

    def permission(self) -> Finding:
        arn = self._caller.needed_for("credentials")
        endpoint = self._endpoint.needed_for("the endpoint")
        if arn.endswith(":root"):
            return Finding(Status.OK, "the account's root may do everything")
        try:
            refused = aws.refused_actions(self._account(), arn, endpoint.arn)
        except AwsError as exc:
            return Finding(Status.NOTE, f"unknown: {exc.message}", "`voxctl transcribe` tells for certain.")
        if not refused:
            return Finding(Status.OK, "may invoke it, says IAM's simulation")
        # The other one is asked for beside it in AWS's own example of a policy.
        status = Status.FAILED if aws.INVOKE[0] in refused else Status.NOTE
        actions = " and ".join(refused)
        return Finding(status, f"{arn} may not {actions}", f"have {actions} allowed for {endpoint.arn}")

    def _way(self) -> tuple[Connector, str]:
        account = self._account.needed_for("an AWS region")
        self._source.needed_for("credentials")
        if self._reached.needed_for("the runtime").status is Status.FAILED:
            raise NotLookedAt("needs the runtime")
        asked = self._asked
        name = asked.endpoint or self._endpoint.needed_for("the endpoint").name
        connect = sagemaker(
            name,
            region=account.region,
            profile=asked.profile or None,
            endpoint_url=asked.endpoint_url or None,
            ca_bundle=asked.ca_bundle,
        )
        return connect, label_of(name, account.region)

    def _find_caller(self) -> str:
        self._source.needed_for("credentials")
        self._not_elsewhere()
        return aws.caller_arn(self._account())

    def _find_endpoint(self) -> aws.Endpoint:
        account = self._account.needed_for("an AWS region")
        self._not_elsewhere()
        self._source.needed_for("credentials")
        name = self._asked.endpoint
        return aws.described(account, checked_endpoint_name(name) if name else managed_endpoint(account))

    def _runtime(self) -> runtime.Runtime:
        account = self._account.needed_for("an AWS region")
        url = self._asked.endpoint_url or configured_url(account, STREAMS) or runtime_url(account)
        return runtime.Runtime(checked_endpoint_url(url), self._asked.ca_bundle or ca_bundle(account))

    def _elsewhere(self) -> bool:
        """Whether AWS itself knows nothing of the runtime: it is on this machine, say."""
        account: Account = self._account.needed_for("an AWS region")
        return not is_aws(self._runtime().host) and configured_url(account, SAGEMAKER) is None

    def _not_elsewhere(self) -> None:
        if self._elsewhere():
            raise NotLookedAt("AWS knows nothing of it, as the runtime is elsewhere")
