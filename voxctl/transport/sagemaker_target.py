"""Where a SageMaker stream goes and who asks for it: types and the rules of addresses, without the SDK."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from voxctl.errors import UsageError

#: The port of SageMaker's runtime that answers streams. On 443 the same call is taken and never answered.
RUNTIME_PORT = 8443
#: What the container is asked for; an empty path is the container's own default.
INVOCATION_PATH = "v1/realtime"

#: Where the partitions of AWS are that have no connection to the others.
_APART = (".c2s.ic.gov", ".hci.ic.gov", ".sc2s.sgov.gov", ".cloud.adc-e.uk")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Credentials:
    """The keys that sign one stream from its first byte to its last."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


#: Gives credentials that are good now; it is asked before each stream. Raises ``AwsError``.
CredentialsSource = Callable[[], Awaitable[Credentials]]


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy that tunnels with CONNECT."""

    host: str
    port: int
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SageMakerTarget:
    """One endpoint, and how a stream to it is opened.

    ``endpoint_url`` is complete, ``https://host:port``. ``ca_bundle`` replaces the system's trusted certificates.
    ``variant`` and ``invocation_path`` are passed on when they are not empty. In seconds: ``open_s`` bounds the
    connection; ``answer_s`` the answer to the call, by itself shorter where the port is not the one that SageMaker
    streams on; ``send_s`` one frame that the service does not take; ``close_s`` the goodbye.
    """

    endpoint_name: str
    region: str
    endpoint_url: str
    credentials: CredentialsSource
    ca_bundle: Path | None = None
    variant: str | None = None
    invocation_path: str = INVOCATION_PATH
    proxy: Proxy | None = None
    open_s: float = 4.0
    answer_s: float | None = None
    send_s: float = 10.0
    close_s: float = 2.0

    @property
    def host(self) -> str:
        """The host of ``endpoint_url``."""
        return urlsplit(self.endpoint_url).hostname or ""

    @property
    def port(self) -> int:
        """The port of ``endpoint_url``."""
        return urlsplit(self.endpoint_url).port or 443

    @property
    def patience_s(self) -> float:
        """How long the answer to the call is waited for."""
        if self.answer_s is not None:
            return self.answer_s
        return 8.0 if self.port == RUNTIME_PORT else 3.0

    @property
    def label(self) -> str:
        """The endpoint's name for people."""
        return label_of(self.endpoint_name, self.region)


def label_of(endpoint_name: str, region: str) -> str:
    """Return an endpoint's name for people and documents."""
    return f"{endpoint_name} ({region})"


def checked_endpoint_url(url: str) -> str:
    """Return the address of a SageMaker runtime, complete. Raises ``UsageError`` for what is none.

    A path or a query is refused, not dropped: the address of an endpoint's plain invocations has one.
    """
    example = f"it looks like https://runtime.sagemaker.us-east-1.amazonaws.com:{RUNTIME_PORT}."
    if "@" in url:  # before anything is said of it
        raise UsageError("--endpoint-url holds a user name or password", hint=example)
    try:
        parts = urlsplit(url if "://" in url else f"https://{url}")
        port = parts.port
    except ValueError as exc:
        raise UsageError(f"--endpoint-url {url!r} is not an address", hint=example) from exc
    if parts.scheme != "https" or not parts.hostname:
        raise UsageError(f"--endpoint-url {url!r} is no https address", hint=example)
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise UsageError(f"--endpoint-url {url!r} goes on after the host", hint=example)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"https://{host}:{RUNTIME_PORT if port is None and is_aws(parts.hostname) else port or 443}"


def is_aws(host: str) -> bool:
    """Return whether a host is one of AWS's own."""
    return ".amazonaws." in f"{host}." or host.endswith((".api.aws", ".on.aws", *_APART))


def checked_endpoint_name(name: str) -> str:
    """Return the name of an endpoint. Raises ``UsageError`` for what SageMaker would never call one."""
    if not (0 < len(name) <= 63 and name.isascii() and name.replace("-", "").isalnum() and name[0] != "-"):
        raise UsageError(
            f"--endpoint {name!r} is not the name of an endpoint",
            hint="a name has up to 63 letters, digits and hyphens; an ARN ends with it.",
        )
    return name


def proxy_for(host: str) -> Proxy | None:
    """Return the proxy that HTTPS_PROXY and NO_PROXY ask for on the way to ``host``, ``None`` for the straight way.

    This machine itself is never asked for through a proxy. Raises ``UsageError`` for a proxy of a kind that cannot be
    used here; its address, which may hold a password, is not shown.
    """
    names = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
    url = next((value for name in names if (value := os.environ.get(name))), None)
    if not url or host in _LOOPBACK:
        return None
    from urllib.request import proxy_bypass  # here because most have no proxy, and it takes 50 ms to load

    if proxy_bypass(host):
        return None
    hint = f"it looks like http://host:port; or name the host in NO_PROXY: NO_PROXY={_more_of('no_proxy')}{host}"
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port
    except ValueError as exc:
        raise UsageError("HTTPS_PROXY is not an address", hint=hint) from exc
    if parts.scheme != "http" or not parts.hostname:
        raise UsageError(
            f"HTTPS_PROXY asks for a proxy that cannot carry a SageMaker stream ({parts.scheme})", hint=hint
        )
    username, password = (None if part is None else unquote(part) for part in (parts.username, parts.password))
    return Proxy(parts.hostname, port or 80, username, password)


def _more_of(name: str) -> str:
    value = os.environ.get(name) or os.environ.get(name.upper())
    return f"{value}," if value else ""
