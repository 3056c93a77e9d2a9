"""Which manifests SageMaker takes."""

from __future__ import annotations

import hashlib

import pytest

from voxctl.errors import BuildFailed
from voxctl.image.manifest import DOCKER_V2, MEDIA_TYPES, check_manifest

MANIFEST = b'{"schemaVersion": 2}'
DIGEST = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"


def test_docker_s_manifest_is_taken() -> None:
    check_manifest("voxctl:v1", DOCKER_V2, MANIFEST, DIGEST, None)
    check_manifest("voxctl:v1", DOCKER_V2, MANIFEST, DIGEST, DIGEST)


@pytest.mark.parametrize("media_type", [*MEDIA_TYPES[1:], "application/x", ""])
def test_any_other_is_refused_in_one_line_that_says_why(media_type: str) -> None:
    with pytest.raises(BuildFailed) as refused:
        check_manifest("voxctl:v1", media_type, MANIFEST, DIGEST, DIGEST)
    assert "SageMaker refuses" in refused.value.message and "\n" not in refused.value.message
    assert refused.value.hint and "--builder buildx" in refused.value.hint


def test_a_manifest_that_was_changed_on_its_way_is_refused() -> None:
    with pytest.raises(BuildFailed, match="not what its digest says"):
        check_manifest("voxctl:v1", DOCKER_V2, MANIFEST + b" ", DIGEST, DIGEST)


def test_somebody_else_s_image_under_the_same_name_is_not_taken_for_ours() -> None:
    with pytest.raises(BuildFailed, match="somebody else"):
        check_manifest("voxctl:v1", DOCKER_V2, MANIFEST, DIGEST, "sha256:" + "0" * 64)
