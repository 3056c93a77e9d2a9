"""Asks a server for TLS and a protocol, and says in words why there is none. Blocking, with Python's own ``ssl``.

The SDK's library takes up to 30 s to report a failed handshake, and gives no reason.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from voxctl.errors import ConnectFailed, UsageError

HTTP2 = "h2"

_CA_HINT = "name the authority that signed it with --ca-bundle or AWS_CA_BUNDLE (a PEM file)."


@dataclass(frozen=True, slots=True)
class Secured:
    """What a handshake agreed on: the version of TLS, and the protocol, ``None`` where the server chose none."""

    version: str
    protocol: str | None


def tls_context(ca_bundle: Path | None) -> ssl.SSLContext:
    """Return a client's context that trusts ``ca_bundle``, or what the system trusts. Raises ``UsageError``."""
    try:
        return ssl.create_default_context(cafile=ca_bundle)
    except (OSError, ssl.SSLError) as exc:
        raise UsageError(
            f"the CA bundle {str(ca_bundle)!r} cannot be used: {exc.strerror or exc}",
            hint="--ca-bundle takes a PEM file of certificates; for SageMaker so does AWS_CA_BUNDLE.",
        ) from exc


def probe(host: str, port: int, ca_bundle: Path | None = None, *, limit_s: float = 3.0) -> Secured:
    """Connect, offer HTTP/2, hang up. ``limit_s`` bounds each step. Raises ``ConnectFailed`` with the reason."""
    context = tls_context(ca_bundle)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # the SDK's library is not strict either
    context.set_alpn_protocols([HTTP2])
    where = f"{host}:{port}"
    try:
        connection = socket.create_connection((host, port), limit_s)
    except OSError as exc:
        raise unreachable(exc, where) from exc
    with connection:
        try:
            with context.wrap_socket(connection, server_hostname=host) as secured:
                return Secured(secured.version() or "TLS", secured.selected_alpn_protocol())
        except OSError as exc:  # ssl.SSLError and TimeoutError are OSErrors
            raise _insecure(exc, where) from exc


def unreachable(exc: OSError, where: str) -> ConnectFailed:
    """Return our error for a connection that could not be made."""
    match exc:
        case socket.gaierror():
            said, hint = f"no address is known for {where}", "check --region and --endpoint-url, and your network."
        case ConnectionRefusedError():
            said, hint = f"nobody is listening at {where}", "check the host and port in --endpoint-url."
        case TimeoutError():
            said = f"{where} did not answer in time"
            hint = "do firewalls let you through to port 8443? Behind a proxy, set HTTPS_PROXY."
        case _:
            said = f"{where} cannot be reached: {exc.strerror or type(exc).__name__}"
            hint = "check --endpoint-url and your network."
    return ConnectFailed(said, hint=hint, timed_out=isinstance(exc, TimeoutError))


def _insecure(exc: OSError, where: str) -> ConnectFailed:
    match exc:
        case ssl.SSLCertVerificationError():
            return ConnectFailed(f"{where} has a certificate that is not trusted: {exc.verify_message}", hint=_CA_HINT)
        case TimeoutError():
            said = f"{where} takes connections and says nothing"
            return ConnectFailed(said, hint="SageMaker streams on port 8443; check --endpoint-url.")
        case ssl.SSLError(reason="WRONG_VERSION_NUMBER" | "RECORD_LAYER_FAILURE" | "HTTP_REQUEST"):
            return ConnectFailed(f"{where} does not speak TLS", hint="check the host and port in --endpoint-url.")
        case ssl.SSLError():
            said = f"no secure connection to {where}: {exc.reason or exc.strerror or 'the handshake failed'}"
            return ConnectFailed(said, hint="is a proxy or another kind of server there? Check --endpoint-url.")
        case _:
            said = f"{where} hung up during the TLS handshake"
            return ConnectFailed(said, hint="is a firewall or another kind of server there? Check --endpoint-url.")
