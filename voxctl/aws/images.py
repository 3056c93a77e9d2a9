"""Images in Amazon ECR: the newest one of voxctl, and what SageMaker would say of one. Blocking."""

from __future__ import annotations

import json
import re
import ssl
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from voxctl.aws.client import Account, ca_bundle
from voxctl.aws.faults import FAILURES, renamed
from voxctl.errors import AwsError

#: Where `voxctl build --push` puts images, and the label without which SageMaker gives an endpoint no streams.
REPOSITORY = "voxctl"
STREAMS_LABEL = "com.amazonaws.sagemaker.capabilities.bidirectional-streaming"
#: The one form of manifest that SageMaker takes, and others that a registry may hold, in words.
DOCKER_V2 = "application/vnd.docker.distribution.manifest.v2+json"
_OTHERS = {
    "application/vnd.oci.image.manifest.v1+json": "an OCI manifest",
    "application/vnd.oci.image.index.v1+json": "an OCI index",
    "application/vnd.docker.distribution.manifest.list.v2+json": "a list of manifests",
}
_ECR, _LIMIT_S, _MOST_BYTES = "ecr", 2.5, 1 << 20
_NO_REPOSITORY = "RepositoryNotFoundException"
_BUILD = "`voxctl build --push` makes and pushes one that SageMaker takes."
_NAME = re.compile(
    r"(?P<host>(?P<registry>\d{12})\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?)/"
    r"(?P<repository>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>sha256:[0-9a-f]+))?"
)


@dataclass(frozen=True, slots=True)
class Image:
    """An image in ECR. ``pinned`` names it by its digest. ``labels`` is ``None`` for a form without a configuration."""

    name: str
    pinned: str
    media_type: str
    architecture: str = ""
    labels: Mapping[str, str] | None = field(default=None)


def trouble_with_image(image: Image) -> AwsError | None:
    """Return why SageMaker would not take an image, or give it no streams."""
    if image.media_type != DOCKER_V2:
        form = _OTHERS.get(image.media_type, image.media_type)
        return AwsError(f"the image {image.name} is {form}, which SageMaker refuses", hint=_BUILD)
    if image.architecture not in ("", "amd64"):
        return AwsError(f"the image {image.name} is for {image.architecture}; the instances are amd64", hint=_BUILD)
    if (image.labels or {}).get(STREAMS_LABEL) != "true":
        return AwsError(f"the image {image.name} lacks the label {STREAMS_LABEL}=true", hint=_BUILD)
    return None


def newest_image(account: Account, *, limit_s: float = _LIMIT_S) -> str:
    """Return the name of the image that was last pushed to the repository ``voxctl``. Raises ``AwsError``."""
    what = f"the images of {REPOSITORY} in {account.region} cannot be listed"
    try:
        client = account.client(_ECR, limit_s=limit_s)
        pages = client.get_paginator("describe_images").paginate(repositoryName=REPOSITORY)
        found = [image for page in pages for image in page["imageDetails"]]
    except FAILURES as exc:
        error = renamed(exc, what)
        if error.code != _NO_REPOSITORY:
            raise error from exc
        found = []
    tagged = [image for image in found if image.get("imageTags")]
    if not tagged:
        raise AwsError(f"there is no image of voxctl in {account.region}", hint=_BUILD)
    newest = max(tagged, key=lambda image: image["imagePushedAt"])
    domain = "amazonaws.com.cn" if account.region.startswith("cn-") else "amazonaws.com"
    host = f"{newest['registryId']}.dkr.ecr.{account.region}.{domain}"
    return f"{host}/{REPOSITORY}:{newest['imageTags'][0]}"


def image_in_ecr(account: Account, name: str, *, limit_s: float = _LIMIT_S, attempts: int = 1) -> Image | None:
    """Return what ECR has under a name; ``None`` for one of another registry, or where there is nothing.

    Needs ecr:BatchGetImage and ecr:GetDownloadUrlForLayer. Raises ``AwsError``.
    """
    place = _NAME.fullmatch(name)
    if place is None:
        return None
    which = {"registryId": place["registry"], "repositoryName": place["repository"]}
    wanted = {"imageDigest": place["digest"]} if place["digest"] else {"imageTag": place["tag"] or "latest"}
    try:
        client = Account(account.session, place["region"]).client(_ECR, limit_s=limit_s, attempts=attempts)
        found = client.batch_get_image(**which, imageIds=[wanted], acceptedMediaTypes=[DOCKER_V2, *_OTHERS])["images"]
        if not found:
            return None
        manifest = json.loads(found[0]["imageManifest"])
        media_type = str(found[0].get("imageManifestMediaType") or manifest.get("mediaType") or DOCKER_V2)
        digest = found[0].get("imageId", {}).get("imageDigest")
        pinned = f"{place['host']}/{place['repository']}@{digest}" if digest else name
        layer = manifest.get("config", {}).get("digest")
        if layer is None:
            return Image(name, pinned, media_type)
        url = client.get_download_url_for_layer(**which, layerDigest=layer)["downloadUrl"]
    except FAILURES as exc:
        error = renamed(exc, f"the image {name} cannot be looked at")
        if error.code == _NO_REPOSITORY:
            return None
        raise error from exc
    document = _configuration(account, url, name, limit_s)
    labels = document["config"].get("Labels")
    return Image(name, pinned, media_type, str(document.get("architecture", "")), labels or {})


def _configuration(account: Account, url: str, name: str, limit_s: float) -> dict[str, Any]:
    # The address is a secret for a while: it is not in the error.
    try:
        context = ssl.create_default_context(cafile=ca_bundle(account))
        with urllib.request.urlopen(url, timeout=limit_s, context=context) as answer:
            document: dict[str, Any] = json.loads(answer.read(_MOST_BYTES))
        document["config"].get("Labels")
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as exc:
        raise AwsError(f"the configuration of the image {name} cannot be read", hint="try again later.") from exc
    return document
