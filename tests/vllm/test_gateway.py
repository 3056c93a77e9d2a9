"""The real vLLM with the gateway inside: the contract, what a flood costs, who waits for a place, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
import wave
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

from tests.cli.program import CLIP, run, shown_error, started
from tests.cli.test_sagemaker import environment
from tests.contract.realtime_server import RealtimeServerContract
from tests.contract.wire import COMMIT, FINAL, RealtimeServerUnderTest, Wire, append, open_wire, pcm, update
from tests.fakes.sagemaker import open_sagemaker
from tests.fakes.scripted import ScriptedEngine, a_word_every
from tests.vllm.make_tiny_model import write_tiny_model
from tests.vllm.server import ROOT, VENV, VllmOptions, VllmServer, running_vllm
from voxctl.serving.server import open_server

# The first test waits for the server, which the last one ends.
pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

PATH = "/invocations-bidirectional-stream"
SECOND = 16_000
MAX_STREAMS = 4
DELAY_MS = 960
DRAIN_S = 4
CONTAINER = ROOT / "container"


@pytest.fixture(scope="module")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmServer]:
    """A server as the image starts it: settings checked, another delay, and the gateway in front."""
    checkpoint = write_tiny_model(tmp_path_factory.mktemp("gated"))
    told = {
        "PYTHONPATH": str(CONTAINER),
        "SM_VLLM_MODEL": str(checkpoint),
        "VOXCTL_MAX_STREAMS": str(MAX_STREAMS),
        "VOXCTL_DELAY_MS": str(DELAY_MS),
        "VOXCTL_DELAY_FOLDER": str(tmp_path_factory.mktemp("tokenizer")),
        "VOXCTL_DRAIN_SECONDS": str(DRAIN_S),
        "VOXCTL_EMF_SECONDS": "2",
    }
    checked = subprocess.run(
        [VENV / "bin" / "python", "-m", "gateway"], env=os.environ | told, capture_output=True, text=True, check=True
    )
    arguments = ("--tokenizer", checked.stdout.strip(), "--middleware", "gateway.Gateway")
    with running_vllm(checkpoint, VllmOptions(arguments=arguments, environment=told)) as server:
        deadline_s = time.monotonic() + 60
        while b"voxctl_ready 1" not in urlopen(f"http://127.0.0.1:{server.port}/metrics/").read():
            assert time.monotonic() < deadline_s, server.log_tail()
            time.sleep(0.1)
        yield server


@pytest.fixture
def server(vllm: VllmServer) -> RealtimeServerUnderTest:
    return under_test(vllm)


def under_test(vllm: VllmServer) -> RealtimeServerUnderTest:
    url = f"ws://127.0.0.1:{vllm.port}{PATH}"
    return RealtimeServerUnderTest(url, vllm.options.model_name, DELAY_MS / 1000, path=PATH)


async def metric(vllm: VllmServer, name: str) -> float:
    """A figure of the gateway on vLLM's own page."""

    def get() -> str:
        with urlopen(f"http://127.0.0.1:{vllm.port}/metrics/", timeout=10) as answer:
            return bytes(answer.read()).decode()

    page = await asyncio.to_thread(get)
    assert "vllm:num_requests_running" in page
    found = re.search(rf"^{re.escape(name)} (\S+)$", page, re.MULTILINE)
    assert found, name
    return float(found[1])


@asynccontextmanager
async def taken(server: RealtimeServerUnderTest, n: int) -> AsyncIterator[None]:
    """Hold so many places."""
    async with AsyncExitStack() as stack:
        for _ in range(n):
            await stack.enter_async_context(open_wire(server))
        yield


class TestVllmBehindTheGateway(RealtimeServerContract):
    """Every line of the contract holds under SageMaker's path, with the delay that the image was told."""


async def test_a_flood_of_an_hour_grows_the_server_by_a_few_seconds_of_sound(
    vllm: VllmServer, server: RealtimeServerUnderTest
) -> None:
    second = append(pcm(SECOND))
    process = psutil.Process(vllm.process.pid)
    async with open_wire(server) as wire:
        await wire.say(pcm(20 * SECOND))  # what it takes to transcribe at all
        before_mb = process.memory_info().rss / 1e6
        await wire.send(update(server.model), second, COMMIT)

        async def flood() -> None:
            for _ in range(3600):
                await wire.send(second)

        flooding = asyncio.create_task(flood())
        most_s = 0.0
        for _ in range(12):
            await wire.deltas(25)
            most_s = max(most_s, await metric(vllm, "voxctl_waiting_seconds"))
        grown_mb = process.memory_info().rss / 1e6 - before_mb
        assert not flooding.done(), "the rest of the hour waits at the client"
        flooding.cancel()
        wire.socket.transport.abort()
    print(f"flood: {grown_mb:.1f} MB more, at most {most_s:.1f} s waited", file=sys.stderr)
    assert 4.0 < most_s <= 6.0
    assert grown_mb < 25, "an hour of sound is 230 MB there"


async def test_the_third_of_two_is_told_at_once_and_gets_in_when_a_place_is_free(
    vllm: VllmServer, server: RealtimeServerUnderTest
) -> None:
    arguments = ("transcribe", CLIP, "--url", server.url, "--model", server.model)
    slow = (*arguments, "--speed", "0.2")
    refused = await metric(vllm, "voxctl_refused_streams_total")
    async with taken(server, MAX_STREAMS - 2), started(*slow) as first, started(*slow) as second:
        await first.read_until(" ")
        await second.read_until(" ")
        began_s = time.monotonic()
        async with open_wire(server) as wire:
            assert wire.greeting["code"] == "server_full"
            assert time.monotonic() - began_s < 1
        async with started(*arguments) as third:
            line = await third.say_until("every stream of the server is taken")
            assert "It serves 4 streams at a time" in line
            first.process.send_signal(signal.SIGINT)  # it says its sentence to the end, and makes room
            done = await asyncio.wait_for(third.end(), 50)
    assert done.code == 0 and len(done.out.split()) > 3
    assert await metric(vllm, "voxctl_refused_streams_total") >= refused + 2


async def test_through_sagemakers_streams_the_text_is_the_same(server: RealtimeServerUnderTest) -> None:
    direct = await run("transcribe", CLIP, "--url", server.url.removesuffix(PATH), "--model", server.model)
    async with open_sagemaker(upstream=server.url) as service:
        arguments = ("--endpoint", "local", "--region", "us-east-1", "--model", server.model)
        through = await run("transcribe", CLIP, *arguments, env=environment(service))
    assert direct.code == through.code == 0, through.err
    assert direct.out == through.out and len(direct.out.split()) > 3


async def test_the_log_has_figures_and_nothing_that_was_said(vllm: VllmServer, server: RealtimeServerUnderTest) -> None:
    sound = append(pcm(SECOND))["audio"]
    async with open_wire(server) as wire:
        text = (await wire.say(pcm(5 * SECOND))).text
        await wire.send(COMMIT)
        for _ in range(30):
            await wire.send(append(pcm(1280)))
            await asyncio.sleep(0.08)
    await asyncio.sleep(2.1)
    log = vllm.log.read_text(errors="replace")
    records = [json.loads(line) for line in log.splitlines() if line.startswith('{"_aws"')]
    assert any(record.get("AudioSeconds", 0) >= 5 for record in records)
    assert sound[:40] not in log
    assert text.strip() and text.strip() not in log
    assert "ready after" in log and f"delay {DELAY_MS} ms" in log
    assert any(record.get("DeltaLagP99", 0) > 0 for record in records)
    assert await metric(vllm, "voxctl_delta_lag_seconds_count") > 0


async def test_told_to_end_it_lets_streams_end_and_their_clients_go_on_elsewhere(
    vllm: VllmServer, server: RealtimeServerUnderTest, tmp_path: Path
) -> None:
    """SIGTERM: an utterance that ends in time ends well, one that does not is resumed on the server that follows."""
    long = tmp_path / "long.wav"
    with wave.open(str(CLIP)) as clip, wave.open(str(long), "wb") as file:
        file.setparams(clip.getparams())
        file.writeframes(clip.readframes(clip.getnframes()) * 2)
    heard = tmp_path / "events.jsonl"
    arguments = ("transcribe", long, "--url", server.url.removesuffix(PATH), "--model", server.model)
    async with started(*arguments, "--speed", "1", "--events", heard) as live, open_wire(server) as wire:
        await live.read_until(" ")
        await wire.send(update(server.model), append(pcm(2 * SECOND)), COMMIT)
        await wire.deltas(1)
        vllm.process.send_signal(signal.SIGTERM)
        ending = asyncio.create_task(asyncio.to_thread(vllm.process.wait, 60))
        assert await told_so(server)
        await wire.send(FINAL)
        rest = await wire.until_done()
        assert 1 + len(rest.deltas) == server.deltas_in_all(2 * SECOND)
        assert await asyncio.wait_for(ending, 60) == 0
        engine = ScriptedEngine(a_word_every(0.4, until_s=30.0), model=server.model)
        async with open_server(engine, port=vllm.port):
            done = await asyncio.wait_for(live.end(), 50)
    events = [json.loads(line)["type"] for line in heard.read_text().splitlines()]
    assert "reconnecting" in events and "resumed" in events
    assert done.code == 0, shown_error(done)
    assert re.search(r"w\d+ w\d+", done.out), "the second server's words are in it"


async def told_so(server: RealtimeServerUnderTest) -> bool:
    """Whether a stream that comes now is told that the server restarts."""
    for _ in range(20):
        wire: Wire
        async with open_wire(replace(server)) as wire:
            if wire.greeting.get("code") == "server_full":
                assert wire.greeting["error"] == "It is being restarted."
                return True
        await asyncio.sleep(0.05)
    return False
