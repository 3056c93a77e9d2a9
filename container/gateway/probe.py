"""One real utterance through the application, in this process, to see that the model behind it answers.

It also says what model that is: whether its deltas keep the token clock, and how long its delay is.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
from array import array
from base64 import b64encode
from contextlib import suppress
from typing import Any

from gateway.account import RATE_HZ, Model
from gateway.asgi import App, Message, Scope

REALTIME = "/v1/realtime"
SOUND_S = 2.0
#: For one utterance; the first may have to compile something.
_DEADLINE_S = 120.0
_ASGI = {"version": "3.0", "spec_version": "2.4"}


class NoAnswer(Exception):
    """The utterance was not transcribed; the text says how far it came."""


async def transcribe_once(app: App, owner: Any, model: Model) -> None:
    """Have ``app`` transcribe two seconds of sound and tell ``model`` what it gave. Raises ``NoAnswer``.

    ``owner`` is the application object of the server, which knows the key that guards it.
    """
    try:
        async with asyncio.timeout(_DEADLINE_S):
            name = await _model_name(app, owner)
            done, n_deltas = await _Caller(app, owner).say(name, _sound())
    except TimeoutError:
        raise NoAnswer(f"no answer within {_DEADLINE_S:.0f} s") from None
    usage = done.get("usage") or {}
    model.learn(round(SOUND_S * RATE_HZ), n_deltas, usage.get("prompt_tokens", 0))


def _sound() -> bytes:
    """PCM16 of a voice-like buzz that glides and comes in syllables."""
    samples = array("h")
    for i in range(round(SOUND_S * RATE_HZ)):
        t = i / RATE_HZ
        loudness = max(0.0, math.sin(2 * math.pi * 2.5 * t)) * 4000
        pitch = 2 * math.pi * (110 * t + 20 * t * t)
        samples.append(int(loudness * sum(math.sin(k * pitch) / k for k in (1, 2, 3, 5))))
    return samples.tobytes()


def _credentials(owner: Any) -> list[tuple[bytes, bytes]]:
    """The header that vLLM wants if it was started with a key: of its command line, or else of its environment."""
    given = getattr(getattr(getattr(owner, "state", None), "args", None), "api_key", None)
    keys = [key for key in (given or [os.environ.get("VLLM_API_KEY")]) if key]
    return [(b"authorization", f"Bearer {keys[0]}".encode())] if keys else []


def _scope(owner: Any, kind: str, path: str, **more: object) -> Scope:
    scope = {"type": kind, "asgi": _ASGI, "path": path, "raw_path": path.encode(), "headers": _credentials(owner)}
    scope |= {"query_string": b"", "root_path": "", "http_version": "1.1", "state": {}}
    return {**scope, "app": owner, "client": ("127.0.0.1", 0), "server": ("127.0.0.1", 8080), **more}


async def _model_name(app: App, owner: Any) -> str:
    body, status = b"", 0

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal body, status
        status = message.get("status", status)
        body += message.get("body", b"")

    scope = _scope(owner, "http", "/v1/models", method="GET", scheme="http")
    await app(scope, receive, send)
    try:
        return str(json.loads(body)["data"][0]["id"])
    except (ValueError, LookupError, TypeError):
        raise NoAnswer(f"/v1/models answered {status} and named no model") from None


class _Caller:
    """The client's side of one stream, without a network."""

    def __init__(self, app: App, owner: Any) -> None:
        self._app = app
        self._scope = _scope(owner, "websocket", REALTIME, scheme="ws", subprotocols=[])
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()

    async def say(self, model: str, sound: bytes) -> tuple[dict[str, Any], int]:
        """Return ``transcription.done`` and how many deltas came before it."""
        self._to_app.put_nowait({"type": "websocket.connect"})
        task = asyncio.ensure_future(self._app(self._scope, self._to_app.get, self._from_app.put))
        task.add_done_callback(lambda _: self._from_app.put_nowait({"type": "websocket.close"}))
        try:
            return await self._utterance(model, sound)
        finally:
            self._to_app.put_nowait({"type": "websocket.disconnect", "code": 1000})
            _, late = await asyncio.wait({task}, timeout=5.0)
            if late:
                task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _utterance(self, model: str, sound: bytes) -> tuple[dict[str, Any], int]:
        accepted = await self._from_app.get()
        if accepted["type"] != "websocket.accept":
            raise NoAnswer("a stream was not accepted")
        self._send("session.update", model=model)
        self._send("input_audio_buffer.append", audio=b64encode(sound).decode())
        self._send("input_audio_buffer.commit")
        self._send("input_audio_buffer.commit", final=True)
        n_deltas = 0
        while (message := await self._receive())["type"] != "transcription.done":
            if message["type"] == "error":
                raise NoAnswer(f"the server answered {message.get('code')} after {n_deltas} deltas")
            n_deltas += message["type"] == "transcription.delta"
        return message, n_deltas

    def _send(self, kind: str, **fields: object) -> None:
        self._to_app.put_nowait({"type": "websocket.receive", "text": json.dumps({"type": kind, **fields})})

    async def _receive(self) -> dict[str, Any]:
        message = await self._from_app.get()
        if message["type"] != "websocket.send":
            raise NoAnswer("the server hung up")
        content = json.loads(message["text"])
        return content if isinstance(content, dict) else {"type": None}
