"""The host that SageMaker's streams go to: reached, secured, speaking HTTP/2, and agreeing on what time it is."""

from __future__ import annotations

import http.client
import socket
import sys
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

from voxctl.doctor.check import Finding, Status
from voxctl.errors import ConnectFailed
from voxctl.transport.sagemaker_target import RUNTIME_PORT, is_aws, proxy_for
from voxctl.transport.tls import HTTP2, probe, tls_context

_HTTPS_PORT = 443
_LIMIT_S = 2.0
#: AWS refuses signatures that are further off; and what is worth a note before that.
_MOST_SKEW_S, _NOTED_SKEW_S = 300.0, 30.0
_SET_CLOCK = {"darwin": "sudo sntp -sS time.apple.com"}
PORT_OPENED = f"firewalls let you through to port {RUNTIME_PORT}; behind a proxy, set HTTPS_PROXY."
_SILENT_443 = f"port {_HTTPS_PORT} takes the call for a stream and never answers it; only {RUNTIME_PORT} does"


@dataclass(frozen=True, slots=True)
class Runtime:
    """Where a SageMaker runtime is: ``https://host:port``, and the PEM file to trust instead of the system's."""

    url: str
    ca_bundle: Path | None = None

    @property
    def host(self) -> str:
        """The host of ``url``."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The port of ``url``."""
        return urlsplit(self.url).port or _HTTPS_PORT


def reached(runtime: Runtime) -> Finding:
    """Connect, shake hands, hang up. Blocking. Raises ``ConnectFailed`` and ``UsageError``."""
    where = f"{runtime.host}:{runtime.port}"
    if is_aws(runtime.host) and runtime.port != RUNTIME_PORT:
        return Finding(
            Status.FAILED, f"{where}: {_SILENT_443}", f"--endpoint-url https://{runtime.host}:{RUNTIME_PORT}"
        )
    if proxy_for(runtime.host):
        return Finding(
            Status.NOTE, f"{where}: not tried, as HTTPS_PROXY is on the way", "`voxctl transcribe` tries it."
        )
    try:
        secured = probe(runtime.host, runtime.port, runtime.ca_bundle, limit_s=_LIMIT_S)
    except ConnectFailed as exc:
        if runtime.port == RUNTIME_PORT and listens(runtime.host, _HTTPS_PORT):
            raise ConnectFailed(
                f"{exc.message}, while port {_HTTPS_PORT} can be reached: {_SILENT_443}",
                hint=f"have {PORT_OPENED}",
            ) from exc
        raise
    if secured.protocol != HTTP2:
        return Finding(
            Status.FAILED,
            f"{where}: {secured.version}, but no HTTP/2",
            "does a proxy on the way take TLS apart? It must pass HTTP/2.",
        )
    return Finding(Status.OK, f"{where}: {secured.version}, HTTP/2")


def listens(host: str, port: int) -> bool:
    """Return whether somebody takes connections there. Blocking."""
    try:
        socket.create_connection((host, port), _LIMIT_S).close()
    except OSError:
        return False
    return True


def time_at(runtime: Runtime) -> float | None:
    """Return how far our clock is behind that of the runtime, in seconds; ``None`` if it does not tell. Blocking."""
    # AWS answers HTTP/1.1 there, if not with a stream. Others are asked where they are.
    port = _HTTPS_PORT if is_aws(runtime.host) else runtime.port
    connection = http.client.HTTPSConnection(
        runtime.host, port, timeout=_LIMIT_S, context=tls_context(runtime.ca_bundle)
    )
    try:
        connection.request("HEAD", "/")
        return behind(connection.getresponse().getheader("Date"), time.time())
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def behind(date: str | None, now_s: float) -> float | None:
    """Return how far ``now_s`` is behind an HTTP date, which has whole seconds; ``None`` if it is none."""
    try:
        return parsedate_to_datetime(date or "").timestamp() + 0.5 - now_s
    except ValueError:
        return None


def clock_finding(behind_s: float | None) -> Finding:
    """Judge a clock."""
    cure = _SET_CLOCK.get(sys.platform, "sudo timedatectl set-ntp true")
    if behind_s is None:
        return Finding(Status.NOTE, "AWS was not heard to tell the time, so this machine's clock is unproven")
    off_s = abs(behind_s)
    if off_s < _NOTED_SKEW_S:
        return Finding(Status.OK, "right to the second" if off_s < 2 else f"right to {off_s:.0f} s")
    found = f"this machine's clock is {off_s:.0f} s {'behind' if behind_s > 0 else 'ahead'}"
    if off_s < _MOST_SKEW_S:
        return Finding(Status.NOTE, f"{found}; AWS puts up with {_MOST_SKEW_S:.0f} s", cure)
    return Finding(Status.FAILED, f"{found}, and AWS refuses signatures that are {_MOST_SKEW_S:.0f} s off", cure)
