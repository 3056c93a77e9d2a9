"""Why an endpoint has probably failed, and what mends it: by SageMaker's reason and its container's words. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple


class Cause(NamedTuple):
    """A likely cause, and what to do about it."""

    cause: str
    cure: str


#: What is read → the cause. The first that fits is taken: what the container says is nearer to it than what AWS says.
_CAUSES: tuple[tuple[str, Cause], ...] = (
    (
        r"cuda out of memory|outofmemoryerror|no available memory for the cache blocks|kv cache.{0,40}(larger|memory)",
        Cause("the GPU has too little memory", "--env SM_VLLM_MAX_MODEL_LEN=16000, or a larger --instance-type."),
    ),
    (
        r"unable to allocate|insufficient.{0,20}capacity|InsufficientInstanceCapacity",
        Cause(
            "AWS has no such instance free just now", "try again later, another --instance-type, or another --region."
        ),
    ),
    (
        r"gated repo|401 client error|403 client error|access to model .* is restricted|huggingface.*(401|403)",
        Cause("the weights are not for everybody", "copy them to S3 and deploy with --weights s3://bucket/prefix/."),
    ),
    (
        r"max retries exceeded|temporary failure in name resolution|connecterror|huggingface\.co.*(timeout|timed out)",
        Cause(
            "the weights could not be downloaded", "give the subnets a way out (NAT), or --weights s3://bucket/prefix/."
        ),
    ),
    (
        r"no space left on device",
        Cause("the instance's disk is full", "choose a larger --instance-type."),
    ),
    (
        r"driver.{0,60}(too old|insufficient)|cuda driver version|forward compatibility",
        Cause("the image's CUDA and the instance's driver do not fit", "check --ami-version against the image's CUDA."),
    ),
    (
        r"manifest|unsupported.{0,20}media type|mediatype",
        Cause("SageMaker cannot read the image's manifest", "`voxctl build --push` makes one that it takes."),
    ),
    (
        r"(fail|cannot|could not|unable).{0,9} (pull|access|download).{0,40}image|image.{0,60}not (found|exist)|ecr:",
        Cause(
            "the image cannot be pulled",
            "check --image, and that --role may pull it; without --role one is made.",
        ),
    ),
    (
        r"model data|s3://|nosuchkey|s3.*(access denied|403)",
        Cause("the weights in S3 cannot be read", "check --weights, and that the role may read them."),
    ),
    (
        r"ping health check|health check",
        Cause(
            "the container did not become healthy in time",
            "read what it says (voxctl logs), or --startup-timeout 3600.",
        ),
    ),
)
_UNKNOWN = Cause("not known", "read what its container says: voxctl logs.")


def likely_cause(reason: str, lines: Sequence[str]) -> Cause:
    """Return the likely cause of a failure with SageMaker's ``reason`` and the container's last ``lines``."""
    for text in (" ".join(lines), reason):
        for pattern, cause in _CAUSES:
            if text and re.search(pattern, text, re.IGNORECASE | re.DOTALL):
                return cause
    return _UNKNOWN
