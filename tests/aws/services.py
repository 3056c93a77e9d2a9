"""Parts of AWS on a loopback port, for the real botocore: SageMaker's control plane, logs, STS, SSO, metadata.

What moto has is not used here: its endpoints are in service at once and never fail, and it takes seconds to load.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

Json = dict[str, Any]
#: Keys that a service hands out last for an hour.
LONG = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))


@dataclass
class Endpoint:
    """One endpoint of the account."""

    status: str = "InService"
    managed: bool = False
    reason: str = ""


@dataclass
class Services:
    """What there is, and what happened. ``denied`` are actions that the caller may not do; ``slow_s`` holds answers.

    ``date`` is what they say of the time, if it is not the true one.
    """

    url: str = ""
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    denied: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    slow_s: float = 0.0
    page: int = 100
    date: str = ""

    def answer(self, action: str, given: Json) -> tuple[int, Json]:
        """Return status and document for a call of a JSON service."""
        self.asked.append(action)
        time.sleep(self.slow_s)
        if action in self.denied:
            return 400, {"__type": "AccessDeniedException", "message": f"not authorized to perform: {action}"}
        return getattr(self, action)(given)  # type: ignore[no-any-return]

    def get(self, path: str) -> str:
        """Return the document at a path: keys, as containers, machines and signed-in people get them."""
        self.asked.append(path)
        if path == "/container":
            return json.dumps(_keys_of("CONTAINER"))
        if path.startswith("/federation/credentials"):
            keys = {"accessKeyId": "SSO", "secretAccessKey": "s", "sessionToken": "t"}
            return json.dumps({"roleCredentials": keys | {"expiration": (time.time() + 3600) * 1000}})
        return "role" if path.endswith("/security-credentials/") else json.dumps(_keys_of("MACHINE"))

    def query(self, fields: dict[str, list[str]]) -> tuple[int, str]:
        """Return status and document for a call of an older service."""
        self.asked.append("sts")
        return 200, _WEB if fields["Action"] == ["AssumeRoleWithWebIdentity"] else _ASSUMED

    def DescribeEndpoint(self, given: Json) -> tuple[int, Json]:  # noqa: N802
        found = self.endpoints.get(given["EndpointName"])
        if found is None:
            return 400, {"__type": "ValidationException", "message": f"Could not find endpoint {given!r}."}
        return 200, _described(given["EndpointName"], found) | {"FailureReason": found.reason}

    def ListEndpoints(self, given: Json) -> tuple[int, Json]:  # noqa: N802
        first = int(given.get("NextToken", 0))
        names = list(self.endpoints)[first : first + self.page]
        more = {"NextToken": str(first + self.page)} if first + self.page < len(self.endpoints) else {}
        return 200, {"Endpoints": [_described(name, self.endpoints[name]) for name in names]} | more

    def ListTags(self, given: Json) -> tuple[int, Json]:  # noqa: N802
        managed = self.endpoints[given["ResourceArn"].rpartition("/")[2]].managed
        return 200, {"Tags": [{"Key": "voxctl:managed", "Value": "true"}] if managed else []}

    def DescribeLogStreams(self, given: Json) -> tuple[int, Json]:  # noqa: N802
        return 200, {"logStreams": [{"logStreamName": "AllTraffic/i-1"}] if self.lines else []}

    def GetLogEvents(self, given: Json) -> tuple[int, Json]:  # noqa: N802
        now_ms = round(time.time() * 1000)
        return 200, {"events": [{"timestamp": now_ms, "message": line} for line in self.lines]}


def _described(name: str, endpoint: Endpoint) -> Json:
    return {
        "EndpointName": name,
        "EndpointArn": f"arn:aws:sagemaker:us-east-1:1:endpoint/{name}",
        "EndpointConfigName": name,
        "EndpointStatus": endpoint.status,
        "CreationTime": 1.0,
        "LastModifiedTime": 1.0,
    }


def _keys_of(name: str) -> Json:
    return {"AccessKeyId": name, "SecretAccessKey": "s", "Token": "t", "Expiration": LONG, "Code": "Success"}


_ASSUMED = f"""<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>ROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>
<Expiration>{LONG}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""
_WEB = _ASSUMED.replace("AssumeRole", "AssumeRoleWithWebIdentity").replace("ROLE", "WEB")


@contextmanager
def services() -> Iterator[Services]:
    """Listen on a free port."""
    with listening(Services()) as made:
        yield made


@contextmanager
def listening[T: Services](made: T) -> Iterator[T]:
    """Have ``made`` answer on a free port."""

    class Front(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            return

        def date_time_string(self, timestamp: float | None = None) -> str:
            return made.date or super().date_time_string(timestamp)

        def say(self, status: int, body: str, kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # the client may not wait so long
                self.wfile.write(body.encode())

        def do_PUT(self) -> None:
            self.say(200, "a token", "text/plain")

        def do_GET(self) -> None:
            self.say(200, made.get(self.path))

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
