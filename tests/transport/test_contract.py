"""One set of promises, kept by every transport."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import pytest
import trustme

from tests.fakes.sagemaker import open_sagemaker
from tests.fakes.sockets import peer_server
from tests.transport.streams import open_stream
from voxctl.errors import ConnectionLost
from voxctl.transport.base import Transport
from voxctl.transport.memory import memory_pair
from voxctl.transport.websocket import WebSocketTarget, open_websocket


class Far(Protocol):
    """What a test can do at the far end."""

    async def send(self, text: str) -> None: ...
    async def receive(self) -> str: ...
    async def close(self, code: int) -> None: ...
    async def abort(self) -> None: ...


Ends = tuple[Transport, Far]


def ended_with(error: ConnectionLost, code: int) -> bool:
    """Whether the error has the far end's close code; SageMaker does not pass it on, but says that the end was one."""
    return error.code == code or error.reason == "StreamBroken"


@pytest.fixture(params=["memory", "websocket", "websocket over TLS", "sagemaker"])
async def ends(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ends]:
    transport: Transport
    if request.param == "memory":
        yield memory_pair()
        return
    if request.param == "sagemaker":
        async with peer_server() as server, open_sagemaker(server.url) as service:
            transport = await open_stream(service, close_s=0.5)
            yield transport, await server.accepted.get()
            await transport.aclose()
        return
    tls, bundle = None, None
    if "TLS" in request.param:
        authority = trustme.CA()
        tls, bundle = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), tmp_path / "ca.pem"
        authority.issue_cert("127.0.0.1").configure_cert(tls)
        authority.cert_pem.write_to_path(str(bundle))
    async with peer_server(tls) as server:
        transport = await open_websocket(WebSocketTarget(server.url, ca_bundle=bundle, close_s=0.5))
        yield transport, await server.accepted.get()
        await transport.aclose()


async def test_frames_arrive_in_order_both_ways(ends: Ends) -> None:
    near, far = ends
    for i in range(20):
        await near.send(f"to {i}")
        await far.send(f"fro {i} ü 你")
    assert [await far.receive() for _ in range(20)] == [f"to {i}" for i in range(20)]
    assert [await near.receive() for _ in range(20)] == [f"fro {i} ü 你" for i in range(20)]


async def test_frames_of_any_length_arrive_whole_both_ways(ends: Ends) -> None:
    near, far = ends
    frames = [letter * n for letter, n in zip("abcdef", (1, 100_000, 16_384, 2, 300_000, 125), strict=True)]

    async def send_all(end: Transport | Far) -> None:
        for frame in frames:
            await end.send(frame)

    for sender, receiver in ((near, far), (far, near)):
        sending = asyncio.create_task(send_all(sender))
        assert [await receiver.receive() for _ in frames] == frames
        await sending


async def test_what_came_before_the_end_is_given_before_the_end(ends: Ends) -> None:
    near, far = ends
    await far.send("last words")
    await far.close(1013)
    assert await near.receive() == "last words"
    with pytest.raises(ConnectionLost) as caught:
        await near.receive()
    assert ended_with(caught.value, 1013)


async def test_a_break_without_a_goodbye_has_no_code(ends: Ends) -> None:
    near, far = ends
    await far.abort()
    with pytest.raises(ConnectionLost) as caught:
        await near.receive()
    assert caught.value.code is None and caught.value.hint


async def test_a_receiver_that_waits_is_woken_by_the_end(ends: Ends) -> None:
    near, far = ends
    waiting = asyncio.create_task(near.receive())
    await asyncio.sleep(0.02)
    await far.close(1012)
    with pytest.raises(ConnectionLost) as caught:
        await waiting
    assert ended_with(caught.value, 1012)


async def test_sending_after_the_end_says_so(ends: Ends) -> None:
    near, far = ends
    await far.close(1012)
    with pytest.raises(ConnectionLost):
        await near.receive()
    with pytest.raises(ConnectionLost) as caught:
        await near.send("too late")
    assert ended_with(caught.value, 1012)


async def test_a_cancelled_receive_loses_no_frame(ends: Ends) -> None:
    near, far = ends
    for i in range(5):
        waiting = asyncio.create_task(near.receive())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await far.send(str(i))
        assert await near.receive() == str(i)


async def test_a_sender_waits_for_a_receiver_that_does_not_read(ends: Ends) -> None:
    near, _ = ends
    big = "x" * 65_536

    async def flood() -> None:
        for _ in range(2_000):
            await near.send(big)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(flood(), 0.5)


async def test_closing_tells_the_far_end_and_can_be_done_twice(ends: Ends) -> None:
    near, far = ends
    await near.send("bye")
    await near.aclose()
    await near.aclose()
    assert await far.receive() == "bye"
    with pytest.raises(Exception, match="1000"):
        await far.receive()


async def test_closing_does_not_wait_for_a_far_end_that_is_gone(ends: Ends) -> None:
    near, far = ends
    await far.abort()
    started = time.monotonic()
    await near.aclose()
    assert time.monotonic() - started < 2


async def test_saying_that_no_more_will_be_sent_keeps_the_way_back_open(ends: Ends) -> None:
    near, far = ends
    await near.send_eof()
    await far.send("still here")
    assert await near.receive() == "still here"
