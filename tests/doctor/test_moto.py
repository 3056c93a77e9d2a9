"""Who the caller is, as moto's STS and IAM have it: a second opinion on the answers of our own stand-in for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from voxctl.aws import checks
from voxctl.aws.client import open_account
from voxctl.errors import AwsError

pytestmark = pytest.mark.real


@pytest.fixture
def moto(nobody: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for service in ("STS", "IAM"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    yield f"http://{host}:{port}"
    server.stop()


@pytest.mark.usefixtures("moto")
def test_the_caller_the_time_and_a_role_are_read() -> None:
    account = open_account(None, "us-east-1")
    assert checks.caller_arn(account).startswith("arn:aws:sts::123456789012:user/")
    date, now_s = checks.date_at_sts(account)
    assert date and now_s > 1.7e9
    iam = account.client("iam")
    iam.create_role(RoleName="worker", Path="/sso/", AssumeRolePolicyDocument="{}")
    found = checks._principal(iam, "arn:aws:sts::123456789012:assumed-role/worker/me")
    assert found == "arn:aws:iam::123456789012:role/sso/worker"
    # moto does not simulate policies: what AWS cannot answer is an error of ours, which doctor shows as a note.
    with pytest.raises(AwsError):
        checks.refused_actions(account, found, "arn:aws:sagemaker:us-east-1:123456789012:endpoint/mine")
