"""The host of streams: the stand-in for it, and everything that may listen there instead."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.fakes.sagemaker import https_without_http2, open_sagemaker, silent_listener
from voxctl.doctor.check import Finding, Status
from voxctl.doctor.runtime import Runtime, behind, clock_finding, reached, time_at
from voxctl.errors import ConnectFailed
from voxctl.serving.standin.folder import kept_in

pytestmark = pytest.mark.usefixtures("nobody")


async def looked(url: str, ca_bundle: Path | None = None) -> Finding:
    return await asyncio.to_thread(reached, Runtime(url, ca_bundle))


async def failed(url: str, ca_bundle: Path | None = None) -> ConnectFailed:
    began = time.monotonic()
    with pytest.raises(ConnectFailed) as caught:
        await looked(url, ca_bundle)
    assert time.monotonic() - began < 6 and caught.value.hint
    return caught.value


async def test_the_stand_in_is_reached_over_tls_and_http2() -> None:
    async with open_sagemaker() as service:
        finding = await looked(service.endpoint_url, service.ca_bundle)
        assert finding.status is Status.OK and finding.found.endswith("TLSv1.3, HTTP/2")
        untrusted = await failed(service.endpoint_url)
    assert "not trusted" in untrusted.message and "--ca-bundle" in (untrusted.hint or "")


async def test_tls_without_http2_is_not_enough(tmp_path: Path) -> None:
    async with https_without_http2(tmp_path) as port:
        finding = await looked(f"https://localhost:{port}", kept_in(tmp_path).authority)
    assert finding.status is Status.FAILED and "no HTTP/2" in finding.found and "proxy" in finding.cure


@asynccontextmanager
async def plain_listener() -> AsyncIterator[int]:
    """Answer whatever is said with HTTP that nobody can take for TLS."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def test_a_server_without_tls_a_silent_one_and_none_are_told_apart() -> None:
    async with plain_listener() as plain_port:
        plain = await failed(f"https://localhost:{plain_port}")
    async with silent_listener() as silent_port:
        silent = await failed(f"https://localhost:{silent_port}")
    none = await failed(f"https://localhost:{silent_port}")
    assert "does not speak TLS" in plain.message
    assert "says nothing" in silent.message and "nobody is listening" in none.message


async def test_port_443_of_aws_is_never_right() -> None:
    finding = await looked("https://runtime.sagemaker.us-east-1.amazonaws.com")
    assert finding.status is Status.FAILED and "never answers" in finding.found and ":8443" in finding.cure


async def test_a_proxy_on_the_way_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:sesame@127.0.0.1:9")
    finding = await looked("https://runtime.sagemaker.us-east-1.amazonaws.com:8443")
    assert finding.status is Status.NOTE and "HTTPS_PROXY" in finding.found and "sesame" not in finding.found


# The clock.


@asynccontextmanager
async def clock(folder: Path, off_s: float, header: str = "Date") -> AsyncIterator[Runtime]:
    """An HTTPS server whose clock is ahead of ours by ``off_s``."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(kept_in(folder).server)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        date = formatdate(time.time() + off_s, usegmt=True)
        writer.write(f"HTTP/1.1 404 Not Found\r\n{header}: {date}\r\ncontent-length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield Runtime(f"https://localhost:{server.sockets[0].getsockname()[1]}", kept_in(folder).authority)


@pytest.mark.parametrize("off_s", [0.0, 400.0, -400.0])
async def test_the_runtimes_clock_is_read(tmp_path: Path, off_s: float) -> None:
    async with clock(tmp_path, off_s) as runtime:
        behind_s = await asyncio.to_thread(time_at, runtime)
    assert behind_s == pytest.approx(off_s, abs=2.0)


async def test_a_runtime_that_does_not_tell_the_time_is_no_failure(tmp_path: Path) -> None:
    async with clock(tmp_path, 0.0, "X-Date") as runtime:
        assert await asyncio.to_thread(time_at, runtime) is None
    assert await asyncio.to_thread(time_at, runtime) is None  # nobody listens there now
    assert clock_finding(None).status is Status.NOTE


@pytest.mark.parametrize(
    ("behind_s", "status", "words"),
    [
        (0.4, Status.OK, "right to the second"),
        (-12.0, Status.OK, "right to 12 s"),
        (40.0, Status.NOTE, "40 s behind"),
        (-299.0, Status.NOTE, "299 s ahead"),
        (301.0, Status.FAILED, "301 s behind"),
        (-301.0, Status.FAILED, "301 s ahead"),
    ],
)
def test_a_clock_is_judged_as_aws_judges_it(behind_s: float, status: Status, words: str) -> None:
    finding = clock_finding(behind_s)
    assert finding.status is status and words in finding.found
    assert bool(finding.cure) == (status is not Status.OK)


def test_what_is_no_date_tells_no_time() -> None:
    assert behind(None, 0.0) is None and behind("yesterday", 0.0) is None
    assert behind("Thu, 01 Jan 1970 00:01:40 GMT", 90.0) == 10.5
