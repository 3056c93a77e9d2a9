"""A certificate authority for this machine's loopback addresses and nothing else.

Its private key signs one server certificate and is then forgotten: nobody can make another certificate with it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NAMES = ("localhost",)
ADDRESSES = ("127.0.0.1", "::1")
VALID = timedelta(days=30)
#: One with less than this left is made anew.
RENEW = timedelta(days=1)
#: Clocks of a machine and its containers differ a little. Taken from the beginning, the whole is still ``VALID``.
_EARLIER = timedelta(minutes=5)
_ORGANISATION = "voxctl stand-in for the SageMaker runtime"


@dataclass(frozen=True, slots=True)
class Issued:
    """PEM texts: what clients trust, and the server's certificate with its private key."""

    authority: bytes
    server: bytes = field(repr=False)


def issue(now: datetime) -> Issued:
    """Make an authority and its one certificate; their names, addresses and dates are the constants above."""
    dates = (now - _EARLIER, now - _EARLIER + VALID)
    root_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root_name, server_name = _name(f"{_ORGANISATION}, {now:%Y-%m-%d}"), _name(NAMES[0])
    root = _builder(root_name, root_name, root_key, dates)
    for extension, critical in _root_extensions(root_key):
        root = root.add_extension(extension, critical)
    server = _builder(server_name, root_name, server_key, dates)
    for extension, critical in _server_extensions(server_key, root_key):
        server = server.add_extension(extension, critical)
    return Issued(
        root.sign(root_key, hashes.SHA256()).public_bytes(Encoding.PEM),
        server.sign(root_key, hashes.SHA256()).public_bytes(Encoding.PEM)
        + server_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


def is_good(issued: Issued, now: datetime) -> bool:
    """Whether the two belong together, name what this version names, and hold for a while yet."""
    try:
        root = x509.load_pem_x509_certificate(issued.authority)
        server = x509.load_pem_x509_certificate(issued.server)
        key = load_pem_private_key(issued.server, None)
        server.verify_directly_issued_by(root)
        names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        constraints = root.extensions.get_extension_for_class(x509.NameConstraints).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return (
        key.public_key() == server.public_key()
        and list(names) == _alternative_names()
        and constraints == _constraints()
        and all(
            one.not_valid_before_utc <= now < one.not_valid_after_utc - RENEW
            and one.not_valid_after_utc - one.not_valid_before_utc <= VALID
            for one in (root, server)
        )
    )


def today() -> datetime:
    """Return the time, as certificates tell it."""
    return datetime.now(UTC).replace(microsecond=0)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, dates: tuple[datetime, datetime]
) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number(), dates[0], dates[1])


def _root_extensions(key: ec.EllipticCurvePrivateKey) -> Iterator[tuple[x509.ExtensionType, bool]]:
    yield x509.BasicConstraints(ca=True, path_length=0), True
    yield _usage(key_cert_sign=True), True
    yield _constraints(), True
    yield x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False


def _server_extensions(
    key: ec.EllipticCurvePrivateKey, root_key: ec.EllipticCurvePrivateKey
) -> Iterator[tuple[x509.ExtensionType, bool]]:
    yield x509.BasicConstraints(ca=False, path_length=None), True
    yield _usage(digital_signature=True), True
    yield x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False
    yield x509.SubjectAlternativeName(_alternative_names()), False
    yield x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False
    # Python 3.13 trusts no certificate without it.
    yield x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), False


def _usage(*, key_cert_sign: bool = False, digital_signature: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative_names() -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in NAMES]
    return names + [x509.IPAddress(ipaddress.ip_address(address)) for address in ADDRESSES]


def _constraints() -> x509.NameConstraints:
    permitted: list[x509.GeneralName] = [x509.DNSName(name) for name in NAMES]
    permitted += [x509.IPAddress(ipaddress.ip_network(address)) for address in ADDRESSES]
    return x509.NameConstraints(permitted_subtrees=permitted, excluded_subtrees=None)
