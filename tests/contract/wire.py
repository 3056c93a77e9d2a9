"""A bare client for the contract suites: it sends exactly what a test says and knows nothing of our own code."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

RATE_HZ = 16000
TOKEN_SAMPLES = 1280
"""One token is 80 ms of audio."""
DEADLINE_S = 30.0
"""By when an answer that must come has come, on a busy machine."""
QUIET_S = 0.5
"""How long nothing must come before a test believes that nothing will."""

type Message = dict[str, Any]


def varied_audio(seconds: float, seed: int = 0) -> bytes:
    """PCM16 of tones that change every 240 ms, with pauses: rich enough for a model to say different things."""
    rng = np.random.default_rng(seed)
    n_samples = round(seconds * RATE_HZ)
    clock = np.arange(0.24 * RATE_HZ) / RATE_HZ
    pieces = [np.zeros(0)]
    for _ in range(n_samples // len(clock) + 1):
        loudness = rng.choice([0.0, 1.0, 1.0]) * rng.uniform(1000, 12000)
        pieces.append(loudness * np.sin(2 * np.pi * rng.uniform(90, 3000) * clock))
    return bytes(np.concatenate(pieces)[:n_samples].astype("<i2").tobytes())


@dataclass(frozen=True, slots=True)
class RealtimeServerUnderTest:
    """Where a running server is, and what is known of its model."""

    url: str
    """``ws://host:port/v1/realtime``, or wherever else streams are opened."""
    model: str
    delay_s: float = 0.48
    """The model's look-ahead; Voxtral's is 480 ms."""
    speech: bytes = field(default_factory=lambda: varied_audio(5.0), repr=False)
    """PCM16 in which this server finds at least one word."""
    headers: Mapping[str, str] = field(default_factory=dict)
    path: str = "/v1/realtime"
    """The end of ``url``."""

    @property
    def http_url(self) -> str:
        """The same server's HTTP root, without a slash at the end."""
        return self.url.replace("ws", "http", 1).removesuffix(self.path)

    @property
    def prompt_tokens(self) -> int:
        """One to begin, 32 of left padding, and the delay."""
        return 33 + round(self.delay_s / 0.08)

    @staticmethod
    def deltas_in_all(n_samples: int) -> int:
        """How many deltas an utterance gives in all, whatever the delay: floor((T - 2.5 ms) / 80 ms) + 11."""
        return (n_samples - 40) // TOKEN_SAMPLES + 11

    def deltas_so_far(self, n_samples: int) -> int:
        """How many deltas can be computed from the first samples, before the final commit."""
        first = round((0.0825 + self.delay_s) * RATE_HZ)
        return max(0, (n_samples - first) // TOKEN_SAMPLES + 1)


@dataclass(frozen=True, slots=True)
class Utterance:
    """What came back for one utterance."""

    deltas: Sequence[str]
    done: Message

    @property
    def text(self) -> str:
        """The deltas, joined."""
        return "".join(self.deltas)


def pcm(n_samples: int) -> bytes:
    """So many samples of audio whose content does not matter."""
    return varied_audio(n_samples / RATE_HZ)


def append(audio: bytes) -> Message:
    """The message that carries one chunk."""
    return {"type": "input_audio_buffer.append", "audio": base64.b64encode(audio).decode()}


def update(model: str) -> Message:
    """The message that names the model."""
    return {"type": "session.update", "model": model}


COMMIT: Message = {"type": "input_audio_buffer.commit"}
FINAL: Message = {"type": "input_audio_buffer.commit", "final": True}


class Wire:
    """One open connection, after its greeting."""

    def __init__(self, socket: ClientConnection, greeting: Message, model: str) -> None:
        self.socket = socket
        self.greeting = greeting
        self._model = model

    async def send(self, *messages: Message | str | bytes) -> None:
        """Send messages as JSON, and text and bytes as they are."""
        for message in messages:
            await self.socket.send(json.dumps(message) if isinstance(message, dict) else message)

    def burst(self, *messages: Message) -> None:
        """Send messages in one write, so that the server has the last as soon as the first.

        What it does with a message that comes too early can be tested only if the message cannot come late.
        """
        protocol = self.socket.protocol
        for message in messages:
            protocol.send_text(json.dumps(message).encode())
        self.socket.transport.write(b"".join(protocol.data_to_send()))

    async def receive(self, within_s: float = DEADLINE_S) -> Message:
        """The next message; ``TimeoutError`` when none comes."""
        async with asyncio.timeout(within_s):
            message = json.loads(await self.socket.recv(decode=True))
        assert isinstance(message, dict)
        return message

    async def stays_quiet(self, for_s: float = QUIET_S) -> bool:
        """Whether nothing at all comes for a while."""
        try:
            message = await self.receive(for_s)
        except TimeoutError:
            return True
        raise AssertionError(f"expected nothing, got {message}")

    async def deltas(self, n: int) -> list[str]:
        """Exactly the next ``n`` messages, which must all be deltas."""
        texts = []
        for _ in range(n):
            message = await self.receive()
            assert message.keys() == {"type", "delta"}, message
            assert message["type"] == "transcription.delta"
            texts.append(message["delta"])
        return texts

    async def until_done(self) -> Utterance:
        """Everything up to ``transcription.done``; anything but deltas before it fails the test."""
        texts = []
        while (message := await self.receive())["type"] == "transcription.delta":
            texts.append(message["delta"])
        assert message["type"] == "transcription.done", message
        return Utterance(texts, message)

    async def say(self, audio: bytes, chunk_ms: int = 500) -> Utterance:
        """One whole utterance, as a careful client sends it."""
        step = chunk_ms * RATE_HZ // 1000 * 2
        chunks = [append(audio[at : at + step]) for at in range(0, len(audio), step)]
        await self.send(update(self._model), chunks[0], COMMIT, *chunks[1:], FINAL)
        return await self.until_done()

    async def fails_with(self) -> str:
        """The code of the ``error`` message that must come next."""
        message = await self.receive()
        assert message.keys() == {"type", "error", "code"}, message
        assert message["type"] == "error"
        assert message["error"], "an error without words"
        return str(message["code"])


@asynccontextmanager
async def open_wire(server: RealtimeServerUnderTest, query: str = "") -> AsyncIterator[Wire]:
    """Connect, take the greeting, and close at the end."""
    # An unbounded queue, since a full one also holds back the answer to a close message.
    async with connect(
        server.url + query, compression=None, additional_headers=server.headers, max_queue=None, close_timeout=5
    ) as socket:
        async with asyncio.timeout(DEADLINE_S):
            greeting = json.loads(await socket.recv())
        yield Wire(socket, greeting, server.model)
