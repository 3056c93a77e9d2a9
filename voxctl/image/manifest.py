"""Which images SageMaker takes. Pure."""

from __future__ import annotations

import hashlib

from voxctl.errors import BuildFailed

#: Docker's manifest, version 2 schema 2: the only one that SageMaker takes.
DOCKER_V2 = "application/vnd.docker.distribution.manifest.v2+json"
#: The others, in words.
_OTHERS = {
    "application/vnd.oci.image.index.v1+json": "an OCI index",
    "application/vnd.oci.image.manifest.v1+json": "an OCI manifest",
    "application/vnd.docker.distribution.manifest.list.v2+json": "a list of manifests for several platforms",
    "application/vnd.docker.distribution.manifest.v1+json": "a manifest of Docker's first version",
    "application/vnd.docker.distribution.manifest.v1+prettyjws": "a manifest of Docker's first version",
}
#: All that a registry may be asked for: it gives one as it has it only if the reader knows it.
MEDIA_TYPES = (DOCKER_V2, *_OTHERS)


def check_manifest(image: str, media_type: str, manifest: bytes, digest: str, pushed: str | None) -> None:
    """Judge what a registry holds under the name of a pushed image. Raises ``BuildFailed`` for what is of no use.

    ``digest`` is the registry's for the ``manifest``, ``pushed`` the one that was said while it was pushed.
    """
    if media_type != DOCKER_V2:
        form = _OTHERS.get(media_type, media_type or "of a form that the registry does not name")
        raise BuildFailed(
            f"{image} is {form}, which SageMaker refuses: it takes Docker's manifest version 2, schema 2, alone",
            hint="voxctl build --builder buildx --push, which writes that form; or --builder codebuild.",
        )
    if digest != f"sha256:{hashlib.sha256(manifest).hexdigest()}":
        raise BuildFailed(f"the registry's manifest of {image} is not what its digest says", hint="push it once more.")
    if pushed is not None and pushed != digest:
        raise BuildFailed(
            f"{image} is not the image that was pushed: somebody else has pushed one of that name meanwhile",
            hint="give your own a name of its own with --tag.",
        )
