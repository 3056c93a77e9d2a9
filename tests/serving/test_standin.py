"""The stand-in for SageMaker, asked by the AWS SDK: what becomes of a message, a path, a name, an end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from tests.fakes.sagemaker import QUICK, FakeSageMaker, echo_model, open_sagemaker
from tests.fakes.sagemaker_sdk import Address, Sdk, SdkStream, open_sdk
from tests.fakes.sockets import peer_server, raw_server
from voxctl.errors import StreamError, UsageError
from voxctl.serving.standin.limits import Limits
from voxctl.serving.standin.server import open_stand_in


@asynccontextmanager
async def sdk_of(service: FakeSageMaker) -> AsyncIterator[Sdk]:
    async with open_sdk(Address.of(service.stand_in)) as sdk:
        yield sdk


@asynccontextmanager
async def stream_to(service: FakeSageMaker, **settings: str) -> AsyncIterator[SdkStream]:
    async with sdk_of(service) as sdk:
        yield await (await sdk.stream(**settings)).opened()


async def raised_by(work: Any) -> Any:
    """Return what it raises."""
    with pytest.raises(Exception) as caught:
        await work
    return caught.value


# -- messages --------------------------------------------------------------------------------------------------


async def test_text_stays_text_and_bytes_stay_bytes() -> None:
    async with open_sagemaker() as service, stream_to(service) as stream:
        await stream.send("hello, wörld")
        assert await stream.receive() == "hello, wörld"
        for kind in ("BINARY", None):
            await stream.send(b"\x00\xff", kind=kind)
            assert await stream.receive() == b"\x00\xff"
        assert (service.counters.messages_in, service.counters.messages_out) == (3, 3)


async def test_partial_parts_are_one_message_to_the_model() -> None:
    async with open_sagemaker() as service, stream_to(service) as stream:
        for piece in ("one ", "two "):
            await stream.send(piece, partial=True)
        await stream.send("three")
        await stream.send("four")
        assert [await stream.receive(), await stream.receive()] == ["one two three", "four"]


async def test_a_message_in_frames_of_the_model_comes_in_partial_parts() -> None:
    async def model(connection: ServerConnection) -> None:
        async for _ in connection:
            await connection.send(iter(["one ", "two ", "three"]))

    async with serve(model, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with open_sagemaker(f"ws://127.0.0.1:{port}") as service, stream_to(service) as stream:
            await stream.send("go")
            parts: list[Any] = []
            while not parts or parts[-1].completion_state == "PARTIAL":
                parts.append(await stream.part())
    assert b"".join(part.bytes_ or b"" for part in parts) == b"one two three"
    assert [part.completion_state for part in parts[:-1]] == ["PARTIAL"] * (len(parts) - 1) and len(parts) > 1
    assert {part.data_type for part in parts} == {"UTF8"}


@pytest.mark.parametrize("n_bytes", [0, 16_384, 300_000, 2_000_000])
async def test_messages_larger_than_every_window_pass(n_bytes: int) -> None:
    async with open_sagemaker() as service, stream_to(service) as stream:
        sending = asyncio.create_task(stream.send("x" * n_bytes))
        assert await stream.receive() == "x" * n_bytes
        await sending


# -- addresses -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own_path", "settings", "asked"),
    [
        ("", {}, "/invocations-bidirectional-stream"),
        ("/v1/realtime", {}, "/v1/realtime"),
        ("/v1/realtime", {"model_invocation_path": "other/path"}, "/other/path"),
        ("", {"model_invocation_path": "v1/realtime", "model_query_string": "a=1&b=%20"}, "/v1/realtime?a=1&b=%20"),
        ("/own?key=k", {"model_query_string": "a=1"}, "/own?key=k&a=1"),
        # Written with a slash before it, the path gets a second one.
        ("", {"model_invocation_path": "/v1/realtime"}, "//v1/realtime"),
    ],
)
async def test_path_and_query_of_the_request_are_the_model_s(
    own_path: str, settings: dict[str, str], asked: str
) -> None:
    async with (
        echo_model() as model,
        open_sagemaker(model.url + own_path) as service,
        stream_to(service, **settings) as stream,
    ):
        await stream.send("hello")
        await stream.receive()
        assert model.paths == [asked]


@pytest.mark.parametrize("endpoint", ["a", "My-Endpoint-2", "name with space", "é"])
async def test_any_endpoint_name_is_served(endpoint: str) -> None:
    async with open_sagemaker() as service, stream_to(service, endpoint=endpoint, target_variant="green") as stream:
        await stream.send("hello")
        assert await stream.receive() == "hello"
        assert stream.output.invoked_production_variant == "green"
        assert stream.output.response_metadata.request_id


async def test_the_model_gets_its_key_and_nobody_else_s() -> None:
    async with peer_server() as peers, open_sagemaker(peers.url, api_key="s3cret") as service, stream_to(service):
        headers = (await peers.accepted.get()).connection.request
        assert headers is not None and headers.headers["Authorization"] == "Bearer s3cret"


# -- models that do not accept ---------------------------------------------------------------------------------


async def test_a_model_that_refuses_is_a_424_with_its_status_and_without_its_words() -> None:
    refusal = b"HTTP/1.1 503 Busy\r\ncontent-length: 11\r\n\r\nvery secret"
    async with raw_server(refusal) as url, open_sagemaker(url) as service, sdk_of(service) as sdk:
        error = await raised_by((await sdk.stream("mine")).opened())
    assert type(error).__name__ == "ModelError" and error.original_status_code == 503
    assert "secret" not in str(vars(error)) and error.log_stream_arn.endswith("/aws/sagemaker/Endpoints/mine")
    assert service.counters.refused == 1


async def test_a_model_that_is_elsewhere_is_not_followed() -> None:
    elsewhere = b"HTTP/1.1 302 Found\r\nlocation: ws://192.0.2.1/\r\ncontent-length: 0\r\n\r\n"
    async with raw_server(elsewhere) as url, open_sagemaker(url) as service, sdk_of(service) as sdk:
        assert type(await raised_by((await sdk.stream()).opened())).__name__ == "ModelError"


@pytest.mark.parametrize("model", ["accepts nothing", "is not there", "says nonsense"])
async def test_a_model_that_does_not_accept_in_time_or_at_all_is_a_424(model: str) -> None:
    answer = b"SMTP ready\r\n\r\n" if model == "says nonsense" else b""
    async with raw_server(answer, close=model == "says nonsense") as url:
        target = "ws://127.0.0.1:1/" if model == "is not there" else url
        limits = replace(QUICK, accept_s=Limits().accept_s)
        async with open_sagemaker(target, limits=limits) as service, sdk_of(service) as sdk:
            began_s = time.monotonic()
            error = await raised_by((await sdk.stream()).opened())
            assert time.monotonic() - began_s < 4
    assert type(error).__name__ == "ModelError" and error.original_status_code is None
    assert ("within 250 ms" in error.message) == (model == "accepts nothing")


# -- ends ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [1000, 1001])
async def test_a_model_that_closes_well_ends_the_stream(code: int) -> None:
    async with peer_server() as peers, open_sagemaker(peers.url) as service, stream_to(service) as stream:
        peer = await peers.accepted.get()
        await peer.send("last words")
        await peer.close(code)
        assert [await stream.receive(), await stream.receive()] == ["last words", None]


@pytest.mark.parametrize("code", [1008, 1011, 1012, 1013, None])
async def test_a_model_that_does_not_close_well_is_a_model_stream_error(code: int | None) -> None:
    async with peer_server() as peers, open_sagemaker(peers.url) as service, stream_to(service) as stream:
        peer = await peers.accepted.get()
        await peer.send("last words")
        await (peer.close(code) if code else peer.abort())
        assert await stream.receive() == "last words"
        error = await raised_by(stream.receive())
    assert type(error).__name__ == "ModelStreamError" and error.error_code == "StreamBroken"
    assert str(code) in error.message if code else "broke" in error.message


async def test_at_the_end_of_the_request_the_model_is_told_and_what_it_still_says_is_delivered() -> None:
    async with open_sagemaker() as service, stream_to(service) as stream:
        for n in range(20):
            await stream.send(str(n))
        await stream.close_input()
        assert [await stream.receive() for _ in range(21)] == [*map(str, range(20)), None]
    assert service.counters.signed_events == 21


async def test_the_model_s_connection_is_closed_with_1000_at_the_end_of_the_request() -> None:
    async with echo_model() as model, open_sagemaker(model.url) as service, stream_to(service) as stream:
        await stream.close_input()
        assert await stream.receive() is None
        assert model.closes == [1000]


# -- many ------------------------------------------------------------------------------------------------------


async def test_two_clients_with_many_streams_hear_only_their_own() -> None:
    async def talk(sdk: Sdk, name: str) -> None:
        stream = await (await sdk.stream(name)).opened()
        for n in range(5):
            await stream.send(f"{name} {n}")
            assert await stream.receive() == f"{name} {n}"
        await stream.close_input()
        assert await stream.receive() is None

    async with open_sagemaker() as service, sdk_of(service) as one, sdk_of(service) as other:
        await asyncio.gather(*(talk(sdk, f"{name}{n}") for sdk, name in ((one, "a"), (other, "b")) for n in range(8)))
        counters = service.counters
        assert (counters.streams, counters.open_streams, counters.messages_in) == (16, 0, 80)


# -- mistakes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "", "example.com"])
async def test_it_listens_for_this_machine_only(host: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not listen"):
        async with open_stand_in("ws://127.0.0.1:1", host=host, folder=tmp_path):
            pass


@pytest.mark.parametrize("upstream", ["http://127.0.0.1:8000", "127.0.0.1:8000", "ws://", ""])
async def test_what_is_no_websocket_address_is_said(upstream: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no WebSocket address"):
        async with open_stand_in(upstream, folder=tmp_path):
            pass


async def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    async with open_stand_in("ws://127.0.0.1:1", folder=tmp_path) as running:
        with pytest.raises(StreamError, match="in use"):
            async with open_stand_in("ws://127.0.0.1:1", folder=tmp_path, port=running.port):
                pass
