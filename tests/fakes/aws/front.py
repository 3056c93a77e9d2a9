"""One address for all of AWS: `AWS_ENDPOINT_URL` alone. What is asked is dispatched by the service it is signed for."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs

from tests.fakes.aws.market import prices_answer, quotas_answer
from tests.fakes.aws.plane import ACCOUNT, Json, Plane, Refused, Thing

LABEL = "com.amazonaws.sagemaker.capabilities.bidirectional-streaming"
DOCKER_V2 = "application/vnd.docker.distribution.manifest.v2+json"
OCI = "application/vnd.oci.image.manifest.v1+json"
_SCOPE = re.compile(r"Credential=[^/]+/\d+/(?P<region>[^/]+)/(?P<service>[^/]+)/")
_VERBS = {"GET": "Get", "POST": "Create", "PUT": "Update", "DELETE": "Delete"}
_READS = ("Describe", "List", "Get", "BatchGet", "Filter", "Simulate")


def backends(service: str) -> Any:
    """Return what moto has of a service. It is loaded when it is used: that takes longer than most tests."""
    from moto.backends import get_backend

    return get_backend(service)  # type: ignore[call-overload]


@dataclass(frozen=True, slots=True)
class Call:
    """One call as it came over the wire."""

    service: str
    operation: str
    region: str

    @property
    def mutates(self) -> bool:
        return not self.operation.startswith(_READS)


@dataclass
class Aws:
    """One account. ``faults``: operation → errors that its next calls are answered with (code, message, status).

    ``denied``: operations that the caller may not do. ``spoken``: what a container writes when it starts.
    """

    url: str = ""
    plane: Plane = field(init=False)
    calls: list[Call] = field(default_factory=list)
    faults: dict[str, list[tuple[str, str, int]]] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    quotas: dict[str, float] | None = field(default_factory=lambda: {"ml.g6.4xlarge": 2.0, "ml.g6.xlarge": 2.0})
    prices: dict[str, float] = field(default_factory=lambda: {"ml.g6.4xlarge": 1.6538, "ml.g6.xlarge": 1.1267})
    blobs: dict[str, bytes] = field(default_factory=dict)
    spoken: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.plane = Plane(self._role_exists, self._speak)

    def reset(self) -> None:
        """Begin again with an empty account at the same address."""
        from moto.moto_api._internal.models import moto_api_backend

        moto_api_backend.reset()
        self.__init__(self.url)  # type: ignore[misc]

    # What a test looks at, and does

    @property
    def changes(self) -> list[Call]:
        return [call for call in self.calls if call.mutates]

    def holds(self, *, logs: bool = True) -> list[str]:
        """Return the name of everything there is, the repositories and their images left out."""
        iam, scheduler = backends("iam")[ACCOUNT]["aws"], backends("scheduler")[ACCOUNT]
        held = [f"{kind} {name} in {region}" for kind, region, name in self.plane.things]
        held += [f"tags of {arn}" for arn in self.plane.tags]
        held += [f"role {role.name}" for role in iam.roles.values()]
        for region in list(scheduler):
            groups = scheduler[region].schedule_groups.values()
            held += [f"schedule {name} in {region}" for group in groups for name in group.schedules]
        for region in list(backends("logs")[ACCOUNT]) if logs else []:
            held += [f"log group {name}" for name in backends("logs")[ACCOUNT][region].groups]
        return held

    def speak(self, region: str, name: str, *lines: str) -> None:
        """Write lines into the log of an endpoint's container."""
        logs, group = backends("logs")[ACCOUNT][region], f"/aws/sagemaker/Endpoints/{name}"
        if group not in logs.groups:
            logs.create_log_group(group, {})
        if "AllTraffic/i-1" not in logs.groups[group].streams:
            logs.create_log_stream(group, "AllTraffic/i-1")
        now_ms = round(time.time() * 1000)
        logs.put_log_events(group, "AllTraffic/i-1", [{"timestamp": now_ms, "message": line} for line in lines])

    def push(
        self,
        region: str = "us-east-1",
        tag: str = "1.0",
        *,
        labels: dict[str, str] | None = None,
        architecture: str = "amd64",
        media_type: str = DOCKER_V2,
    ) -> str:
        """Put an image into the repository `voxctl`, and return its name."""
        ecr = backends("ecr")[ACCOUNT][region]
        if "voxctl" not in ecr.repositories:
            ecr.create_repository("voxctl", None, {}, None, "MUTABLE", [])
        document = {"architecture": architecture, "os": "linux", "config": {"Labels": labels or {}}, "tag": tag}
        blob = json.dumps(document).encode()
        digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
        self.blobs[digest] = blob
        manifest = {"schemaVersion": 2, "mediaType": media_type, "config": {"digest": digest, "size": len(blob)}}
        text = json.dumps(manifest | {"layers": []})
        pushed = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
        image = ecr.put_image("voxctl", text, tag, image_manifest_mediatype=media_type, digest=pushed)
        image.image_pushed_at += len(self.blobs)  # in whole seconds: those of one test are of the same one
        return f"{ACCOUNT}.dkr.ecr.{region}.amazonaws.com/voxctl:{tag}"

    def fire(self, region: str = "us-east-1") -> list[str]:
        """Do what every schedule says, as EventBridge would, by the rights of its role; return what was called."""
        done = []
        for group in list(backends("scheduler")[ACCOUNT][region].schedule_groups.values()):
            for schedule in list(group.schedules.values()):
                target = schedule.target
                kind, _, call = target["Arn"].removeprefix("arn:aws:scheduler:::aws-sdk:").partition(":")
                assert kind == "sagemaker", target
                operation, given = call[0].upper() + call[1:], json.loads(target["Input"])
                arn = f"arn:aws:sagemaker:{region}:{ACCOUNT}:endpoint/{given['EndpointName'].lower()}"
                self._allowed(target["RoleArn"], f"{kind}:{operation}", arn)
                self.plane.answer(region, operation, given)
                done.append(operation)
                if schedule.action_after_completion == "DELETE":
                    del group.schedules[schedule.name]
        return done

    @staticmethod
    def _allowed(role_arn: str, action: str, resource: str) -> None:
        role = next(r for r in backends("iam")[ACCOUNT]["aws"].roles.values() if r.arn == role_arn)
        trust = json.loads(role.assume_role_policy_document)["Statement"]
        assert trust[0]["Principal"] == {"Service": "scheduler.amazonaws.com"}, trust
        statements = [s for text in role.policies.values() for s in json.loads(text)["Statement"]]
        assert any(s["Action"] == action and s["Resource"] == resource for s in statements), statements

    @staticmethod
    def _role_exists(arn: str) -> bool:
        return any(role.arn == arn for role in backends("iam")[ACCOUNT]["aws"].roles.values())

    def _speak(self, endpoint: Thing) -> None:
        if self.spoken:
            self.speak(endpoint.region, endpoint.name, *self.spoken)

    # The wire

    def answer(self, environ: Json, body: bytes, call: Call) -> tuple[int, str, bytes] | None:
        """Return status, content type and body; ``None`` is for moto to answer."""
        self.calls.append(call)
        if call.operation in self.denied:
            return _error(
                call, "AccessDeniedException", f"User: me is not authorized to perform: {call.operation}", 400
            )
        if waiting := self.faults.get(call.operation):
            return _error(call, *waiting.pop(0))
        try:
            match call.service:
                case "sagemaker":
                    return _json(self.plane.answer(call.region, call.operation, json.loads(body)))
                case "servicequotas":
                    return _json(quotas_answer(self.quotas, call.operation, json.loads(body)))
                case "pricing":
                    return _json(prices_answer(self.prices, json.loads(body)))
                case "ecr" if call.operation == "GetDownloadUrlForLayer":
                    return _json({"downloadUrl": f"{self.url}/blob/{json.loads(body)['layerDigest']}?token=sesame"})
        except Refused as exc:
            return _error(call, exc.code, exc.message, exc.status)
        return None


def _json(document: Json) -> tuple[int, str, bytes]:
    return 200, "application/x-amz-json-1.1", json.dumps(document).encode()


def _error(call: Call, code: str, message: str, status: int) -> tuple[int, str, bytes]:
    if call.service in ("iam", "sts"):
        text = f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
        return status, "text/xml", text.encode()
    return status, "application/x-amz-json-1.1", json.dumps({"__type": code, "message": message}).encode()


def _operation(environ: Json, body: bytes) -> str:
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return str(target).rpartition(".")[2]
    if named := re.search(r"/operation/(\w+)$", environ["PATH_INFO"]):
        return named[1]
    if environ["PATH_INFO"].startswith("/schedules/"):
        return f"{_VERBS[environ['REQUEST_METHOD']]}Schedule"
    if environ["PATH_INFO"].startswith("/tags/"):
        return "ListTagsForResource"
    return parse_qs(body.decode()).get("Action", ["unknown"])[0]


@contextmanager
def open_aws() -> Iterator[Aws]:
    """Listen on a free port, with nothing in the account."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    aws, lock = Aws(), threading.RLock()
    aws.reset()
    moto = DomainDispatcherApplication(create_backend_app)

    def application(environ: Json, start_response: Any) -> Any:
        if environ["PATH_INFO"].startswith("/blob/"):
            start_response("200 OK", [("content-type", "application/json")])
            return [aws.blobs[environ["PATH_INFO"].removeprefix("/blob/")]]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
        assert scope, environ
        with lock:
            said = aws.answer(environ, body, Call(scope["service"], _operation(environ, body), scope["region"]))
            if said is None:
                environ["wsgi.input"] = BytesIO(body)
                return moto(environ, start_response)
        status, kind, text = said
        headers = [("content-type", kind), ("content-length", str(len(text)))]
        if status != 200 and "json" in kind:
            headers.append(("x-amzn-errortype", json.loads(text)["__type"]))
        start_response(f"{status} answered", headers)
        return [text]

    class Quiet(WSGIRequestHandler):
        def log(self, *_: object, **__: object) -> None:
            return

    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    aws.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield aws
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
