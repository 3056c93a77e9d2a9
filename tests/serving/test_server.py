"""The server around the protocol: addresses, room for so many, keys, and ends."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from http.client import HTTPConnection

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.contract.wire import COMMIT, FINAL, RealtimeServerUnderTest, Wire, append, open_wire, update
from tests.fakes.scripted import ScriptedEngine, a_word_every
from voxctl.errors import EngineUnavailable, StreamError, UsageError
from voxctl.serving.server import RunningServer, open_server

SECOND = bytes(32_000)


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


IPV6 = [("::1", "ws://[::1]:")] if _has_ipv6() else []


def under_test(server: RunningServer, engine: ScriptedEngine, key: str | None = None) -> RealtimeServerUnderTest:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return RealtimeServerUnderTest(f"{server.url}/v1/realtime", engine.model, headers=headers)


@asynccontextmanager
async def stream(server: RunningServer, engine: ScriptedEngine) -> AsyncIterator[Wire]:
    async with open_wire(under_test(server, engine)) as wire:
        yield wire


async def eventually(server: RunningServer, n_streams: int) -> None:
    """Wait until so many streams are open."""
    for _ in range(1000):
        if server.n_streams == n_streams:
            return
        await asyncio.sleep(0.005)
    raise AssertionError(f"{server.n_streams} streams are open")


async def fetch(server: RunningServer, path: str, key: str = "") -> tuple[int, bytes]:
    """The status and the body of a plain GET."""
    address = server.url.removeprefix("ws://")

    def get() -> tuple[int, bytes]:
        connection = HTTPConnection(address, timeout=5)
        try:
            connection.request("GET", path, headers={"Authorization": key} if key else {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    return await asyncio.to_thread(get)


async def close_code(wire: Wire) -> int:
    """Read to the end of a connection and return its close code."""
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            await wire.receive()
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code


# -- room ------------------------------------------------------------------------------------------------------


async def test_a_full_server_says_so_in_words_and_closes_with_try_again_later() -> None:
    engine = ScriptedEngine()
    async with open_server(engine, max_streams=1) as server, stream(server, engine):
        async with connect(f"{server.url}/v1/realtime") as refused:
            message = json.loads(await refused.recv())
            assert (message["type"], message["code"]) == ("error", "server_full")
            assert message["error"] == "It serves 1 stream at a time."
            with pytest.raises(ConnectionClosed) as closed:
                await refused.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1013


async def test_being_full_is_not_being_ill() -> None:
    engine = ScriptedEngine()
    async with open_server(engine, max_streams=1) as server, stream(server, engine):
        assert (await fetch(server, "/health"))[0] == 200
        assert (await fetch(server, "/ping"))[0] == 200


@pytest.mark.parametrize("way", ["closed", "cut", "cut in mid-utterance", "a binary frame", "refused by the engine"])
async def test_however_a_stream_ends_its_place_is_free_again(way: str) -> None:
    engine = ScriptedEngine()
    async with open_server(engine, max_streams=1) as server:
        async with stream(server, engine) as wire:
            assert server.n_streams == 1
            if way == "cut in mid-utterance":
                await wire.send(update(engine.model), append(SECOND), COMMIT)
                await wire.deltas(1)
            match way:
                case "closed":
                    await wire.socket.close()
                case "a binary frame":
                    await wire.send(b"\x00")
                case "refused by the engine":
                    with engine.broken():
                        await wire.send(update(engine.model), append(SECOND), COMMIT)
                        assert await wire.fails_with() == "processing_error"
                        assert await close_code(wire) == 1012
                case _:
                    wire.socket.transport.abort()
            await eventually(server, 0)
        assert not engine.open_streams
        async with stream(server, engine) as wire:
            assert len((await wire.say(SECOND)).deltas) == 23


async def test_a_server_for_no_streams_is_a_mistake() -> None:
    with pytest.raises(UsageError):
        async with open_server(ScriptedEngine(), max_streams=0):
            pass


# -- keys ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["", "Bearer wrong", "Bearer ", "Basic s3cret", "s3cret", "Bearer s3crét"])
async def test_without_the_key_the_handshake_is_refused(header: str) -> None:
    async with open_server(ScriptedEngine(), api_key="s3cret") as server:
        headers = {"Authorization": header} if header else {}
        with pytest.raises(InvalidStatus) as refused:
            async with connect(f"{server.url}/v1/realtime", additional_headers=headers):
                pass
        assert refused.value.response.status_code == HTTPStatus.UNAUTHORIZED
        assert server.n_streams == 0


async def test_with_the_key_it_serves_and_health_needs_none() -> None:
    engine = ScriptedEngine()
    async with open_server(engine, api_key="s3cret") as server:
        async with open_wire(under_test(server, engine, "s3cret")) as wire:
            assert len((await wire.say(SECOND)).deltas) == 23
        assert (await fetch(server, "/v1/models"))[0] == HTTPStatus.UNAUTHORIZED
        assert (await fetch(server, "/v1/models", "bearer s3cret"))[0] == HTTPStatus.OK
        for path in ("/health", "/ping"):
            assert (await fetch(server, path))[0] == HTTPStatus.OK


# -- engines that do not work ----------------------------------------------------------------------------------


async def test_an_engine_that_cannot_start_means_no_server_and_no_port_held() -> None:
    engine = ScriptedEngine()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with engine.broken("no model on this machine"), pytest.raises(EngineUnavailable, match="no model"):
        async with open_server(engine, port=port):
            pass
    async with open_server(engine, port=port):
        pass


async def test_health_tells_what_is_wrong_with_the_engine() -> None:
    engine = ScriptedEngine()
    async with open_server(engine) as server:
        with engine.broken("its process does not start"):
            for path in ("/health", "/ping"):
                status, body = await fetch(server, path)
                assert status == HTTPStatus.SERVICE_UNAVAILABLE
                assert json.loads(body) == {"error": "its process does not start"}
        assert (await fetch(server, "/health"))[0] == HTTPStatus.OK


async def test_an_engine_that_dies_in_mid_utterance_ends_the_stream_as_vllm_would() -> None:
    engine = ScriptedEngine(a_word_every(0.2, until_s=5.0))
    async with open_server(engine) as server, stream(server, engine) as wire:
        with engine.die_after(5):
            await wire.send(update(engine.model), append(5 * SECOND), COMMIT)
            assert await wire.fails_with() == "processing_error"
            assert await close_code(wire) == 1012
        await eventually(server, 0)
        assert not engine.open_streams


async def test_two_streams_share_nothing_not_even_a_death() -> None:
    engine = ScriptedEngine(a_word_every(0.2, until_s=5.0))
    async with open_server(engine) as server, stream(server, engine) as one, stream(server, engine) as other:
        await other.send(update(engine.model), append(SECOND), COMMIT)
        early = await other.deltas(6)
        with engine.die_after(0):
            await one.send(update(engine.model), append(SECOND), COMMIT)
            assert await one.fails_with() == "processing_error"
        await other.send(append(SECOND), FINAL)
        rest = await other.until_done()
        assert "".join(early) + rest.text == "w1 w2 w3 w4 w5 w6 w7 w8 w9 w10"


# -- floods ----------------------------------------------------------------------------------------------------


async def test_a_flood_is_not_read_when_the_recogniser_does_not_keep_up() -> None:
    engine = ScriptedEngine()
    async with open_server(engine) as server, stream(server, engine) as wire:
        with engine.stall_after(0):
            await wire.send(update(engine.model), append(SECOND), COMMIT)
            n_sent_s = 0
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1.0):
                    while n_sent_s < 3600:
                        await wire.send(append(10 * SECOND))
                        n_sent_s += 10
            # 30 s are read; the rest lies in the kernel's buffers, a few MB at most.
            assert 30 <= n_sent_s <= 400
            await server.stop(grace_s=0.0)
    assert not engine.open_streams


@pytest.mark.real
async def test_audio_that_nobody_commits_is_refused_in_the_end_and_the_stream_goes_on() -> None:
    engine = ScriptedEngine()
    async with open_server(engine) as server, stream(server, engine) as wire:
        await wire.send(update(engine.model), *[append(300 * SECOND)] * 3)
        assert await wire.fails_with() == "invalid_audio"
        await wire.send(COMMIT, FINAL)
        assert len((await wire.until_done()).deltas) == (600 * 16_000 - 40) // 1280 + 11


# -- ends ------------------------------------------------------------------------------------------------------


async def test_leaving_the_context_closes_idle_streams_with_1012_at_once() -> None:
    engine = ScriptedEngine()
    async with open_server(engine) as server:
        wire = await _open(server)
        began = time.monotonic()
    assert time.monotonic() - began < 1.5
    assert await close_code(wire) == 1012
    assert not engine.is_running


async def test_stop_lets_an_utterance_end_and_takes_no_new_stream() -> None:
    engine = ScriptedEngine([("word", 0.5)])
    async with open_server(engine) as server, stream(server, engine) as wire:
        await wire.send(update(engine.model), append(SECOND), COMMIT)
        await wire.deltas(6)
        stopping = asyncio.create_task(server.stop(grace_s=5.0))
        await asyncio.sleep(0.05)
        with pytest.raises(OSError, match=r"refused|reset|failed"):
            async with connect(f"{server.url}/v1/realtime"):
                pass
        await wire.send(FINAL)
        assert (await wire.until_done()).done["text"] == "word"
        assert await close_code(wire) == 1012
        await stopping
        await server.wait_closed()


async def test_stop_does_not_wait_for_ever() -> None:
    engine = ScriptedEngine()
    async with open_server(engine) as server, stream(server, engine) as wire:
        await wire.send(update(engine.model), append(SECOND), COMMIT)
        await wire.deltas(6)
        await server.stop(grace_s=0.1)
        assert await close_code(wire) == 1012
    assert not engine.open_streams


async def test_an_error_in_the_context_comes_out_as_it_is_and_everything_ends() -> None:
    engine = ScriptedEngine()
    with pytest.raises(ZeroDivisionError):
        async with open_server(engine) as server:
            wire = await _open(server)
            await wire.send(update(engine.model), append(SECOND), COMMIT)
            await wire.deltas(6)
            raise ZeroDivisionError
    assert await close_code(wire) == 1012
    assert not engine.open_streams
    assert not engine.is_running


async def test_it_prints_nothing_and_leaves_no_task(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    engine = ScriptedEngine()
    async with open_server(engine, max_streams=1) as server:
        async with stream(server, engine) as wire:
            await wire.send("{nope")
            assert await wire.fails_with() == "invalid_json"
            assert (await fetch(server, "/nowhere"))[0] == HTTPStatus.NOT_FOUND
            async with connect(f"{server.url}/v1/realtime") as refused:
                await refused.recv()
            await wire.socket.send(b"text that is not UTF-8: \xff", text=True)
            assert await close_code(wire) == 1007
        await eventually(server, 0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert capfd.readouterr() == ("", "")
    # Outside of pytest, Python prints the warnings of every logger that nobody has configured.
    assert {record.name for record in caplog.records if record.levelno >= logging.WARNING} == {"voxctl.serving"}


async def test_signals_stay_with_whoever_runs_the_loop() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    async with open_server(ScriptedEngine()):
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


async def _open(server: RunningServer) -> Wire:
    """A stream that the test does not close."""
    socket = await connect(f"{server.url}/v1/realtime", compression=None)
    return Wire(socket, json.loads(await socket.recv()), "scripted-model")


# -- addresses -------------------------------------------------------------------------------------------------


async def test_a_port_in_use_is_said_with_what_to_do() -> None:
    async with open_server(ScriptedEngine()) as server:
        port = int(server.url.rsplit(":", 1)[1])
        with pytest.raises(StreamError, match="in use") as failed:
            async with open_server(ScriptedEngine(), port=port):
                pass
        assert failed.value.hint is not None
        assert "--port" in failed.value.hint


@pytest.mark.parametrize(
    ("host", "port"), [("no.such.host.invalid", 0), ("192.0.2.1", 0), ("127.0.0.1", 65_536), ("127.0.0.1", -1)]
)
async def test_an_address_that_cannot_be_is_the_users_mistake(host: str, port: int) -> None:
    with pytest.raises(UsageError) as failed:
        async with open_server(ScriptedEngine(), host=host, port=port):
            pass
    assert failed.value.hint


@pytest.mark.parametrize(
    ("host", "prefix"),
    [("127.0.0.1", "ws://127.0.0.1:"), ("localhost", "ws://"), ("0.0.0.0", "ws://127.0.0.1:"), *IPV6],
)
async def test_its_url_can_be_connected_to(host: str, prefix: str) -> None:
    engine = ScriptedEngine()
    async with open_server(engine, host=host) as server:
        assert server.url.startswith(prefix)
        async with stream(server, engine) as wire:
            assert wire.greeting["type"] == "session.created"
