"""Whose keys are used: every place that botocore looks in."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.aws.services import LONG, Services
from voxctl.aws.client import open_account
from voxctl.aws.identity import Keys, credentials_of
from voxctl.errors import AwsError


async def keys(profile: str | None = None) -> Keys:
    return await credentials_of(open_account(profile, "us-east-1"))()


async def test_keys_of_the_environment_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    found = await keys()
    assert found == ("ENV", "secret", "token") and "secret" not in repr(found)


async def test_a_profile_is_chosen_by_argument_or_by_AWS_PROFILE(nobody: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: N802
    text = "[{0}]\naws_access_key_id = {0}\naws_secret_access_key = s\n"
    (nobody / "credentials").write_text("".join(text.format(name) for name in ("default", "one", "two")))
    assert (await keys())[0] == "default"
    assert (await keys("one"))[0] == "one"
    monkeypatch.setenv("AWS_PROFILE", "two")
    assert (await keys())[0] == "two"


async def test_keys_that_somebody_renews_in_the_file_are_seen_by_the_next_stream(nobody: Path) -> None:
    text = "[default]\naws_access_key_id = {}\naws_secret_access_key = s\n"
    (nobody / "credentials").write_text(text.format("OLD"))
    source = credentials_of(open_account(None, "us-east-1"))
    assert (await source())[0] == "OLD"
    (nobody / "credentials").write_text(text.format("NEW"))
    assert (await source())[0] == "NEW"


async def test_a_program_gives_keys_and_is_asked_again_when_they_are_about_to_expire(nobody: Path) -> None:
    count = nobody / "count"
    script = nobody / "keys.py"
    script.write_text(
        "import json, pathlib, sys, time\n"
        f"count = pathlib.Path({str(count)!r})\n"
        "n = len(count.read_text()) + 1 if count.exists() else 1\n"
        "count.write_text('x' * n)\n"
        "ends = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() + int(sys.argv[1])))\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': f'KEY{n}', 'SecretAccessKey': 's', 'SessionToken': 't',"
        " 'Expiration': ends}))\n"
    )
    for seconds, renewed in ((60, True), (7200, False)):
        (nobody / "config").write_text(f"[default]\ncredential_process = {sys.executable} {script} {seconds}\n")
        source = credentials_of(open_account(None, "us-east-1"))
        assert ((await source())[0] != (await source())[0]) == renewed


async def test_a_role_is_assumed(cloud: Services, nobody: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (nobody / "config").write_text(
        "[profile base]\naws_access_key_id = B\naws_secret_access_key = s\n"
        "[profile role]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = base\nregion = us-east-1\n"
    )
    assert (await keys("role"))[0] == "ROLE"
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    (nobody / "token").write_text("a web identity")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(nobody / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/x")
    assert (await keys())[0] == "WEB" and cloud.asked == ["sts", "sts"]


async def test_a_sign_in_is_used_until_it_expires(cloud: Services, nobody: Path) -> None:
    start = "https://example.awsapps.com/start"
    (nobody / "config").write_text(
        f"[profile sso]\nsso_start_url = {start}\nsso_region = us-east-1\nsso_account_id = 123456789012\n"
        "sso_role_name = x\n"
    )
    cache = nobody / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True)
    token = cache / f"{hashlib.sha1(start.encode()).hexdigest()}.json"
    token.write_text(json.dumps({"startUrl": start, "region": "us-east-1", "accessToken": "t", "expiresAt": LONG}))
    # In a process of its own: botocore looks for the home of its cache when it is imported.
    code = (
        "import asyncio, pathlib, sys\n"
        "from voxctl.aws.client import open_account\n"
        "from voxctl.aws.identity import credentials_of\n"
        "from voxctl.errors import AwsError\n"
        "def keys(): return asyncio.run(credentials_of(open_account('sso', 'us-east-1'))())\n"
        "print(keys()[0])\n"
        "token = pathlib.Path(sys.argv[1])\n"
        "token.write_text(token.read_text().replace(sys.argv[2], '2020-01-01T00:00:00Z'))\n"
        "try: keys()\n"
        "except AwsError as exc: print(exc.hint)"
    )
    command = [sys.executable, "-c", code, str(token), LONG]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("SSO\n") and "aws sso login" in done.stdout and not done.stderr


async def test_containers_and_machines_have_keys_of_their_own(cloud: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{cloud.url}/container")
    assert (await keys())[0] == "CONTAINER"
    monkeypatch.delenv("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", cloud.url)
    assert (await keys())[0] == "MACHINE"


async def test_no_keys_at_all_is_an_error_that_says_how_to_get_some() -> None:
    with pytest.raises(AwsError) as caught:
        await keys()
    assert caught.value.exit_code == 5 and "aws configure" in (caught.value.hint or "")


async def test_a_program_that_hangs_does_not_hold_a_stream_up(nobody: Path) -> None:
    (nobody / "config").write_text("[default]\ncredential_process = sleep 1\n")
    started = time.monotonic()
    with pytest.raises(AwsError, match=r"within 0\.2 s"):
        await credentials_of(open_account(None, "us-east-1"), limit_s=0.2)()
    assert time.monotonic() - started < 0.9


@pytest.mark.parametrize("program", ["echo no keys", "/no/such/program"])
async def test_a_program_that_gives_no_keys_is_an_error_like_any_other(nobody: Path, program: str) -> None:
    (nobody / "config").write_text(f"[default]\ncredential_process = {program}\n")
    with pytest.raises(AwsError, match="no AWS credentials to use") as caught:
        await keys()
    assert caught.value.hint


async def test_a_profile_that_is_not_there_is_named() -> None:
    with pytest.raises(AwsError, match="nobody") as caught:
        await keys("nobody")
    assert "list-profiles" in (caught.value.hint or "")
