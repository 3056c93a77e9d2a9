"""A server by its address: well or not, new enough or not, answering or not."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.fakes.sagemaker import silent_listener
from tests.fakes.sockets import peer_server, raw_server
from voxctl.doctor.check import Finding, Status, examined
from voxctl.doctor.server import server_checks
from voxctl.serving.pocketsphinx import PocketSphinxEngine
from voxctl.serving.server import open_server


async def findings(url: str, key: str | None = None) -> tuple[Finding, Finding]:
    server, realtime = await examined(server_checks(url, key))
    return server.finding, realtime.finding


def answer(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 " + status + b"\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body) + body


async def test_our_own_server_is_well_and_opens_a_session_for_who_has_the_key() -> None:
    async with open_server(PocketSphinxEngine(), api_key="sesame") as server:
        well, realtime = await findings(f"{server.url}?token=tulip", "sesame")
        also_well, refused = await findings(server.url, "wrong")
    address = server.url.removeprefix("ws://")
    assert well == also_well == Finding(Status.OK, f"http://{address}: healthy")
    assert realtime == Finding(Status.OK, f"{server.url}/v1/realtime opens a session")
    assert refused.status is Status.FAILED and "401" in refused.found and "VOXCTL_API_KEY" in refused.cure
    assert not any(secret in f"{realtime}{refused}" for secret in ("sesame", "tulip", "wrong"))


async def greeted(*frames: str) -> Finding:
    """Return the finding of a server that begins with ``frames``."""
    async with peer_server() as peers:
        looking = asyncio.create_task(findings(peers.url))
        peer = await peers.accepted.get()
        for frame in frames:
            await peer.send(frame)
        await peer.close(1000)
        _, realtime = await looking
    return realtime


async def test_a_server_that_is_full_or_speaks_otherwise_is_told_of() -> None:
    full = await greeted('{"type": "error", "error": "all streams are taken", "code": "server_full"}')
    assert full.status is Status.FAILED and "all streams are taken (server_full)" in full.found
    other = await greeted('{"type": "hello"}')
    assert other.status is Status.FAILED and "does not open a session" in other.found
    assert (await greeted()).status is (await greeted("hello")).status is Status.FAILED


@pytest.mark.parametrize(
    ("version", "status"), [(b"0.31.9", Status.FAILED), (b"0.32.0", Status.OK), (b"1.0.0rc1", Status.OK)]
)
async def test_a_vllm_must_be_new_enough(version: bytes, status: Status) -> None:
    async with raw_server(answer(b'{"version": "' + version + b'"}')) as url:
        server, realtime = await findings(url)
    assert server.status is status and version.decode() in server.found
    assert ("0.32" in server.cure) == (status is Status.FAILED)
    assert realtime.status is Status.FAILED  # it answers 200, not 101


@pytest.mark.parametrize("body", [b"no JSON", b"[]", b'{"version": "latest"}'])
async def test_a_server_need_not_tell_a_version(body: bytes) -> None:
    async with raw_server(answer(body)) as url:
        server, _ = await findings(url)
    assert server.status is Status.OK and "vLLM" not in server.found


async def test_a_sick_server_is_a_failure_and_one_without_the_path_is_not() -> None:
    async with raw_server(answer(b"", b"503 Service Unavailable")) as url:
        server, _ = await findings(url)
    assert server.status is Status.FAILED and "503" in server.found
    async with raw_server(answer(b"", b"404 Not Found")) as url:
        server, _ = await findings(url)
    assert server.status is Status.OK and "404" in server.found


@pytest.mark.real
async def test_nobody_listening_and_nobody_answering_are_failures_in_time() -> None:
    async with silent_listener() as port:
        began = time.monotonic()
        server, realtime = await findings(f"ws://127.0.0.1:{port}")
        assert time.monotonic() - began < 10
    assert server.status is realtime.status is Status.FAILED
    # The port is free now.
    server, realtime = await findings(f"ws://127.0.0.1:{port}")
    assert server.status is realtime.status is Status.FAILED
    assert "refused" in server.found.lower() and "--url" in server.cure


async def test_without_an_address_nothing_is_asked() -> None:
    (result,) = await examined(server_checks(None))
    assert result.finding.status is Status.SKIPPED and "--url" in result.finding.found
