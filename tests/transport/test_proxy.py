"""The way to SageMaker through a proxy: a real one on loopback that knows CONNECT and nothing else."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from tests.fakes.sagemaker import open_sagemaker
from tests.transport.streams import open_stream, streaming
from voxctl.errors import ConnectFailed, UsageError
from voxctl.transport.sagemaker_target import Proxy, proxy_for


@dataclass
class Tunnels:
    """A proxy that listens. ``asked`` are the heads of the requests it got."""

    port: int = 0
    refuses: bool = False
    asked: list[str] = field(default_factory=list)


@asynccontextmanager
async def connect_proxy() -> AsyncIterator[Tunnels]:
    tunnels = Tunnels()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        tunnels.asked.append(head)
        if tunnels.refuses:
            writer.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
            writer.close()
            return
        host, _, port = head.split()[1].rpartition(":")
        there, back = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(pump(reader, back), pump(there, writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    tunnels.port = server.sockets[0].getsockname()[1]
    try:
        yield tunnels
    finally:
        server.close()
        await server.wait_closed()


async def test_a_stream_goes_through_a_proxy_that_tunnels() -> None:
    async with open_sagemaker() as service, connect_proxy() as proxy:
        way = Proxy("127.0.0.1", proxy.port, "me", "it's secret")
        async with streaming(service, proxy=way) as stream:
            await stream.send("round the corner")
            assert await stream.receive() == "round the corner"
    head = proxy.asked[0]
    assert head.startswith(f"CONNECT {service.endpoint_url.removeprefix('https://')} ")
    assert base64.b64encode(b"me:it's secret").decode() in head and "it's secret" not in repr(way)


async def test_a_proxy_that_refuses_is_named_as_the_one_who_did() -> None:
    async with open_sagemaker() as service, connect_proxy() as proxy:
        proxy.refuses = True
        with pytest.raises(ConnectFailed, match="the proxy did not let us through"):
            await open_stream(service, proxy=Proxy("127.0.0.1", proxy.port))
    with pytest.raises(ConnectFailed, match="the proxy did not let us through"):  # it has gone
        await open_stream(service, proxy=Proxy("127.0.0.1", proxy.port))


AWS = "runtime.sagemaker.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    ("environment", "host", "way"),
    [
        ({}, AWS, None),
        ({"HTTPS_PROXY": "http://proxy.example:3128"}, AWS, Proxy("proxy.example", 3128)),
        ({"https_proxy": "proxy.example:3128"}, AWS, Proxy("proxy.example", 3128)),
        ({"HTTPS_PROXY": "http://me:p%40ss@proxy.example"}, AWS, Proxy("proxy.example", 80, "me", "p@ss")),
        ({"ALL_PROXY": "http://proxy.example:1"}, AWS, Proxy("proxy.example", 1)),
        ({"HTTP_PROXY": "http://proxy.example:1"}, AWS, None),
        ({"HTTPS_PROXY": "http://proxy.example:1", "NO_PROXY": ".amazonaws.com"}, AWS, None),
        ({"HTTPS_PROXY": "http://proxy.example:1", "NO_PROXY": "elsewhere"}, AWS, Proxy("proxy.example", 1)),
        ({"HTTPS_PROXY": "http://proxy.example:1"}, "localhost", None),
    ],
)
def test_the_environment_says_whether_there_is_a_proxy(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], host: str, way: Proxy | None
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(host) == way


@pytest.mark.parametrize("url", ["socks5://me:secret@proxy:1080", "https://me:secret@proxy", "http://me:secret@p:x"])
def test_a_proxy_that_cannot_be_used_is_refused_without_its_secrets(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("https_proxy", url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(UsageError) as caught:
        proxy_for(AWS)
    assert "secret" not in f"{caught.value.message}{caught.value.hint}" and AWS in (caught.value.hint or "")
