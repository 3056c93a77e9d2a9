"""Of what builds and pushes die, in words that the programs themselves were heard to say."""

from __future__ import annotations

import pytest

from tests.image.test_output import lines_of
from voxctl.errors import AwsError, BuildFailed
from voxctl.image.signs import error_from

HEARD = [
    # Heard from Docker 26.1, buildx 0.13 and podman 4.3.
    ("Cannot connect to the Docker daemon at unix:///tmp/none.sock. Is the docker daemon running?", "does not run", 4),
    ("ERROR: BuildKit is enabled but the buildx component is missing or broken.", "has no buildx", 4),
    ("unknown flag: --provenance", "has no buildx", 4),
    (
        "ERROR: failed to solve: public.ecr.aws/none:1: failed to resolve source metadata for public.ecr.aws/none:1: "
        "public.ecr.aws/none:1: not found",
        "there is no base image public.ecr.aws/none:1",
        4,
    ),
    ("manifest for a.io/vllm:none not found: manifest unknown: manifest unknown", "no base image a.io/vllm:none", 4),
    (
        "Error: creating build container: initializing source docker://a.io/vllm:none: reading manifest none in "
        "a.io/vllm: manifest unknown: manifest unknown",
        "there is no base image none in a.io/vllm",
        4,
    ),
    (
        'ERROR: failed to solve: x:1: failed to do request: Head "https://x/v2/x/manifests/1": dial tcp: lookup x on '
        "10.0.0.1:53: no such host",
        "cannot reach a registry",
        4,
    ),
    ("write /var/lib/docker/tmp/GetImageBlob1931507278: no space left on device", "disk", 4),
    (
        "push access denied, repository does not exist or may require authorization: authorization failed: no basic "
        "auth credentials",
        "does not take the login",
        5,
    ),
    ("Error: trying to reuse blob sha256:86 at destination: unauthorized: authentication required", "the login", 5),
    (
        'Error saving credentials: error storing credentials - err: exec: "docker-credential-desktop": executable file '
        "not found in $PATH, out: ``",
        "cannot keep the login",
        4,
    ),
    # As Amazon ECR documents them.
    ("denied: Your authorization token has expired. Reauthenticate and try again.", "does not take the login", 5),
    (
        "denied: User: arn:aws:iam::1:user/a is not authorized to perform: ecr:InitiateLayerUpload on resource: b",
        "you may not ecr:InitiateLayerUpload",
        5,
    ),
    (
        "tag invalid: The image tag 'v1' already exists in the 'voxctl' repository and cannot be overwritten because "
        "the repository is immutable.",
        "the tag is taken",
        4,
    ),
    ("name unknown: The repository with name 'voxctl' does not exist in the registry", "no such repository", 5),
    ("toomanyrequests: Data limit exceeded", "given enough", 4),
    ('Get "https://x/v2/": x509: certificate signed by unknown authority', "does not trust", 4),
]


@pytest.mark.parametrize(("line", "expected", "code"), HEARD, ids=[expected for _, expected, _ in HEARD])
def test_a_cause_is_said_in_one_line_with_what_to_do(line: str, expected: str, code: int) -> None:
    error = error_from(["something before", line, "something after"], "to build", 1, "/tmp/a.log")
    assert expected in error.message and error.message.endswith("(log: /tmp/a.log)")
    assert error.exit_code == code and error.hint
    assert isinstance(error, AwsError if code == 5 else BuildFailed)


def test_what_comes_first_in_the_table_is_the_cause_wherever_it_stands() -> None:
    error = error_from(lines_of("buildx-0.13-no-space.txt"), "to build", 1)
    assert error.message == "the disk on which images are kept is full"


def test_a_cause_that_is_not_known_is_quoted() -> None:
    error = error_from(["one", "the last words", ""], "to build voxctl:v1", 7, "/tmp/a.log")
    assert error.message == "to build voxctl:v1 failed with exit code 7: the last words (log: /tmp/a.log)"
    assert error.hint == "read /tmp/a.log"
