"""voxctl against the real vLLM: counts, window, speed, and every way it can go wrong."""

from __future__ import annotations

import asyncio
import base64
import json
import signal
import time
import wave
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from tests.cli.program import CLIP, run, shown_error, started
from tests.cli.test_sagemaker import environment
from tests.fakes.sagemaker import open_sagemaker
from tests.fakes.sockets import forwarder
from tests.vllm.make_tiny_model import write_tiny_model
from tests.vllm.server import VllmOptions, VllmServer, running_vllm
from voxctl.audio.decode import open_audio
from voxctl.audio.pcm import Chunk
from voxctl.events import Done, Event, Notice, Words
from voxctl.realtime.models import VOXTRAL
from voxctl.session.session import open_session
from voxctl.transport.base import Connector, Transport
from voxctl.transport.websocket import WebSocketTarget, open_websocket

# The first test that needs a server waits for it.
pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

CONTEXT_TOKENS = 256


@pytest.fixture
def vllm(ordinary_vllm: VllmServer) -> VllmServer:
    return ordinary_vllm


@pytest.fixture(scope="module")
def small_vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmServer]:
    """One slot and a short context."""
    options = VllmOptions(max_model_len=CONTEXT_TOKENS, max_num_seqs=1)
    with running_vllm(write_tiny_model(tmp_path_factory.mktemp("small")), options) as server:
        yield server


@pytest.fixture(scope="module")
def two_minutes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return over_and_over(tmp_path_factory.mktemp("sound") / "two-minutes.wav", 120)


def over_and_over(path: Path, length_s: int) -> Path:
    """Write the example over and over."""
    with wave.open(str(CLIP)) as clip, wave.open(str(path), "wb") as file:
        file.setparams(clip.getparams())
        sound = clip.readframes(clip.getnframes())
        file.writeframes((sound * (length_s // 9 + 1))[: 2 * 16_000 * length_s])
    return path


@dataclass
class Metered:
    """A transport that measures how far ahead of the deltas the sender runs, in samples."""

    inner: Transport
    n_samples: int = 0
    n_deltas: int = 0
    most_ahead: int = 0

    async def send(self, text: str) -> None:
        message = json.loads(text)
        if "audio" in message:
            self.n_samples += len(base64.b64decode(message["audio"])) // 2
            self.most_ahead = max(self.most_ahead, self.n_samples - 1280 * self.n_deltas)
        await self.inner.send(text)

    async def receive(self) -> str:
        text = await self.inner.receive()
        self.n_deltas += json.loads(text)["type"] == "transcription.delta"
        return text

    async def send_eof(self) -> None:
        await self.inner.send_eof()

    async def aclose(self) -> None:
        await self.inner.aclose()


def metered(url: str) -> tuple[Connector, list[Metered]]:
    opened: list[Metered] = []

    async def connect() -> Transport:
        opened.append(Metered(await open_websocket(WebSocketTarget(url))))
        return opened[-1]

    return connect, opened


async def speech(n_samples: int) -> AsyncIterator[Chunk]:
    """The example, over and over, cut to length."""
    with open_audio(CLIP) as clip:
        pcm = b"".join([chunk.pcm async for chunk in clip.chunks()])
    pcm = (pcm * (2 * n_samples // len(pcm) + 1))[: 2 * n_samples]
    for start in range(0, n_samples, 1280):
        yield Chunk(pcm[2 * start : 2 * (start + 1280)], start)


async def transcribed(server: VllmServer, n_samples: int) -> tuple[list[Event], Metered]:
    connect, opened = metered(server.url)
    async with open_session(connect, speech(n_samples), model=server.options.model_name) as session:
        events = [event async for event in session]
    return events, opened[0]


@pytest.mark.parametrize("audio_s", [0.1, 0.3, 0.55, 0.57, 1.0, 2.44, 5.0, 10.003, 30.0, 60.0])
async def test_deltas_are_as_many_as_the_law_says(vllm: VllmServer, audio_s: float) -> None:
    n_samples = round(audio_s * 16_000)
    events, wire = await transcribed(vllm, n_samples)
    done = events[-1]
    assert isinstance(done, Done)
    assert done.usage.completion_tokens == wire.n_deltas == VOXTRAL.deltas_for(n_samples)
    assert not [event for event in events if isinstance(event, Notice)]
    words = [word for event in events if isinstance(event, Words) for word in event.words]
    times = [t for word in words for t in (word.start_s, word.end_s)]
    assert times == sorted(times) and all(0 <= t <= audio_s for t in times)
    assert words or audio_s < 1


async def test_full_speed_stays_within_the_window_and_beats_real_time(vllm: VllmServer) -> None:
    started_s = time.monotonic()
    _, wire = await transcribed(vllm, 30 * 16_000)
    took_s = time.monotonic() - started_s
    assert wire.most_ahead <= VOXTRAL.window_s * 16_000
    assert took_s < 30


async def test_the_command_line_gives_the_servers_own_text(vllm: VllmServer) -> None:
    done = await run("transcribe", CLIP, "--url", vllm.url, "--model", "voxtral-tiny", "--format", "json")
    document = json.loads(done.out)
    assert done.code == 0 and document["complete"] and document["model"] == "voxtral-tiny"
    plain = await run("transcribe", CLIP, "--url", f"ws://127.0.0.1:{vllm.port}", "--model", "voxtral-tiny")
    assert plain.code == 0 and plain.out == document["text"].lstrip() + "\n"
    assert "note" not in plain.err


async def test_through_sagemaker_the_text_is_the_same(vllm: VllmServer) -> None:
    direct = await run("transcribe", CLIP, "--url", vllm.url, "--model", "voxtral-tiny")
    async with open_sagemaker(upstream=f"ws://127.0.0.1:{vllm.port}") as service:
        arguments = ("--endpoint", "local", "--region", "us-east-1", "--model", "voxtral-tiny")
        through = await run("transcribe", CLIP, *arguments, env=environment(service))
    assert direct.code == through.code == 0, through.err
    assert direct.out == through.out and len(direct.out.split()) > 3


async def test_words_are_written_while_the_sound_still_plays(vllm: VllmServer) -> None:
    arguments = ("--url", vllm.url, "--model", "voxtral-tiny", "--realtime")
    async with started("transcribe", CLIP, *arguments) as program:
        assert (await program.end()).code == 0
    with_text = [at_s for at_s, text in program.writes if text.strip()]
    assert with_text[-1] - with_text[0] > 5 and len(with_text) > 10


async def test_a_wrong_model_is_named(vllm: VllmServer) -> None:
    done = await run("transcribe", CLIP, "--url", vllm.url)
    assert done.code == 4 and "Voxtral-Mini-4B-Realtime-2602" in shown_error(done)[0] and done.took_s < 15


async def test_without_resume_the_end_of_the_context_is_said(small_vllm: VllmServer, two_minutes: Path) -> None:
    arguments = ("--url", small_vllm.url, "--model", "voxtral-tiny", "--no-resume")
    done = await run("transcribe", two_minutes, *arguments)
    assert done.code == 4 and done.took_s < 30
    # 256 tokens less the prompt's 39 are 217 deltas of 80 ms.
    assert "context ended after 17.4 s" in shown_error(done)[0] and "--max-model-len" in shown_error(done)[1]
    assert len(done.out.split()) > 3


async def test_a_context_of_17_seconds_and_a_single_slot_hold_two_minutes(
    small_vllm: VllmServer, two_minutes: Path
) -> None:
    arguments = ("--url", small_vllm.url, "--model", "voxtral-tiny", "--format", "json")
    done = await run("transcribe", two_minutes, *arguments, limit_s=200)
    document = json.loads(done.out)
    assert done.code == 0 and document["complete"] and document["audio_s"] == 120 and not document["gaps"], done.err
    assert len(document["seams"]) >= 6
    ends_s = [word["end_s"] for word in document["words"]]
    assert ends_s == sorted(ends_s) and ends_s[-1] > 115
    assert max(b - a for a, b in pairwise([0.0, *ends_s])) < 6, "no stretch is left out"


async def test_a_server_that_is_killed_and_comes_back_costs_no_time_of_the_sound(
    vllm: VllmServer, tmp_path: Path
) -> None:
    """The one that comes back has been started before: how long vLLM takes for that is not what is tested."""
    target, minute = tmp_path / "out.json", over_and_over(tmp_path / "minute.wav", 60)
    with running_vllm(write_tiny_model(tmp_path / "model")) as doomed:
        async with forwarder(doomed.port) as forward:
            arguments = ("--url", forward.url, "--model", "voxtral-tiny", "--realtime", "--rotate-every", "0")
            async with started("transcribe", minute, *arguments, "--format", "json", "-o", target) as program:
                await asyncio.sleep(12)  # of sound
                forward.port = None
                doomed.process.send_signal(signal.SIGKILL)
                await program.say_until("attempt 2 in")
                forward.port = vllm.port
                done = await asyncio.wait_for(program.end(), 110)
    document = json.loads(target.read_text("utf-8"))
    assert done.code == 0 and document["complete"] and not document["gaps"], done.err
    assert len(document["seams"]) == 1 and document["audio_s"] == 60
    ends_s = [word["end_s"] for word in document["words"]]
    assert ends_s == sorted(ends_s) and max(b - a for a, b in pairwise([0.0, *ends_s])) < 6


async def test_a_server_without_a_free_slot_is_said_in_bounded_time(small_vllm: VllmServer) -> None:
    arguments = ("--url", small_vllm.url, "--model", "voxtral-tiny")
    async with started("transcribe", CLIP, *arguments, "--speed", "0.15") as first:
        await asyncio.wait_for(first.read_until(" "), 60)
        done = await run("transcribe", CLIP, *arguments)
        assert first.process.returncode is None
    assert done.code == 4 and "full or stuck" in shown_error(done)[0] and "--max-num-seqs" in shown_error(done)[1]
    assert 25 < done.took_s < 45


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_server_that_ends_is_said_and_the_text_is_kept(tmp_path: Path, number: signal.Signals) -> None:
    with running_vllm(write_tiny_model(tmp_path / "model")) as vllm:
        arguments = ("--url", vllm.url, "--model", "voxtral-tiny", "--realtime", "--no-resume")
        async with started("transcribe", CLIP, *arguments) as program:
            await asyncio.wait_for(program.read_until(" "), 60)
            ended_s = time.monotonic()
            vllm.process.send_signal(number)
            done = await asyncio.wait_for(program.end(), 60)
    assert done.code == 4 and time.monotonic() - ended_s < 30
    assert done.out.strip() and done.out.endswith("\n") and "Traceback" not in done.err
    assert shown_error(done)[1]
