"""What a build asks of AWS, asked of moto: a second opinion on the answers of our own stand-in for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.container.test_codebuild import MANIFEST
from voxctl.aws import codebuild
from voxctl.aws.client import Account, open_account
from voxctl.aws.codebuild_documents import Place, rights
from voxctl.aws.registry import has_repository, make_repository, registry_login, stored_image
from voxctl.errors import AwsError
from voxctl.image.manifest import DOCKER_V2, MEDIA_TYPES
from voxctl.image.names import ecr_of

pytestmark = pytest.mark.real
ACCOUNT = "123456789012"


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    yield open_account(None, "eu-west-1")
    server.stop()


def test_a_registry_is_logged_in_to_made_and_read(account: Account) -> None:
    login = registry_login(account)
    ecr = ecr_of(login.host)
    assert ecr and (ecr.account, ecr.region, login.user) == (ACCOUNT, "eu-west-1", "AWS")
    assert login.password and login.password not in repr(login)
    assert not has_repository(account, ACCOUNT, "voxctl")
    make_repository(account, ACCOUNT, "voxctl")
    make_repository(account, ACCOUNT, "voxctl")
    assert has_repository(account, ACCOUNT, "voxctl")
    client = account.client("ecr")
    (made,) = client.describe_repositories(repositoryNames=["voxctl"])["repositories"]
    assert made["imageScanningConfiguration"] == {"scanOnPush": True}
    with pytest.raises(AwsError):
        stored_image(account, ACCOUNT, "voxctl", "v1", MEDIA_TYPES)
    text = MANIFEST.decode().replace("}", f', "mediaType": "{DOCKER_V2}", "config": {{"size": 1}}, "layers": []}}')
    client.put_image(repositoryName="voxctl", imageTag="v1", imageManifest=text, imageManifestMediaType=DOCKER_V2)
    stored = stored_image(account, ACCOUNT, "voxctl", "v1", MEDIA_TYPES)
    assert stored.media_type == DOCKER_V2 and stored.manifest.decode() == text and stored.digest.startswith("sha256:")


def test_bucket_role_and_project_are_made_as_aws_takes_them(account: Account) -> None:
    place = Place("aws", ACCOUNT, "eu-west-1", "voxctl", ACCOUNT)
    assert codebuild.observe(account, place) == codebuild.Observed(False, False, False)
    codebuild.make_bucket(account, place)
    codebuild.make_bucket(account, place)
    codebuild.make_role(account, place)
    assert codebuild.make_project(account, place)
    assert codebuild.observe(account, place) == codebuild.Observed(True, True, True)
    held = account.client("iam").get_role_policy(RoleName=place.role, PolicyName="voxctl-build")["PolicyDocument"]
    assert held == rights(place)
    block = account.client("s3").get_public_access_block(Bucket=place.bucket)["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    codebuild.upload(account, place, "a.zip", b"PK")
    assert account.client("s3").get_object(Bucket=place.bucket, Key="a.zip")["Body"].read() == b"PK"
    build = codebuild.start(account, place, "a.zip", ["true"])
    assert codebuild.look_at(account, build).status in ("IN_PROGRESS", "SUCCEEDED")
