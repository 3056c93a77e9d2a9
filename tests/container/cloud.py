"""ECR, CodeBuild, IAM, S3 and logs on a loopback port, as far as a build needs them, for the real botocore.

moto has most of it, and takes seconds to load: `test_moto.py` asks it for a second opinion. What it lacks is here:
builds that go on, end, or fail; a log that grows; a role that is not known at once; a registry with real images.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from tests.container.stack import ACCOUNT, PASSWORD, REGION, USER

type Json = dict[str, Any]
type Image = tuple[str, bytes]
HOST = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
DOCKER_V2 = "application/vnd.docker.distribution.manifest.v2+json"


@dataclass
class Repository:
    """What a repository holds under its tags."""

    scans: bool = False
    tags: Json = field(default_factory=dict)
    images: dict[str, Image] = field(default_factory=dict)


@dataclass
class Bucket:
    """What lies in a bucket."""

    closed: bool = False
    objects: dict[str, bytes] = field(default_factory=dict)


@dataclass
class Build:
    """One build as it goes on. ``lines`` is its log."""

    identity: str
    source: bytes
    commands: list[str]
    status: str = "IN_PROGRESS"
    phase: str = "QUEUED"
    lines: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    asked: int = 0


class Fault(Exception):
    """An answer that is an error: its name and its words."""


@dataclass
class Cloud:
    """One account. ``denied`` are actions that the caller may not do; ``asked`` is what was called.

    ``machine`` carries a build out. ``fetch`` looks into a real registry: repository and tag → image. ``spreading``:
    how often CodeBuild does not know a new role yet.
    """

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    buckets: dict[str, Bucket] = field(default_factory=dict)
    roles: dict[str, Json] = field(default_factory=dict)
    policies: dict[str, str] = field(default_factory=dict)
    projects: dict[str, Json] = field(default_factory=dict)
    builds: dict[str, Build] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    spreading: int = 0
    proxy: str = f"https://{HOST}"
    password: str = PASSWORD
    machine: Callable[[Build], None] = lambda build: None
    fetch: Callable[[str, str], Image | None] | None = None

    def answer(self, action: str, given: Json) -> tuple[int, Json]:
        """Return status and document for a call of a JSON service."""
        self.asked.append(action)
        if action in self.denied:
            return 400, {"__type": "AccessDeniedException", "message": f"not authorized to perform: {action}"}
        try:
            return 200, getattr(self, action)(given)
        except Fault as exc:
            return 400, {"__type": exc.args[0], "message": exc.args[1]}

    def GetAuthorizationToken(self, given: Json) -> Json:  # noqa: N802
        token = base64.b64encode(f"{USER}:{self.password}".encode()).decode()
        return {"authorizationData": [{"authorizationToken": token, "proxyEndpoint": self.proxy, "expiresAt": 2e9}]}

    def DescribeRepositories(self, given: Json) -> Json:  # noqa: N802
        assert given["registryId"] == ACCOUNT
        for name in given["repositoryNames"]:
            self._repository(name)
        return {"repositories": [{"repositoryName": name} for name in given["repositoryNames"]]}

    def CreateRepository(self, given: Json) -> Json:  # noqa: N802
        name = given["repositoryName"]
        if name in self.repositories:
            raise Fault("RepositoryAlreadyExistsException", f"The repository with name '{name}' already exists")
        tags = {tag["Key"]: tag["Value"] for tag in given.get("tags", [])}
        self.repositories[name] = Repository(given["imageScanningConfiguration"]["scanOnPush"], tags)
        return {"repository": {"repositoryName": name}}

    def BatchGetImage(self, given: Json) -> Json:  # noqa: N802
        name, tag = given["repositoryName"], given["imageIds"][0]["imageTag"]
        held = self._repository(name).images
        image = self.fetch(name, tag) if self.fetch else held.get(tag)
        if image is None or image[0] not in given["acceptedMediaTypes"]:
            return {"images": [], "failures": [{"failureCode": "ImageNotFound", "failureReason": "it is not there"}]}
        digest = f"sha256:{hashlib.sha256(image[1]).hexdigest()}"
        found = {"imageId": {"imageTag": tag, "imageDigest": digest}, "imageManifest": image[1].decode()}
        return {"images": [found | {"imageManifestMediaType": image[0]}], "failures": []}

    def BatchGetProjects(self, given: Json) -> Json:  # noqa: N802
        return {"projects": [self.projects[name] for name in given["names"] if name in self.projects]}

    def CreateProject(self, given: Json) -> Json:  # noqa: N802
        if self.spreading:
            self.spreading -= 1
            text = f"CodeBuild is not authorized to perform: sts:AssumeRole on {given['serviceRole']}"
            raise Fault("InvalidInputException", text)
        if given["name"] in self.projects:
            raise Fault("ResourceAlreadyExistsException", "Project already exists")
        if given["serviceRole"].rpartition("/")[2] not in self.roles:
            raise Fault("InvalidInputException", "there is no such role")
        self.projects[given["name"]] = given
        return {"project": given}

    def StartBuild(self, given: Json) -> Json:  # noqa: N802
        if given["projectName"] not in self.projects:
            raise Fault("ResourceNotFoundException", "there is no such project")
        assert given["sourceTypeOverride"] == "S3" and given["privilegedModeOverride"]
        bucket, _, key = given["sourceLocationOverride"].partition("/")
        commands = json.loads(given["buildspecOverride"])["phases"]["build"]["commands"]
        identity = f"{given['projectName']}:{len(self.builds):08}"
        self.builds[identity] = build = Build(identity, self.buckets[bucket].objects[key], commands)
        threading.Thread(target=self.machine, args=(build,), daemon=True).start()
        return {"build": {"id": identity, "buildStatus": build.status}}

    def BatchGetBuilds(self, given: Json) -> Json:  # noqa: N802
        build = self.builds.get(given["ids"][0])
        if build is None:
            return {"builds": [], "buildsNotFound": given["ids"]}
        build.asked += 1
        logs = {"groupName": "/aws/codebuild/voxctl-build", "streamName": build.identity.partition(":")[2]}
        phases = [{"phaseType": build.phase, "contexts": [{"message": reason} for reason in build.reasons]}]
        shown = {"id": build.identity, "buildStatus": build.status, "currentPhase": build.phase, "phases": phases}
        return {"builds": [shown | {"logs": logs | {"deepLink": "https://console.aws/build"}}]}

    def StopBuild(self, given: Json) -> Json:  # noqa: N802
        self.builds[given["id"]].status = "STOPPED"
        return {"build": {"id": given["id"]}}

    def GetLogEvents(self, given: Json) -> Json:  # noqa: N802
        build = next(b for b in self.builds.values() if b.identity.endswith(given["logStreamName"]))
        first = int(str(given.get("nextToken", "f/0")).partition("/")[2])
        lines = build.lines[first : first + 40]
        events = [{"timestamp": 1, "ingestionTime": 1, "message": f"{line}\n"} for line in lines]
        return {"events": events, "nextForwardToken": f"f/{first + len(lines)}", "nextBackwardToken": "b/0"}

    def _repository(self, name: str) -> Repository:
        if name not in self.repositories:
            raise Fault("RepositoryNotFoundException", f"The repository with name '{name}' does not exist")
        return self.repositories[name]

    def iam(self, fields: dict[str, list[str]]) -> tuple[int, str]:
        """Return status and document for a call of IAM."""
        action, role = fields["Action"][0], fields["RoleName"][0]
        self.asked.append(action)
        if action in self.denied:
            return 403, _error("AccessDenied", f"not authorized to perform: iam:{action}")
        inner = ""
        match action:
            case "CreateRole" if role in self.roles:
                return 409, _error("EntityAlreadyExists", "there is one")
            case "CreateRole":
                self.roles[role] = json.loads(fields["AssumeRolePolicyDocument"][0])
                inner = f"<Role><Path>/</Path><RoleName>{role}</RoleName><RoleId>AROA</RoleId>"
                inner += (
                    f"<Arn>arn:aws:iam::{ACCOUNT}:role/{role}</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate></Role>"
                )
            case "PutRolePolicy":
                self.policies[role] = fields["PolicyDocument"][0]
            case _ if role not in self.policies:
                return 404, _error("NoSuchEntity", "there is none")
            case _:
                document = quote(self.policies[role])
                inner = (
                    f"<RoleName>{role}</RoleName><PolicyName>p</PolicyName><PolicyDocument>{document}</PolicyDocument>"
                )
        return 200, f"<{action}Response><{action}Result>{inner}</{action}Result></{action}Response>"

    def s3(self, method: str, path: str, query: str, body: bytes, owner: str) -> tuple[int, str]:
        """Return status and document for a call of S3. ``owner`` is who the caller says has the bucket."""
        bucket, _, key = unquote(path.lstrip("/")).partition("/")
        self.asked.append(f"{method} {'object' if key else query or 'bucket'}")
        if f"s3:{method}" in self.denied:
            return 403, _error("AccessDenied", "Access Denied")
        if bucket not in self.buckets and not (method == "PUT" and not key and not query):
            return 404, "" if method == "HEAD" else _error("NoSuchBucket", "there is none")
        match method, query:
            case "PUT", "publicAccessBlock":
                self.buckets[bucket].closed = body.count(b"true") == 4
            case "PUT", _ if key:
                assert owner == ACCOUNT, "somebody else could have a bucket of that name"
                self.buckets[bucket].objects[key] = body
            case "PUT", _:
                self.buckets.setdefault(bucket, Bucket())
        return 200, ""


def _error(code: str, text: str) -> str:
    return f"<ErrorResponse><Error><Code>{code}</Code><Message>{text}</Message></Error></ErrorResponse>"


@contextmanager
def cloud(call: Callable[[Callable[[], Any]], Any] = lambda work: work()) -> Iterator[Cloud]:
    """Listen on a free port. ``call`` makes the socket, perhaps in another namespace."""
    made = Cloud()

    class Front(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            return

        def say(self, status: int, body: str, kind: str = "text/xml") -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body.encode())))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body.encode())

        def do_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            url = urlsplit(self.path)
            if target := self.headers.get("x-amz-target"):
                status, document = made.answer(target.rpartition(".")[2], json.loads(body))
                self.say(status, json.dumps(document), "application/x-amz-json-1.1")
            elif self.command == "POST" and url.path == "/":
                self.say(*made.iam(parse_qs(body.decode())))
            else:
                self.say(
                    *made.s3(
                        self.command, url.path, url.query, body, self.headers.get("x-amz-expected-bucket-owner", "")
                    )
                )

        do_HEAD = do_GET = do_PUT = do_POST = do_any  # noqa: N815

    box: list[ThreadingHTTPServer] = []
    ready = threading.Event()

    def serve() -> None:
        def run() -> None:
            box.append(ThreadingHTTPServer(("127.0.0.1", 0), Front))
            ready.set()
            box[0].serve_forever(poll_interval=0.02)

        call(run)

    thread = threading.Thread(target=serve)
    thread.start()
    assert ready.wait(10)
    made.url = f"http://127.0.0.1:{box[0].server_address[1]}"
    try:
        yield made
    finally:
        box[0].shutdown()
        box[0].server_close()
        thread.join()
