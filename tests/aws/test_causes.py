"""Why endpoints fail, from what AWS and containers really say."""

from __future__ import annotations

import pytest

from voxctl.aws.causes import likely_cause

PING = (
    "The primary container for production variant AllTraffic did not pass the ping health check. "
    "Please check CloudWatch logs for this endpoint."
)


@pytest.mark.parametrize(
    ("reason", "lines", "cause"),
    [
        (PING, ["torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"], "too little memory"),
        (PING, ["ValueError: No available memory for the cache blocks."], "too little memory"),
        (PING, ["OSError: You are trying to access a gated repo.", "401 Client Error"], "not for everybody"),
        (PING, ["requests.exceptions.ConnectionError: Max retries exceeded with url: /api"], "not be downloaded"),
        (PING, ["RuntimeError: The NVIDIA driver on your system is too old (found version 12040)"], "do not fit"),
        (PING, ["OSError: [Errno 28] No space left on device"], "disk is full"),
        (PING, ["Loading weights"], "healthy in time"),
        (
            "Unable to provision requested ML compute capacity (InsufficientInstanceCapacity).",
            [],
            "free just now",
        ),
        ("Failed to pull the image 1.dkr.ecr.us-east-1.amazonaws.com/voxctl:1", [], "cannot be pulled"),
        ("Unsupported manifest media type application/vnd.oci.image.index.v1+json", [], "manifest"),
        ("Failed to download model data from s3://bucket/voxtral/", [], "weights in S3"),
        ("Something new", [], "not known"),
        ("", [], "not known"),
    ],
)
def test_a_failure_is_told_with_its_likely_cause_and_a_cure(reason: str, lines: list[str], cause: str) -> None:
    found = likely_cause(reason, lines)
    assert cause in found.cause and found.cure
