"""Where a stream goes, from what is typed."""

from __future__ import annotations

import pytest

from voxctl.errors import UsageError
from voxctl.transport.sagemaker_target import checked_endpoint_name, checked_endpoint_url

RUNTIME = "https://runtime.sagemaker.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    ("typed", "used"),
    [
        (RUNTIME, f"{RUNTIME}:8443"),
        (f"{RUNTIME}:8443/", f"{RUNTIME}:8443"),
        (f"{RUNTIME}:443", f"{RUNTIME}:443"),  # as typed: its error says which port it should be
        ("runtime.sagemaker.cn-north-1.amazonaws.com.cn", "https://runtime.sagemaker.cn-north-1.amazonaws.com.cn:8443"),
        ("runtime.sagemaker.us-iso-east-1.c2s.ic.gov", "https://runtime.sagemaker.us-iso-east-1.c2s.ic.gov:8443"),
        ("https://localhost:9000", "https://localhost:9000"),
        ("https://localhost", "https://localhost:443"),
        ("https://[::1]:9000", "https://[::1]:9000"),
    ],
)
def test_an_address_gets_the_port_it_needs(typed: str, used: str) -> None:
    assert checked_endpoint_url(typed) == used


@pytest.mark.parametrize(
    "typed", ["http://localhost:9000", "wss://host", "https://", "https://host:port", f"{RUNTIME}/endpoints/x", ""]
)
def test_what_is_no_address_of_a_runtime_is_refused(typed: str) -> None:
    with pytest.raises(UsageError) as caught:
        checked_endpoint_url(typed)
    assert "8443" in (caught.value.hint or "")


def test_a_password_in_an_address_is_not_repeated() -> None:
    with pytest.raises(UsageError) as caught:
        checked_endpoint_url("https://me:secret@host:8443")
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("name", ["", "-x", "a b", "arn:aws:sagemaker:us-east-1:1:endpoint/x", "x" * 64, "ä"])
def test_what_is_no_name_of_an_endpoint_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        checked_endpoint_name(name)
    assert checked_endpoint_name("An-Endpoint-1") == "An-Endpoint-1"
