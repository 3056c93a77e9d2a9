"""``python -m benchmarks.peer``: a Realtime server that keeps the token clock and does as little else as possible.

It speaks WebSocket by hand and reads only the length of an audio frame, so that it is never what is measured. It
prints its address, then one JSON line for each connection that ends; the end of its standard input ends it.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import gc
import hashlib
import json
import sys
import time

from voxctl.realtime.models import LOOK_AHEAD_SAMPLES, SAMPLE_RATE_HZ, TAIL_TICKS, TICK_SAMPLES, VOXTRAL

#: What is said over and over, one entry a token: 2.5 words a second, as people talk.
SPOKEN = (" spo", "ken", "", "", "")

_APPEND = len('{"type":"input_audio_buffer.append","audio":""}')
#: No control message of the protocol is as long, and no chunk of 10 ms or more is shorter.
_LONGEST_CONTROL = 200
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
_FIRST_DELTA_SAMPLES = round(VOXTRAL.delay_s * SAMPLE_RATE_HZ) + TICK_SAMPLES + LOOK_AHEAD_SAMPLES


def framed(opcode: int, payload: bytes) -> bytes:
    """Return one unfragmented WebSocket frame of a server."""
    if len(payload) < 126:
        return bytes((0x80 | opcode, len(payload))) + payload
    if len(payload) < 1 << 16:
        return bytes((0x80 | opcode, 126)) + len(payload).to_bytes(2) + payload
    return bytes((0x80 | opcode, 127)) + len(payload).to_bytes(8) + payload


def _message(**fields: object) -> bytes:
    return framed(_TEXT, json.dumps(fields).encode())


_CREATED = _message(type="session.created", id="b", created=1)
_DELTAS = tuple(_message(type="transcription.delta", delta=text) for text in SPOKEN)


class Peer(asyncio.Protocol):
    """One connection. With ``notes`` it remembers when each audio frame arrived, in seconds of the monotonic clock."""

    def __init__(self, notes: bool) -> None:
        self._notes = notes
        self._data = bytearray()
        self._open = False
        self._n_samples = 0
        self._n_deltas = 0
        self._arrived_s: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the way back."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell what was noted."""
        if self._notes and self._open:
            sys.stdout.write(json.dumps({"arrived_s": self._arrived_s}) + "\n")
            sys.stdout.flush()

    def data_received(self, data: bytes) -> None:
        """Take what came; answer every frame that is whole."""
        self._data += data
        if not self._open:
            head, end, rest = bytes(self._data).partition(b"\r\n\r\n")
            if not end:
                return
            self._data = bytearray(rest)
            self._accept(head)
        at = 0
        while (after := self._frame(at)) > at:
            at = after
        if at:
            del self._data[:at]

    def _accept(self, head: bytes) -> None:
        headers = dict(line.lower().split(": ", 1) for line in head.decode().split("\r\n")[1:])
        key = next(line for line in head.decode().split("\r\n") if line.lower().startswith("sec-websocket-key"))
        token = key.split(": ", 1)[1] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(token.encode()).digest()).decode()
        assert headers["upgrade"] == "websocket"
        self._open = True
        self._transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
            + _CREATED
        )

    def _frame(self, at: int) -> int:
        """Answer the frame at ``at``; return where the next begins, ``at`` itself if this one is not whole yet."""
        data = self._data
        if len(data) < at + 2:
            return at
        length, body = data[at + 1] & 0x7F, at + 6
        if length >= 126:
            n_bytes = 2 if length == 126 else 8
            length, body = int.from_bytes(data[at + 2 : at + 2 + n_bytes]), body + n_bytes
        if len(data) < body + length:
            return at
        if length > _LONGEST_CONTROL:
            self._hear(length, data[body + length - 4] ^ data[body - 4 + (length - 4) % 4])
        else:
            mask = data[body - 4 : body]
            self._control(data[at] & 0x0F, bytes(b ^ mask[i % 4] for i, b in enumerate(data[body : body + length])))
        return body + length

    def _hear(self, length: int, last_but_three: int) -> None:
        if self._notes:
            self._arrived_s.append(time.monotonic())
        # Whole samples are even, so the last group of base64 is padded with none, one or two; only two shows here.
        n_bytes = (length - _APPEND) * 3 // 4
        self._n_samples += (n_bytes - 2 * (last_but_three == ord("="))) // 2
        self._give((self._n_samples - _FIRST_DELTA_SAMPLES) // TICK_SAMPLES + 1)

    def _control(self, opcode: int, body: bytes) -> None:
        if opcode == _CLOSE:
            self._transport.write(framed(_CLOSE, body[:2]))
            self._transport.close()
        elif opcode == _PING:
            self._transport.write(framed(_PONG, body))
        elif b'"audio"' in body:
            audio = base64.b64decode(json.loads(body)["audio"])
            self._n_samples += len(audio) // 2
        elif b'"final"' in body:
            self._give((self._n_samples - LOOK_AHEAD_SAMPLES) // TICK_SAMPLES + TAIL_TICKS)
            text = "".join(SPOKEN[i % len(SPOKEN)] for i in range(self._n_deltas))
            usage = {"prompt_tokens": 39, "completion_tokens": self._n_deltas}
            self._transport.write(_message(type="transcription.done", text=text, usage=usage))

    def _give(self, due: int) -> None:
        while self._n_deltas < due:
            self._transport.write(_DELTAS[self._n_deltas % len(_DELTAS)])
            self._n_deltas += 1


async def serve(notes: bool) -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Peer(notes), "127.0.0.1", 0, backlog=4096)
    port = server.sockets[0].getsockname()[1]
    sys.stdout.write(f"ws://127.0.0.1:{port}/v1/realtime\n")
    sys.stdout.flush()
    gc.freeze()
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notes", action="store_true", help="tell when each audio frame arrived")
    asyncio.run(serve(parser.parse_args().notes))
