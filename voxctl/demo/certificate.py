"""A certificate for the page, made for one run: browsers give no microphone to a page from another machine without one.

Nobody has vouched for it, so browsers warn once; its fingerprint says whether it is the one that was made here.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from voxctl.errors import UsageError

_VALID = timedelta(days=7)
#: Clocks of two machines differ a little.
_EARLIER = timedelta(minutes=5)
_INSTALL = "pip install 'voxctl[stand-in]', or name a certificate of your own with --cert and --key."


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files. ``fingerprint`` is its SHA-256 as browsers show it; ``self_made``: they will warn of it."""

    cert: Path
    key: Path
    fingerprint: str
    self_made: bool


@contextmanager
def certificate_for(names: list[str], cert: Path | None, key: Path | None) -> Iterator[Certificate]:
    """Yield the certificate in ``cert`` (its ``key`` may be in the same file), or one made for ``names``.

    One that was made is gone with the context. Raises ``UsageError`` for files that cannot be used.
    """
    if cert:
        yield Certificate(cert, key or cert, _checked(cert, key or cert), self_made=False)
        return
    with TemporaryDirectory(prefix="voxctl-demo-") as folder:
        made = Path(folder) / "page.pem"
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(_made(names))
        yield Certificate(made, made, _checked(made, made), self_made=True)


def _checked(cert: Path, key: Path) -> str:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password=lambda: "")
        first = cert.read_text("ascii", "replace").split("-----END CERTIFICATE-----")[0]
        pem = first[first.index("-----BEGIN CERTIFICATE-----") :] + "-----END CERTIFICATE-----"
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).digest().hex(":").upper()
    except (OSError, ValueError) as exc:  # ssl.SSLError is an OSError
        raise UsageError(
            f"the certificate {str(cert)!r} cannot be used: {getattr(exc, 'strerror', None) or exc}",
            hint="--cert and --key take PEM files that belong together, the key without a password.",
        ) from exc


def _made(names: list[str]) -> bytes:
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
        from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
    except ImportError as exc:
        raise UsageError("--tls makes a certificate with a package that is not installed", hint=_INSTALL) from exc
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "voxctl demo")])
    since = datetime.now(UTC).replace(microsecond=0) - _EARLIER
    serial = x509.random_serial_number()
    builder = x509.CertificateBuilder(who, who, key.public_key(), serial, since, since + _VALID)
    alternatives: list[x509.GeneralName] = []
    for name in names:
        try:
            alternatives.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            alternatives.append(x509.DNSName(name))
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.SubjectAlternativeName(alternatives), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
    ]
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    signed = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    return signed + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
