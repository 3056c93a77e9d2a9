"""`voxctl demo` as a person runs it: its address, its end, and what it refuses to do."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme

from tests.cli.program import Program, run_here, shown_error, started

NOBODY = "ws://127.0.0.1:1"


async def address(program: Program) -> str:
    """Return the address that it prints for programs."""
    await asyncio.wait_for(program.read_until("\n"), 30)
    return str(json.loads(program.out)["url"])


async def fetch(url: str, context: ssl.SSLContext | None = None) -> bytes:
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))

    def get() -> bytes:
        with opener.open(url, timeout=10) as answer:
            return bytes(answer.read())

    return await asyncio.to_thread(get)


async def test_it_prints_the_address_of_a_page_that_is_there_and_ctrl_c_ends_it_in_time() -> None:
    async with started("demo", "--no-open", "--port", "0", "--json", "--url", NOBODY) as program:
        url = await address(program)
        assert urlsplit(url).hostname == "127.0.0.1" and len(urlsplit(url).query) >= len("token=") + 32
        assert b"<title>voxctl demo</title>" in await fetch(url)
        before_s = time.monotonic()
        program.process.send_signal(signal.SIGINT)
        ended = await asyncio.wait_for(program.end(), 10)
        assert ended.code == 0 and time.monotonic() - before_s < 3
        assert f"talk to {NOBODY}/v1/realtime at {url}" in ended.err and "Ctrl-C ends it" in ended.err


async def test_the_recogniser_that_comes_with_voxctl_is_started_and_named() -> None:
    async with started("demo", "--no-open", "--port", "0") as program:
        assert "talk to embedded at http://127.0.0.1:" in await asyncio.wait_for(program.say_until("talk to"), 30)


async def test_a_port_in_use_is_said_with_what_to_type_instead() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with started("demo", "--no-open", "--port", str(port), "--url", NOBODY) as program:
            ended = await asyncio.wait_for(program.end(), 30)
    message, hint = shown_error(ended)
    assert (ended.code, message) == (4, f"127.0.0.1:{port} is in use by another program") and "--port" in hint


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1", "example.com"])
def test_beyond_this_machine_it_wants_tls_and_says_why(host: str, tmp_path: Path) -> None:
    ended = run_here("demo", "--host", host, "--url", NOBODY, cwd=tmp_path)
    message, hint = shown_error(ended)
    assert ended.code == 2 and "without TLS others can read along" in message
    assert "--tls" in hint and "ssh -L" in hint and "--insecure" in hint


def test_no_file_and_no_variable_opens_it_to_others(tmp_path: Path) -> None:
    (tmp_path / "voxctl.toml").write_text('[demo]\nhost = "0.0.0.0"\ninsecure = true\n')
    ended = run_here("demo", "--url", NOBODY, cwd=tmp_path, env={"VOXCTL_HOST": "0.0.0.0"})
    assert ended.code == 2 and "host" in ended.err


async def test_over_tls_it_makes_a_certificate_and_shows_its_fingerprint() -> None:
    async with started(
        "demo", "--no-open", "--tls", "--host", "0.0.0.0", "--port", "0", "--json", "--url", NOBODY
    ) as program:
        url = await address(program)
        parts = urlsplit(url)
        assert parts.scheme == "https"
        made = await asyncio.to_thread(ssl.get_server_certificate, (parts.hostname or "", parts.port or 0))
        trusting = ssl.create_default_context(cadata=made)
        trusting.verify_flags &= ~ssl.VERIFY_X509_STRICT  # it has signed itself
        assert b"voxctl demo" in await fetch(url, trusting)
        import hashlib

        fingerprint = hashlib.sha256(ssl.PEM_cert_to_DER_cert(made)).digest().hex(":").upper()
        program.process.send_signal(signal.SIGTERM)
        ended = await asyncio.wait_for(program.end(), 10)
        assert ended.code == 0 and fingerprint in ended.err


async def test_over_tls_it_takes_a_certificate_of_yours(tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    issued.cert_chain_pems[0].write_to_path(cert)
    issued.private_key_pem.write_to_path(key)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with started(
        "demo", "--no-open", "--cert", cert, "--key", key, "--port", "0", "--json", "--url", NOBODY
    ) as program:
        assert b"voxctl demo" in await fetch(await address(program), trusting)


@pytest.mark.parametrize("content", ["", "no certificate"])
def test_a_certificate_that_is_none_is_said(content: str, tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text(content)
    ended = run_here("demo", "--cert", "cert.pem", "--url", NOBODY, cwd=tmp_path)
    message, hint = shown_error(ended)
    assert ended.code == 2 and "'cert.pem' cannot be used" in message and "PEM" in hint
    missing = run_here("demo", "--cert", "nowhere.pem", "--url", NOBODY, cwd=tmp_path)
    assert missing.code == 2 and "No such file" in missing.err


def test_a_key_without_its_certificate_is_refused(tmp_path: Path) -> None:
    ended = run_here("demo", "--key", "key.pem", "--url", NOBODY, cwd=tmp_path)
    assert (ended.code, shown_error(ended)[0]) == (2, "--key is the key of a certificate")


async def test_no_key_of_a_server_is_shown_or_sent_to_the_page() -> None:
    secret = "sk-nobody-may-see-this"
    environment = {"VOXCTL_API_KEY": secret, **{k: v for k, v in os.environ.items() if k == "PATH"}}
    async with started("demo", "--no-open", "--port", "0", "--json", "--url", NOBODY, env=environment) as program:
        url = await address(program)
        base = url.partition("?")[0]
        for path in ("", "app.js", "link.js"):
            assert secret.encode() not in await fetch(f"{base}{path}?{urlsplit(url).query}")
        program.process.send_signal(signal.SIGINT)
        ended = await asyncio.wait_for(program.end(), 10)
        assert secret not in ended.err + ended.out
