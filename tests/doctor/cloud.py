"""STS, IAM, ECR and SageMaker's control plane on a loopback port, as far as doctor asks them, for the real botocore."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

from tests.aws.services import Endpoint, Json, Services

ROLE = "arn:aws:sts::123456789012:assumed-role/worker/session"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/voxctl:v1"
LABEL = "com.amazonaws.sagemaker.capabilities.bidirectional-streaming"


@dataclass
class Cloud(Services):
    """One account. ``refused`` are actions that IAM's simulation says no to; ``date`` is what STS says of the time."""

    arn: str = ROLE
    refused: set[str] = field(default_factory=set)
    image: str = IMAGE
    labels: dict[str, str] | None = field(default_factory=lambda: {LABEL: "true"})
    manifest: Json = field(default_factory=lambda: {"config": {"digest": "sha256:00"}})
    date: str = ""
    principals: list[str] = field(default_factory=list)

    def DescribeEndpoint(self, given: Json) -> tuple[int, Json]:  # noqa: N802
        status, document = super().DescribeEndpoint(given)
        variant = {"VariantName": "AllTraffic", "DeployedImages": [{"SpecifiedImage": self.image}]}
        return status, document | ({"ProductionVariants": [variant]} if status == 200 and self.image else {})

    def BatchGetImage(self, given: Json) -> tuple[int, Json]:  # noqa: N802
        found = {"registryId": given["registryId"], "imageManifest": json.dumps(self.manifest)}
        known = given["repositoryName"] == "voxctl" and given["imageIds"] == [{"imageTag": "v1"}]
        return 200, {"images": [found] if known else []}

    def GetDownloadUrlForLayer(self, given: Json) -> tuple[int, Json]:  # noqa: N802
        return 200, {"downloadUrl": f"{self.url}/blob/{given['layerDigest']}?token=sesame"}

    def query(self, fields: dict[str, list[str]]) -> tuple[int, str]:
        """Return status and document for a call of an older service."""
        action = fields["Action"][0]
        self.asked.append(action)
        if action in self.denied:
            text = f"<Error><Code>AccessDenied</Code><Message>not authorized to perform: {action}</Message></Error>"
            return 403, f"<ErrorResponse>{text}</ErrorResponse>"
        match action:
            case "GetCallerIdentity":
                inner = f"<Arn>{self.arn}</Arn><UserId>u</UserId><Account>123456789012</Account>"
            case "GetRole":
                inner = f"<Role><Arn>arn:aws:iam::123456789012:role/sso/{fields['RoleName'][0]}</Arn></Role>"
            case _:
                self.principals += fields["PolicySourceArn"]
                names = [value[0] for key, value in sorted(fields.items()) if key.startswith("ActionNames")]
                inner = f"<EvaluationResults>{''.join(map(self._decision, names))}</EvaluationResults>"
        return 200, f"<{action}Response><{action}Result>{inner}</{action}Result></{action}Response>"

    def _decision(self, name: str) -> str:
        decision = "implicitDeny" if name in self.refused else "allowed"
        return f"<member><EvalActionName>{name}</EvalActionName><EvalDecision>{decision}</EvalDecision></member>"


@contextmanager
def cloud() -> Iterator[Cloud]:
    """Listen on a free port; an endpoint named ``mine`` is in service."""
    made = Cloud(endpoints={"mine": Endpoint(managed=True)})

    class Front(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            return

        def date_time_string(self, timestamp: float | None = None) -> str:
            return made.date or formatdate(timestamp, usegmt=True)

        def say(self, status: int, body: str, kind: str) -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def do_GET(self) -> None:
            if made.labels is None:
                self.say(200, "no JSON", "text/plain")
            else:
                self.say(200, json.dumps({"config": {"Labels": made.labels}}), "application/json")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            if target := self.headers.get("x-amz-target"):
                status, document = made.answer(target.rpartition(".")[2], json.loads(body))
                self.say(status, json.dumps(document), "application/x-amz-json-1.1")
            else:
                self.say(*made.query(parse_qs(body)), "text/xml")

    server = ThreadingHTTPServer(("127.0.0.1", 0), Front)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
