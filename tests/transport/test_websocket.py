"""What can go wrong before a WebSocket is open, each as one clear error."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from pathlib import Path

import pytest
import trustme
from websockets import exceptions as foreign
from websockets.datastructures import Headers
from websockets.http11 import Response

from tests.fakes.sockets import peer_server, raw_server
from voxctl.errors import ConnectFailed, HandshakeRefused, ProtocolError, StreamError, UsageError
from voxctl.transport.faults import renamed
from voxctl.transport.websocket import WebSocketTarget, open_websocket, realtime_url


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("ws://h:8000", "ws://h:8000/v1/realtime"),
        ("ws://h:8000/", "ws://h:8000/v1/realtime"),
        ("wss://h/other/path?x=1", "wss://h/other/path?x=1"),
        ("http://h:8000", "ws://h:8000/v1/realtime"),
        ("https://h", "wss://h/v1/realtime"),
        ("127.0.0.1:8000", "ws://127.0.0.1:8000/v1/realtime"),
        ("ws://[::1]:80", "ws://[::1]:80/v1/realtime"),
    ],
)
def test_an_address_without_a_path_gets_the_realtime_one(given: str, used: str) -> None:
    assert realtime_url(given) == used


@pytest.mark.parametrize(
    "url",
    [
        *("", "ftp://h", "ws://", "ws://h:port", "ws://h:99999", "ws://[::1", "ws://a..b:80", "ws:/h:80"),
        *("ws://user:pw@h", "ftp://user:pw@h", "ws://user:pw@h:80x", f"ws://{'a' * 64}.b"),
    ],
)
def test_what_is_no_address_is_a_usage_error(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        realtime_url(url)
    assert caught.value.hint and "pw" not in caught.value.message


async def test_nobody_listening_says_so() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: refused
        url = f"ws://127.0.0.1:{taken.getsockname()[1]}/v1/realtime"
        with pytest.raises(ConnectFailed, match="nobody is listening") as caught:
            await open_websocket(WebSocketTarget(url))
    assert caught.value.hint and "voxctl serve" in caught.value.hint


async def test_an_unknown_host_says_so() -> None:
    with pytest.raises(ConnectFailed, match="cannot be reached"):
        await open_websocket(WebSocketTarget("ws://no-such-host.invalid/v1/realtime"))


@pytest.mark.parametrize("status", [401, 403, 404, 424, 429, 500, 503])
async def test_an_http_answer_keeps_its_status(status: int) -> None:
    async with raw_server(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode()) as url:
        with pytest.raises(HandshakeRefused, match=str(status)) as caught:
            await open_websocket(WebSocketTarget(url))
    assert caught.value.status == status and caught.value.hint


async def test_a_server_that_speaks_something_else_says_so() -> None:
    async with raw_server(b"SSH-2.0-nope\r\n") as url:
        with pytest.raises(ConnectFailed, match="does not speak HTTP"):
            await open_websocket(WebSocketTarget(url))


async def test_a_plain_web_server_is_called_one() -> None:
    async with raw_server(b"HTTP/1.0 404 File not found\r\n\r\n") as url:
        with pytest.raises(ConnectFailed, match="is a web server, not a WebSocket server"):
            await open_websocket(WebSocketTarget(url))


async def test_a_server_that_never_answers_is_left_within_the_deadline() -> None:
    started = time.monotonic()
    async with raw_server(b"", close=False) as url:
        with pytest.raises(ConnectFailed, match="did not answer in time") as caught:
            await open_websocket(WebSocketTarget(url, open_s=0.3))
    assert caught.value.timed_out and time.monotonic() - started < 3


async def test_a_certificate_nobody_vouches_for_says_so() -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
    async with peer_server(tls) as server:
        with pytest.raises(ConnectFailed, match="secure connection") as caught:
            await open_websocket(WebSocketTarget(server.url))
    assert caught.value.hint and "--ca-bundle" in caught.value.hint


@pytest.mark.parametrize("content", [None, "", "no certificate"])
async def test_a_ca_bundle_that_is_none_is_a_usage_error(tmp_path: Path, content: str | None) -> None:
    bundle = tmp_path / "ca.pem"
    if content is not None:
        bundle.write_text(content)
    with pytest.raises(UsageError, match="CA bundle"):
        await open_websocket(WebSocketTarget("wss://127.0.0.1:1/", ca_bundle=bundle))


@pytest.mark.parametrize("variable", ["http_proxy", "HTTPS_PROXY", "ALL_PROXY"])
async def test_a_proxy_is_not_asked_for_the_way_to_this_machine(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:1")
    async with peer_server() as server:
        await (await open_websocket(WebSocketTarget(server.url))).aclose()


async def test_closing_does_not_wait_for_a_peer_that_reads_nothing() -> None:
    async with peer_server() as server:
        transport = await open_websocket(WebSocketTarget(server.url, close_s=0.3))
        peer = await server.accepted.get()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                while True:
                    await transport.send("x" * 65_536)
        started = time.monotonic()
        await transport.aclose()
        assert time.monotonic() - started < 1
        with pytest.raises(foreign.ConnectionClosedError):  # cut off: there was no room for a goodbye
            async with asyncio.timeout(5):
                while True:
                    await peer.receive()


async def test_the_key_is_sent_and_compression_is_not_offered() -> None:
    async with peer_server() as server:
        transport = await open_websocket(WebSocketTarget(server.url, api_key="s3cret"))
        request = (await server.accepted.get()).connection.request
        await transport.aclose()
    assert request is not None
    assert request.headers["Authorization"] == "Bearer s3cret"
    assert "Sec-WebSocket-Extensions" not in request.headers


async def test_the_end_of_line_of_a_key_file_is_left_out() -> None:
    async with peer_server() as server:
        transport = await open_websocket(WebSocketTarget(server.url, api_key="s3cret\r\n"))
        request = (await server.accepted.get()).connection.request
        await transport.aclose()
    assert request is not None and request.headers["Authorization"] == "Bearer s3cret"


@pytest.mark.parametrize("key", ["s3cr\ret", "s3crét", "a\nb"])
async def test_a_key_that_no_header_can_carry_is_a_usage_error_that_does_not_show_it(key: str) -> None:
    with pytest.raises(UsageError, match="header cannot carry") as caught:
        await open_websocket(WebSocketTarget("ws://127.0.0.1:1/", api_key=key))
    assert key not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("proxy", ["ftp://bob:hunter2@127.0.0.1:1", "http://bob:hunter2@127.0.0.1:1"])
async def test_the_password_of_a_proxy_is_in_no_error(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(ConnectFailed, match="proxy") as caught:
        await open_websocket(WebSocketTarget("wss://voxctl.invalid/v1/realtime"))
    assert "hunter2" not in f"{caught.value} {caught.value.hint}" and "NO_PROXY" in (caught.value.hint or "")


async def test_a_socks_proxy_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1")
    with pytest.raises(ConnectFailed, match="SOCKS"):
        await open_websocket(WebSocketTarget("wss://voxctl.invalid/v1/realtime"))


async def test_the_query_of_an_address_is_in_no_error() -> None:
    with pytest.raises(ConnectFailed) as caught:
        await open_websocket(WebSocketTarget("ws://127.0.0.1:1/v1/realtime?token=s3cret"))
    assert "s3cret" not in f"{caught.value} {caught.value.hint}" and "/v1/realtime" in caught.value.message


async def test_the_key_is_in_no_error_and_no_repr() -> None:
    target = WebSocketTarget("ws://127.0.0.1:1/", api_key="s3cret")
    with pytest.raises(StreamError) as caught:
        await open_websocket(target)
    assert "s3cret" not in f"{caught.value!r} {caught.value.hint} {target!r}"


async def test_a_binary_frame_is_a_protocol_error() -> None:
    async with peer_server() as server:
        transport = await open_websocket(WebSocketTarget(server.url))
        await (await server.accepted.get()).send_binary(b"\0")
        with pytest.raises(ProtocolError):
            await transport.receive()
        await transport.aclose()


def foreign_errors() -> list[type[Exception]]:
    """Return every exception class the WebSocket library can raise."""
    found: list[type[Exception]] = [foreign.WebSocketException]
    for kind in found:
        found += [sub for sub in kind.__subclasses__() if sub not in found]
    return found


def made(kind: type[Exception]) -> Exception:
    """Return an exception as the library makes it: each required argument given."""
    response = Response(500, "No", Headers())
    special: dict[str, tuple[object, ...]] = {
        "ConnectionClosed": (None, None),
        "ConnectionClosedOK": (None, None),
        "ConnectionClosedError": (None, None),
        "InvalidStatus": (response,),
        "InvalidProxyStatus": (response,),
        "InvalidHeaderFormat": ("name", "error", "header", 0),
        "PayloadTooBig": (2, 1),
        "SSLError": (1, "bad certificate"),
    }
    for arguments in (special.get(kind.__name__, ("x",)), ("x", "y")):
        with contextlib.suppress(TypeError):
            return kind(*arguments)
    raise AssertionError(f"say in this table how a {kind.__name__} is made")


@pytest.mark.parametrize("kind", [*foreign_errors(), OSError, TimeoutError, ConnectionResetError, ssl.SSLError])
def test_every_foreign_error_has_a_name_of_ours(kind: type[Exception]) -> None:
    named = renamed(made(kind), "ws://h")
    assert named.hint and "ws://h" in named.message
