"""Private registries of Amazon ECR: the login, repositories, and what they hold under a name. Blocking."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

from voxctl.aws.client import Account
from voxctl.aws.endpoints import MANAGED_TAG, MANAGED_VALUE
from voxctl.aws.faults import FAILURES, renamed
from voxctl.errors import AwsError

ECR = "ecr"
_LIMIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Login:
    """What opens the registries of a region for some hours. ``host`` is the caller's own registry."""

    host: str
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Stored:
    """A manifest as a registry has it, byte for byte."""

    media_type: str
    manifest: bytes
    digest: str


def registry_login(account: Account) -> Login:
    """Return a login for the registries of the account's region. Raises ``AwsError``."""
    try:
        data = _client(account).get_authorization_token()["authorizationData"][0]
        user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
        return Login(str(data["proxyEndpoint"]).partition("://")[2].rstrip("/"), user, password)
    except FAILURES as exc:
        raise renamed(exc, f"AWS gives no login for the registry in {account.region}") from exc
    except (LookupError, ValueError) as exc:
        raise AwsError(
            f"the registry in {account.region} gives a login that is none",
            hint="is AWS_ENDPOINT_URL_ECR right? Unset it for AWS's own.",
        ) from exc


def has_repository(account: Account, registry: str, name: str) -> bool:
    """Return whether the registry of an account's number has a repository. Raises ``AwsError``."""
    client = _client(account)
    try:
        client.describe_repositories(registryId=registry, repositoryNames=[name])
    except client.exceptions.RepositoryNotFoundException:
        return False
    except FAILURES as exc:
        raise renamed(exc, f"the repository {name} cannot be looked at") from exc
    return True


def make_repository(account: Account, registry: str, name: str) -> None:
    """Make a repository that scans what is pushed; one that somebody has just made is as good. Raises ``AwsError``."""
    client = _client(account)
    try:
        client.create_repository(
            registryId=registry,
            repositoryName=name,
            imageScanningConfiguration={"scanOnPush": True},
            tags=[{"Key": MANAGED_TAG, "Value": MANAGED_VALUE}],
        )
    except client.exceptions.RepositoryAlreadyExistsException:
        return
    except FAILURES as exc:
        raise renamed(exc, f"the repository {name} cannot be made") from exc


def stored_image(account: Account, registry: str, name: str, tag: str, media_types: tuple[str, ...]) -> Stored:
    """Return the manifest that a repository has under a tag, whichever of ``media_types`` it is of.

    Raises ``AwsError``, also where there is none.
    """
    which = {"registryId": registry, "repositoryName": name, "imageIds": [{"imageTag": tag}]}
    try:
        answer = _client(account).batch_get_image(**which, acceptedMediaTypes=list(media_types))
    except FAILURES as exc:
        raise renamed(exc, f"the manifest of {name}:{tag} cannot be read back") from exc
    if not answer.get("images"):
        reason = next((failure.get("failureReason", "") for failure in answer.get("failures", [])), "")
        raise AwsError(
            f"the registry has no image {name}:{tag}{reason and f': {reason}'}",
            hint="push it once more, or check --tag.",
        )
    image = answer["images"][0]
    manifest = str(image["imageManifest"])
    return Stored(str(image.get("imageManifestMediaType", "")), manifest.encode(), str(image["imageId"]["imageDigest"]))


def _client(account: Account) -> Any:
    return account.client(ECR, limit_s=_LIMIT_S)
