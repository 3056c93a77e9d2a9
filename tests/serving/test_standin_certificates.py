"""The stand-in's certificates: who trusts them, what they are good for, and how they come to be."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import shutil
import ssl
import stat
import subprocess
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from tests.fakes.sagemaker import QUICK, FakeSageMaker, open_sagemaker
from tests.fakes.sagemaker_sdk import Address, open_sdk
from voxctl.errors import UsageError
from voxctl.serving.standin.authority import ADDRESSES, NAMES, RENEW, VALID, issue, today
from voxctl.serving.standin.folder import default_folder, kept_in

OPENSSL = shutil.which("openssl")


async def shaken(
    service: FakeSageMaker,
    name: str,
    alpn: list[str] | None = None,
    maximum: ssl.TLSVersion | None = None,
    trusted: Path | None = None,
) -> tuple[str | None, bytes]:
    """Shake hands as a client that expects ``name``; return the protocol agreed on and what the server says first."""
    tls = ssl.create_default_context(cafile=trusted or service.ca_bundle)
    if alpn:
        tls.set_alpn_protocols(alpn)
    if maximum:
        tls.maximum_version = maximum
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", service.stand_in.port, ssl=tls, server_hostname=name, ssl_shutdown_timeout=1
    )
    try:
        agreed = writer.get_extra_info("ssl_object").selected_alpn_protocol()
        return agreed, await asyncio.wait_for(reader.read(9), 5)
    finally:
        writer.transport.abort()


# -- who trusts them -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*NAMES, *ADDRESSES])
async def test_python_trusts_it_by_every_name(name: str) -> None:
    async with open_sagemaker() as service:
        agreed, first = await shaken(service, name, ["http/1.1", "h2"])
    assert agreed == "h2" and first[3] == 4  # a SETTINGS frame


async def test_python_does_not_trust_it_by_another_name() -> None:
    async with open_sagemaker() as service:
        with pytest.raises(ssl.SSLCertVerificationError):
            await shaken(service, "runtime.sagemaker.us-east-1.amazonaws.com", ["h2"])


async def test_the_sdk_s_tls_trusts_it() -> None:
    async with open_sagemaker() as service, open_sdk(Address.of(service.stand_in)) as sdk:
        stream = await (await sdk.stream()).opened()
        await stream.send("hello")
        assert await stream.receive() == "hello"


async def test_a_client_that_does_not_shake_hands_takes_no_place_and_holds_nothing_up() -> None:
    async with open_sagemaker() as service:
        reader, writer = await asyncio.open_connection("127.0.0.1", service.stand_in.port)
        agreed, _ = await shaken(service, "localhost", ["h2"])
        assert agreed == "h2" and service.counters.connections == 1
    try:
        assert await asyncio.wait_for(reader.read(), 5) == b""
    finally:
        writer.close()


@pytest.mark.skipif(OPENSSL is None, reason="there is no openssl command here")
def test_openssl_finds_the_chain_in_order(tmp_path: Path) -> None:
    kept = kept_in(tmp_path)
    command = [OPENSSL or "", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "localhost"]
    done = subprocess.run(
        [*command, "-CAfile", kept.authority, kept.server], capture_output=True, text=True, timeout=10
    )
    assert done.returncode == 0 and done.stdout.rstrip().endswith("OK"), done.stderr


async def test_tls_1_1_is_not_spoken() -> None:
    async with open_sagemaker() as service:
        with pytest.warns(DeprecationWarning), pytest.raises((ssl.SSLError, ConnectionError)):
            await shaken(service, "localhost", ["h2"], ssl.TLSVersion.TLSv1_1)


async def test_http_1_hears_that_there_is_nothing_and_what_time_it_is() -> None:
    async with open_sagemaker(clock=lambda: 1_800_000_000.0) as service:
        tls = ssl.create_default_context(cafile=service.ca_bundle)
        reader, writer = await asyncio.open_connection("localhost", service.stand_in.port, ssl=tls)
        writer.write(b"HEAD / HTTP/1.1\r\nhost: local")
        writer.write(b"host\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 5)  # it hangs up
        writer.transport.abort()
        assert answer.startswith(b"HTTP/1.1 404 ") and b"\r\ndate: Fri, 15 Jan 2027 08:00:00 GMT\r\n" in answer
        assert service.counters.connections == 0
        reader, writer = await asyncio.open_connection("localhost", service.stand_in.port, ssl=tls)
        writer.write(b"x" * 20_000)  # no request
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), 5)
        writer.transport.abort()


async def test_a_certificate_that_ends_soon_is_renewed_while_it_is_in_use(tmp_path: Path) -> None:
    async with open_sagemaker(folder=tmp_path, limits=replace(QUICK, renewal_s=0.05)) as service:
        (tmp_path / "ca.pem").write_bytes(old := (issued := issue(today() - VALID + RENEW)).authority)
        (tmp_path / "server.pem").write_bytes(issued.server)
        async with asyncio.timeout(10):
            while (tmp_path / "ca.pem").read_bytes() == old:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            while True:  # what trusts the new authority alone can shake hands
                with suppress(ssl.SSLCertVerificationError):
                    assert (await shaken(service, "localhost", ["h2"]))[0] == "h2"
                    break


async def test_a_certificate_that_cannot_be_renewed_is_used_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, trusted = tmp_path / "kept", tmp_path / "trusted.pem"
    async with open_sagemaker(folder=folder, limits=replace(QUICK, renewal_s=0.02)) as service:
        shutil.copy(service.ca_bundle, trusted)
        shutil.rmtree(folder)
        folder.write_text("no folder")
        async with asyncio.timeout(10):
            while "cannot be renewed" not in caplog.text:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert (await shaken(service, "localhost", ["h2"], trusted=trusted))[0] == "h2"


# -- what they are good for ------------------------------------------------------------------------------------


def test_the_authority_is_for_this_machine_and_thirty_days(tmp_path: Path) -> None:
    kept = kept_in(tmp_path)
    for path in (kept.authority, kept.server):
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        assert certificate.not_valid_after_utc - certificate.not_valid_before_utc <= timedelta(days=30)
        assert certificate.not_valid_before_utc <= datetime.now(UTC) < certificate.not_valid_after_utc
    constraints = x509.load_pem_x509_certificate(kept.authority.read_bytes()).extensions
    named = constraints.get_extension_for_class(x509.NameConstraints)
    assert named.critical and named.value.excluded_subtrees is None
    assert {str(one.value) for one in named.value.permitted_subtrees or ()} == {"localhost", "127.0.0.1/32", "::1/128"}


@pytest.mark.skipif(OPENSSL is None, reason="there is no openssl command here")
def test_a_certificate_of_the_authority_for_another_name_is_worth_nothing(tmp_path: Path) -> None:
    # As if somebody had got hold of the authority's key: one is made here with the same constraints.
    key, now = ec.generate_private_key(ec.SECP256R1()), today()
    genuine = x509.load_pem_x509_certificate(issue(now).authority)
    builder = x509.CertificateBuilder(
        genuine.issuer, genuine.subject, key.public_key(), 1, now - timedelta(1), now + timedelta(1)
    )
    for extension in genuine.extensions:
        if not isinstance(extension.value, x509.SubjectKeyIdentifier):
            builder = builder.add_extension(extension.value, extension.critical)
    (tmp_path / "ca.pem").write_bytes(_pem(builder.sign(key, hashes.SHA256())))
    results = []
    for name in ("localhost", "example.com"):
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        forged = x509.CertificateBuilder(
            genuine.subject, subject, key.public_key(), 2, now - timedelta(1), now + timedelta(1)
        ).add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), False)
        (tmp_path / name).write_bytes(_pem(forged.sign(key, hashes.SHA256())))
        command = [OPENSSL or "", "verify", "-CAfile", str(tmp_path / "ca.pem"), str(tmp_path / name)]
        results.append(subprocess.run(command, capture_output=True, text=True, timeout=10))
    assert results[0].returncode == 0
    assert results[1].returncode != 0 and "permitted subtree violation" in results[1].stderr


def fits(authority: bytes, server: bytes) -> bool:
    """Whether the server's key is that of its certificate, and the authority's that which signed it."""
    certificate = x509.load_pem_x509_certificate(server)
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority))
    return load_pem_private_key(server, None).public_key() == certificate.public_key()


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


# -- how they come to be ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("existing", [False, True])
def test_nobody_else_can_read_what_is_kept(tmp_path: Path, existing: bool) -> None:
    folder = tmp_path / "deep" / "folder"
    if existing:
        folder.mkdir(0o755, parents=True)
    before = os.umask(0)
    try:
        kept_in(folder)
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = list(folder.iterdir())
    assert {file.name for file in files} == {"ca.pem", "server.pem", "key.json", "lock"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_the_authority_s_private_key_is_nowhere(tmp_path: Path) -> None:
    kept = kept_in(tmp_path)
    assert b"PRIVATE" not in kept.authority.read_bytes()
    assert kept.server.read_bytes().count(b"BEGIN PRIVATE KEY") == 1


def test_a_restart_changes_nothing(tmp_path: Path) -> None:
    first, authority = kept_in(tmp_path), (tmp_path / "ca.pem").read_bytes()
    assert kept_in(tmp_path) == first and (tmp_path / "ca.pem").read_bytes() == authority
    assert first.key.access_key_id.startswith("VOXCTL") and len(first.key.secret_access_key) == 40
    assert first.key.secret_access_key not in repr(first)


@pytest.mark.parametrize("left", [RENEW - timedelta(hours=1), timedelta(days=-1), VALID + timedelta(days=2)])
def test_certificates_that_are_nearly_over_or_not_yet_good_are_renewed_and_the_key_stays(
    tmp_path: Path, left: timedelta
) -> None:
    key = kept_in(tmp_path).key
    old = issue(today() - VALID + left)
    (tmp_path / "ca.pem").write_bytes(old.authority)
    (tmp_path / "server.pem").write_bytes(old.server)
    renewed = kept_in(tmp_path)
    assert (tmp_path / "ca.pem").read_bytes() != old.authority and renewed.key == key


@pytest.mark.parametrize("name", ["ca.pem", "server.pem", "key.json"])
@pytest.mark.parametrize("content", [b"", b"rubbish", "another's", None])
def test_a_file_that_is_broken_or_gone_is_made_anew(tmp_path: Path, name: str, content: bytes | str | None) -> None:
    kept_in(tmp_path)
    file = tmp_path / name
    if content is None:
        file.unlink()
    elif isinstance(content, bytes):
        file.write_bytes(content)
    else:
        kept_in(tmp_path / "other")
        shutil.copyfile(tmp_path / "other" / name, file)
    kept = kept_in(tmp_path)
    assert fits(kept.authority.read_bytes(), kept.server.read_bytes())
    assert kept.key.access_key_id in (tmp_path / "key.json").read_text()


def _start(folder: Path, results: multiprocessing.Queue[tuple[str, bytes, bytes]]) -> None:
    kept = kept_in(folder)
    results.put((kept.key.access_key_id, kept.authority.read_bytes(), kept.server.read_bytes()))


def test_several_first_starts_at_once_agree(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    results: multiprocessing.Queue[tuple[str, bytes, bytes]] = context.Queue()
    starts = [context.Process(target=_start, args=(tmp_path / "new", results)) for _ in range(4)]
    for start in starts:
        start.start()
    found = {results.get(timeout=20) for _ in starts}
    for start in starts:
        start.join(20)
    assert len(found) == 1
    _, authority, server = found.pop()
    assert fits(authority, server)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match="cannot be kept") as caught:
        kept_in(tmp_path / "file" / "folder")
    assert "XDG_STATE_HOME" in (caught.value.hint or "")


def test_the_folder_is_the_user_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in ("", "relative/path"):
        monkeypatch.setenv("XDG_STATE_HOME", value)
        assert default_folder() == tmp_path / ".local" / "state" / "voxctl" / "stand-in"
    monkeypatch.setenv("XDG_STATE_HOME", "/elsewhere")
    assert default_folder() == Path("/elsewhere/voxctl/stand-in")
