"""Building in AWS: the bucket, role and project that it takes, and one build from its start to its end. Blocking."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from voxctl.aws.client import LOGS, Account
from voxctl.aws.codebuild_documents import PROJECT, Place, buildspec, project, rights, trust
from voxctl.aws.endpoints import MANAGED_TAG, MANAGED_VALUE
from voxctl.aws.faults import FAILURES, renamed
from voxctl.errors import AwsError

_S3, _IAM, _CODEBUILD = "s3", "iam", "codebuild"
_POLICY = "voxctl-build"
_LIMIT_S = 10.0
#: The one region whose buckets are made without naming it.
_FIRST_REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class Observed:
    """What of it is there already; ``role``: with the very rights that it should have."""

    bucket: bool
    role: bool
    project: bool


@dataclass(frozen=True, slots=True)
class BuildState:
    """How far a build has come. ``stream`` is its log's, empty before it has one; ``link`` shows it in a browser."""

    phase: str
    status: str
    stream: str = ""
    link: str = ""
    reasons: tuple[str, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether it is over, well or not."""
        return self.status != "IN_PROGRESS"

    @property
    def succeeded(self) -> bool:
        """Whether it ended well."""
        return self.status == "SUCCEEDED"


def partition_of(account: Account) -> str:
    """Return the partition of the account's region, such as ``aws``."""
    return str(account.session.get_partition_for_region(account.region))


def observe(account: Account, place: Place) -> Observed:
    """Look at what is there. Raises ``AwsError``."""
    projects = _call(account, _CODEBUILD, "batch_get_projects", "CodeBuild cannot be asked", names=[PROJECT])
    return Observed(_has_bucket(account, place), _has_role(account, place), bool(projects.get("projects")))


def make_bucket(account: Account, place: Place) -> None:
    """Make the bucket, closed to the public; one that we have already is as good. Raises ``AwsError``."""
    client = _client(account, _S3)
    where = {} if account.region == _FIRST_REGION else {"LocationConstraint": account.region}
    try:
        client.create_bucket(Bucket=place.bucket, **({"CreateBucketConfiguration": where} if where else {}))
    except client.exceptions.BucketAlreadyOwnedByYou:
        pass
    except FAILURES as exc:
        raise renamed(exc, f"the bucket {place.bucket} cannot be made") from exc
    closed = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
    _call(
        account,
        _S3,
        "put_public_access_block",
        f"the bucket {place.bucket} cannot be closed to the public",
        Bucket=place.bucket,
        PublicAccessBlockConfiguration=closed,
    )


def make_role(account: Account, place: Place) -> None:
    """Make the role, or give one that is there the rights it should have. Raises ``AwsError``."""
    client = _client(account, _IAM)
    try:
        client.create_role(
            RoleName=place.role,
            AssumeRolePolicyDocument=json.dumps(trust(place)),
            Description="What voxctl's builds may do.",
            Tags=[{"Key": MANAGED_TAG, "Value": MANAGED_VALUE}],
        )
    except client.exceptions.EntityAlreadyExistsException:
        pass
    except FAILURES as exc:
        raise renamed(exc, f"the role {place.role} cannot be made") from exc
    _call(
        account,
        _IAM,
        "put_role_policy",
        f"the role {place.role} cannot be given its rights",
        RoleName=place.role,
        PolicyName=_POLICY,
        PolicyDocument=json.dumps(rights(place)),
    )


def make_project(account: Account, place: Place) -> bool:
    """Make the project; ``False`` while CodeBuild does not know the role yet, which is new. Raises ``AwsError``."""
    client = _client(account, _CODEBUILD)
    try:
        client.create_project(**project(place), tags=[{"key": MANAGED_TAG, "value": MANAGED_VALUE}])
    except client.exceptions.ResourceAlreadyExistsException:
        return True
    except client.exceptions.InvalidInputException as exc:
        if "sts:AssumeRole" in str(exc):
            return False
        raise renamed(exc, f"the project {PROJECT} cannot be made") from exc
    except FAILURES as exc:
        raise renamed(exc, f"the project {PROJECT} cannot be made") from exc
    return True


def upload(account: Account, place: Place, key: str, archive: bytes) -> None:
    """Put the source into the bucket, if it is ours. Raises ``AwsError``."""
    _call(
        account,
        _S3,
        "put_object",
        f"the source cannot be put into {place.bucket}",
        Bucket=place.bucket,
        Key=key,
        Body=archive,
        ExpectedBucketOwner=place.account,
    )


def start(account: Account, place: Place, key: str, commands: Sequence[str]) -> str:
    """Start a build of the source and return its identity. Raises ``AwsError``."""
    answer = _call(
        account,
        _CODEBUILD,
        "start_build",
        "the build cannot be started",
        projectName=PROJECT,
        sourceTypeOverride="S3",
        sourceLocationOverride=f"{place.bucket}/{key}",
        buildspecOverride=buildspec(commands),
        privilegedModeOverride=True,
    )
    return str(answer["build"]["id"])


def look_at(account: Account, build: str) -> BuildState:
    """Return how far a build has come. Raises ``AwsError``."""
    answer = _call(account, _CODEBUILD, "batch_get_builds", "the build cannot be looked at", ids=[build])
    if not answer.get("builds"):
        raise AwsError(f"CodeBuild does not know the build {build}", hint="run the command again.")
    found = answer["builds"][0]
    logs = found.get("logs", {})
    contexts = [context for phase in found.get("phases", []) for context in phase.get("contexts", [])]
    return BuildState(
        str(found.get("currentPhase", "")),
        str(found.get("buildStatus", "IN_PROGRESS")),
        str(logs.get("streamName", "")),
        str(logs.get("deepLink", "")),
        tuple(str(context["message"]) for context in contexts if context.get("message")),
    )


def read_log(account: Account, place: Place, stream: str, token: str | None) -> tuple[list[str], str | None]:
    """Return the lines of a build's log after ``token``, oldest first, and the next token; none while it is not there.

    A log that may not be read is no reason to give up a build.
    """
    client = _client(account, LOGS)
    which = {"logGroupName": place.log_group, "logStreamName": stream, "startFromHead": True}
    try:
        found = client.get_log_events(**which, **({"nextToken": token} if token else {}))
    except FAILURES:
        return [], token
    return [str(event["message"]) for event in found["events"]], found.get("nextForwardToken", token)


def stop(account: Account, build: str) -> None:
    """Stop a build that nobody waits for any more, as well as that can be done."""
    try:
        account.client(_CODEBUILD, limit_s=1.0, attempts=1).stop_build(id=build)
    except (*FAILURES, AwsError):
        return


def _has_bucket(account: Account, place: Place) -> bool:
    try:
        _client(account, _S3).head_bucket(Bucket=place.bucket, ExpectedBucketOwner=place.account)
    except ClientError as exc:
        if exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
            return False
        raise renamed(exc, f"the bucket {place.bucket} cannot be looked at, or is not yours") from exc
    except FAILURES as exc:
        raise renamed(exc, f"the bucket {place.bucket} cannot be looked at") from exc
    return True


def _has_role(account: Account, place: Place) -> bool:
    client = _client(account, _IAM)
    try:
        held = client.get_role_policy(RoleName=place.role, PolicyName=_POLICY)["PolicyDocument"]
    except client.exceptions.NoSuchEntityException:
        return False
    except FAILURES as exc:
        raise renamed(exc, f"the role {place.role} cannot be looked at") from exc
    return bool(held == rights(place))


def _call(account: Account, service: str, action: str, what: str, **arguments: Any) -> Any:
    """Make one call of a service. Raises ``AwsError`` that begins with ``what``."""
    try:
        return getattr(_client(account, service), action)(**arguments)
    except FAILURES as exc:
        raise renamed(exc, what) from exc


def _client(account: Account, service: str) -> Any:
    return account.client(service, limit_s=_LIMIT_S)
