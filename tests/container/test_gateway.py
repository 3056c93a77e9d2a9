"""The gateway around a real server on a real port: who is let in, who waits, what is counted, and what is said."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time

import pytest
import uvicorn
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from gateway import Gateway
from gateway.account import Bounds
from gateway.asgi import Message, Receive, Scope, Send
from gateway.settings import Settings
from tests.container.gate import QUIET, QueueServer, living, open_gate, served
from tests.contract.wire import COMMIT, FINAL, RealtimeServerUnderTest, Wire, append, open_wire, pcm, update
from tests.fakes.scripted import ScriptedEngine, a_word_every

SECOND = 16_000
ONE = Settings(max_streams=1, emf_s=0, drain_s=0)


async def closing(wire: Wire) -> tuple[int, str]:
    """The code and the reason with which the server closes, whatever it says before."""
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            await wire.receive()
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason


# -- the path ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/invocations-bidirectional-stream", "/v1/realtime"])
async def test_a_stream_under_either_path_is_transcribed(path: str) -> None:
    engine = ScriptedEngine(a_word_every(0.3, until_s=5.0))
    async with open_gate(engine) as gate:
        server = RealtimeServerUnderTest(gate.url + path, gate.model, path=path)
        async with open_wire(server) as wire:
            assert (await wire.say(pcm(2 * SECOND))).text == "w1 w2 w3 w4 w5 w6"


async def test_no_other_path_is_a_stream() -> None:
    async with open_gate(ScriptedEngine()) as gate:
        with pytest.raises(InvalidStatus):
            async with connect(f"{gate.url}/invocations-bidirectional-stream/more"):
                pass


async def test_the_key_is_still_wanted_under_sagemakers_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_API_KEY", "open-sesame")
    async with open_gate(ScriptedEngine(), api_key="open-sesame") as gate:
        with pytest.raises(InvalidStatus) as refused:
            async with open_wire(gate.server):
                pass
        assert refused.value.response.status_code == 401
        await gate.until(n_active=0)
        assert gate.gateway.figures.ends["rejected"] == 1


async def test_text_in_binary_messages_is_text() -> None:
    engine = ScriptedEngine(a_word_every(0.3, until_s=5.0))
    async with open_gate(engine) as gate, open_wire(gate.server) as wire:
        for message in (update(gate.model), append(pcm(SECOND)), COMMIT, FINAL):
            await wire.send(json.dumps(message).encode())
        assert (await wire.until_done()).text == "w1 w2 w3"


async def test_a_binary_message_without_text_is_named_in_the_goodbye() -> None:
    async with open_gate(ScriptedEngine()) as gate, open_wire(gate.server) as wire:
        await wire.send(b"\xff\xfe")
        assert await closing(wire) == (1003, "a binary message that holds no text")
        await gate.until(n_active=0)
        assert gate.gateway.figures.ends["binary"] == 1


# -- room ----------------------------------------------------------------------------------------------------------


async def test_a_stream_too_many_is_told_in_words_at_once() -> None:
    async with open_gate(ScriptedEngine(), ONE) as gate, open_wire(gate.server):
        started_s = time.monotonic()
        async with connect(gate.server.url) as refused:
            assert json.loads(await refused.recv()) == {
                "type": "error",
                "error": "It serves 1 stream at a time.",
                "code": "server_full",
            }
            assert time.monotonic() - started_s < 1
            with pytest.raises(ConnectionClosed):
                await refused.recv()
            assert refused.close_code == 1013
        assert gate.gateway.figures.n_refused == 1
        assert (await gate.fetch("/ping"))[0] == 200, "being full is not being ill"


#: uvicorn's two ways to speak WebSocket; which one vLLM has depends on its age.
OLD = [pytest.mark.filterwarnings("ignore:.*deprecated"), pytest.mark.filterwarnings("ignore::DeprecationWarning")]
WAYS = pytest.mark.parametrize("ws", ["websockets-sansio", pytest.param("websockets", marks=OLD)])


@pytest.mark.real
@WAYS
@pytest.mark.parametrize("way", ["closed", "cut", "half closed", "binary", "too much at once"])
async def test_however_a_stream_ends_its_place_is_free_again(way: str, ws: str) -> None:
    ends = {"closed": "client", "cut": "lost", "half closed": "lost", "binary": "binary"}
    async with open_gate(ScriptedEngine(), ONE, ws_max_size=100_000, ws=ws) as gate:
        async with open_wire(gate.server) as wire:
            await wire.send(update(gate.model), append(pcm(SECOND)), COMMIT)
            await wire.deltas(1)
            match way:
                case "closed":
                    await wire.socket.close()
                case "cut":
                    wire.socket.transport.abort()
                case "half closed":
                    wire.socket.transport.write_eof()
                case "binary":
                    await wire.send(b"\xff")
                case _:
                    await wire.send("x" * 100_001)
            await gate.until(n_active=0)
        assert gate.gateway.figures.ends[ends.get(way, "protocol")] == 1
        async with open_wire(gate.server) as wire:
            assert len((await wire.say(pcm(SECOND))).deltas) == gate.server.deltas_in_all(SECOND)


# -- sound that waits ----------------------------------------------------------------------------------------------


async def flood(wire: Wire, n_seconds: int) -> None:
    """Send sound as fast as the line takes it."""
    second = append(pcm(SECOND))
    for _ in range(n_seconds):
        await wire.send(second)


@pytest.mark.real
async def test_a_flood_waits_outside_and_is_transcribed_whole() -> None:
    queue = QueueServer()
    async with served(Gateway(living(queue), QUIET)) as url:
        server = RealtimeServerUnderTest(f"{url}/v1/realtime", "m")
        async with connect(server.url, max_queue=None) as socket:
            wire = Wire(socket, {}, "m")
            await wire.send(update("m"), COMMIT)
            await flood(wire, 600)
            await wire.send(FINAL)
            assert len((await wire.until_done()).deltas) == server.deltas_in_all(600 * SECOND)
    assert queue.most_ahead <= 6 * SECOND


@WAYS
async def test_a_model_that_stands_still_is_sent_no_more_than_the_bound(ws: str) -> None:
    engine = ScriptedEngine()
    async with open_gate(engine, bounds=Bounds(ahead_s=2.0), ws=ws) as gate:
        with engine.stall_after(5):
            async with open_wire(gate.server) as wire:
                await wire.send(update(gate.model), COMMIT)
                flooding = asyncio.create_task(flood(wire, 600))
                await gate.until(n_held=1)
                await asyncio.sleep(0.3)
                account = next(iter(gate.gateway._streams)).account
                assert account.n_samples - account.n_deltas * 1280 <= 3 * SECOND
                flooding.cancel()
                wire.socket.transport.abort()


async def test_sound_without_a_commit_is_refused_after_a_while_and_the_rest_is_good() -> None:
    async with open_gate(ScriptedEngine()) as gate, open_wire(gate.server) as wire:
        await wire.send(update(gate.model), *[append(pcm(SECOND))] * 6)
        refusal = await wire.receive()
        assert refusal["code"] == "invalid_audio"
        assert refusal["error"] == "5.0 s of audio wait for a commit; this chunk is dropped."
        await wire.send(COMMIT, FINAL)
        assert len((await wire.until_done()).deltas) == gate.server.deltas_in_all(5 * SECOND)
        assert len((await wire.say(pcm(SECOND))).deltas) == gate.server.deltas_in_all(SECOND)


async def test_one_message_carries_half_a_minute_and_no_more() -> None:
    async with open_gate(ScriptedEngine()) as gate, open_wire(gate.server) as wire:
        await wire.send(update(gate.model), append(bytes(60 * SECOND + 2)))
        assert await wire.fails_with() == "invalid_audio"
        await wire.send(append(bytes(60 * SECOND)), COMMIT, FINAL)
        assert len((await wire.until_done()).deltas) == gate.server.deltas_in_all(30 * SECOND)


# -- ends ----------------------------------------------------------------------------------------------------------


@pytest.mark.real
@WAYS
async def test_a_client_that_answers_no_ping_is_counted_and_its_place_is_free(ws: str) -> None:
    async with open_gate(ScriptedEngine(), ONE, ws=ws, ws_ping_interval=0.2, ws_ping_timeout=0.2) as gate:
        with socket.create_connection(gate.url.removeprefix("ws://").split(":")) as deaf:  # type: ignore[arg-type]
            deaf.sendall(
                b"GET /v1/realtime HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            )
            await gate.until(n_active=1)
            await gate.until(n_active=0)
        assert gate.gateway.figures.ends["keepalive"] == 1


@pytest.mark.real
@WAYS
async def test_a_client_whose_sound_waits_has_time_to_answer_a_ping(ws: str) -> None:
    engine = ScriptedEngine()
    async with open_gate(engine, ws=ws, ws_ping_interval=1, ws_ping_timeout=1) as gate:
        with engine.stall_after(5):
            async with open_wire(gate.server) as wire:
                await wire.send(update(gate.model), COMMIT)
                flooding = asyncio.create_task(flood(wire, 600))
                await gate.until(n_held=1)
                await asyncio.sleep(2.5)
                assert gate.gateway.figures.n_active == 1
                flooding.cancel()
                wire.socket.transport.abort()


async def test_a_model_that_gave_up_an_utterance_ends_the_stream() -> None:
    """vLLM says so once, and then takes the sound of that stream for ever."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        for _ in range(2):
            await receive()
        await send({"type": "websocket.send", "text": '{"type":"error","error":"gone","code":"processing_error"}'})
        while (await receive())["type"] != "websocket.disconnect":
            pass

    gateway = Gateway(living(app), QUIET)
    async with served(gateway) as url, connect(f"{url}/v1/realtime") as socket:
        wire = Wire(socket, {}, "m")
        await wire.send(COMMIT, append(pcm(SECOND)))
        assert await wire.fails_with() == "processing_error"
        assert await closing(wire) == (1012, "the model has failed")
        for _ in range(100):
            if not gateway.figures.n_active:
                break
            await asyncio.sleep(0.01)
    assert gateway.figures.ends["failed"] == 1


async def test_a_model_that_does_not_answer_is_given_up() -> None:
    engine = ScriptedEngine()
    async with open_gate(engine, ONE, Bounds(ahead_s=2.0, stuck_s=1.0)) as gate:
        with engine.stall_after(5):
            async with open_wire(gate.server) as wire:
                await wire.send(update(gate.model), COMMIT)
                flooding = asyncio.create_task(flood(wire, 600))
                said = [await wire.receive()]
                while said[-1]["type"] == "transcription.delta":
                    said.append(await wire.receive())
                assert said[-1]["code"] == "processing_error"
                assert await closing(wire) == (1013, "the model does not answer")
                await asyncio.gather(flooding, return_exceptions=True)
        await gate.until(n_active=0)
        assert gate.gateway.figures.ends["stuck"] == 1


@pytest.mark.real
async def test_a_client_that_reads_nothing_and_is_gone_does_not_keep_its_place() -> None:
    """The application waits for the client to read; only the server below knows that it never will."""
    ended = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        try:
            while True:
                await send({"type": "websocket.send", "text": "x" * 100_000})
        finally:
            ended.set()

    gateway = Gateway(living(app), QUIET)
    async with served(gateway, ws_ping_interval=0.2, ws_ping_timeout=0.2) as url:
        with socket.create_connection(url.removeprefix("ws://").split(":")) as deaf:  # type: ignore[arg-type]
            deaf.sendall(
                b"GET /v1/realtime HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            )
            async with asyncio.timeout(20):
                await ended.wait()
    assert gateway.figures.ends["keepalive"] == 1


# -- ping ----------------------------------------------------------------------------------------------------------


async def test_ping_is_200_only_after_an_utterance_and_then_the_servers_own() -> None:
    engine = ScriptedEngine()
    with engine.broken("no model yet"):
        async with open_gate(engine, ready=False) as gate:
            await asyncio.sleep(0.3)
            assert (await gate.fetch("/health"))[0] == 503
            status, body = await gate.fetch("/ping")
            assert (status, json.loads(body)) == (503, {"error": "no utterance has been transcribed yet"})
            engine._reason = None
            assert (await gate.fetch("/health"))[0] == 200, "the server is well, and yet nothing was transcribed"
            assert (await gate.fetch("/ping"))[0] == 503
            await gate.until(ready=True)
            assert await gate.fetch("/ping") == await gate.fetch("/ping", "POST") == (200, b"")
            engine._reason = "died"
            assert (await gate.fetch("/ping"))[0] == 503


async def test_the_first_utterance_tells_the_models_delay() -> None:
    async with open_gate(ScriptedEngine(delay_s=2.4)) as gate:
        assert gate.gateway.model.delay_samples == 2400 * 16
        async with open_wire(gate.server) as wire:  # the bound leaves room for the longest delay
            assert len((await wire.say(pcm(20 * SECOND))).deltas) == gate.server.deltas_in_all(20 * SECOND)


# -- what is counted and said --------------------------------------------------------------------------------------


@pytest.mark.real
async def test_the_lines_for_cloudwatch_hold_the_figures_and_nothing_that_was_said(
    capfd: pytest.CaptureFixture[str],
) -> None:
    engine = ScriptedEngine([("secretword", 0.5)])
    told = Settings(max_streams=1, emf_s=1, endpoint="there", drain_s=0)
    async with open_gate(engine, told) as gate, open_wire(gate.server) as wire:
        sound = pcm(1280)
        await wire.send(update(gate.model), append(sound), COMMIT)
        for _ in range(12):
            await asyncio.sleep(0.08)
            await wire.send(append(sound))
        async with connect(gate.server.url) as refused:
            await refused.recv()
        await asyncio.sleep(1.1)
        await wire.send(FINAL)
        assert "secretword" in (await wire.until_done()).text
        await wire.socket.close()
        await asyncio.sleep(2.1)
    out, err = capfd.readouterr()
    assert "secretword" not in out + err
    assert append(sound)["audio"][:40] not in out + err
    records = [json.loads(line) for line in out.splitlines()]
    for record in records:
        (directive,) = record["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == "voxctl"
        assert abs(record["_aws"]["Timestamp"] / 1000 - time.time()) < 60
        names = {metric["Name"] for metric in directive["Metrics"]} | set(directive["Dimensions"][0])
        assert names == record.keys() - {"_aws"}, "every value is declared, and every declared one is there"
        assert record["Endpoint"] == "there"
    assert sum(record.get("RefusedStreams", 0) for record in records) == 1
    assert sum(record.get("AudioSeconds", 0) for record in records) == pytest.approx(13 * 0.08)
    assert [record["EndedStreams"] for record in records if record.get("Reason") == "client"] == [1]
    lags = [record for record in records if "DeltaLagP50" in record]
    assert lags and all(0 <= r["DeltaLagP50"] <= r["DeltaLagP95"] <= r["DeltaLagP99"] < 1000 for r in lags)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VOXCTL_MAX_STREAMS", "0"),
        ("VOXCTL_MAX_STREAMS", "many"),
        ("VOXCTL_EMF_SECONDS", "-1"),
        ("VOXCTL_DELAY_MS", "500"),
        ("VOXCTL_DRAIN_SECONDS", "1.5"),
    ],
)
async def test_a_wrong_setting_ends_the_start_with_a_line_about_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    said: list[Message] = []

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    async def send(message: Message) -> None:
        said.append(message)

    await Gateway(QueueServer())({"type": "lifespan"}, receive, send)
    assert [message["type"] for message in said] == ["lifespan.startup.failed"]
    assert re.match(f"{name}={value}: ", said[0]["message"])


async def test_a_server_as_vllm_starts_it_does_not_go_on_with_a_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXCTL_MAX_STREAMS", "many")
    server = uvicorn.Server(uvicorn.Config(Gateway(living(QueueServer())), port=0, log_config=None, lifespan="auto"))
    with pytest.raises(SystemExit):
        await server.serve()
    assert not server.started


async def test_without_a_limit_of_its_own_that_of_vllm_holds() -> None:
    assert Settings.read({"SM_VLLM_MAX_NUM_SEQS": "12"}).max_streams == 12
    assert Settings.read({"SM_VLLM_MAX_NUM_SEQS": "12", "VOXCTL_MAX_STREAMS": "3"}).max_streams == 3
    assert Settings.read({}).max_streams is None
