"""The process in which one stream is recognised: requests on stdin, replies on stdout, gone when stdin ends.

A process and not a thread, because the recogniser holds the interpreter's lock for up to a quarter of a second.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, BinaryIO

from voxctl.serving import pipe

if TYPE_CHECKING:
    from voxctl.serving.engine import HeardWord
    from voxctl.serving.recogniser import Recogniser


def main() -> None:
    """Serve one stream on stdin and stdout, then end."""
    # Ctrl-C is for the server, which ends its workers by closing their stdin.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    source, sink = _own_pipes()
    recogniser = _load(sink)
    if recogniser is None:
        sys.exit(1)
    while (request := _read(source)) is not None:
        _answer(sink, pipe.WORDS, _obey(recogniser, *request))


def _own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Take stdin and stdout for ourselves; what a library prints from now on goes nowhere."""
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1):
        os.dup2(nowhere, fd)
    return source, sink


def _load(sink: BinaryIO) -> Recogniser | None:
    try:
        from voxctl.serving.recogniser import Recogniser

        recogniser = Recogniser()
    except (ImportError, OSError, RuntimeError, ValueError) as exc:
        _answer(sink, pipe.FAILED, f"{type(exc).__name__}: {exc}".encode())
        return None
    _answer(sink, pipe.READY)
    return recogniser


def _obey(recogniser: Recogniser, kind: bytes, payload: bytes) -> bytes:
    words: list[list[HeardWord]] = []
    match kind:
        case pipe.VOICE:
            recogniser.voice = payload.decode()
        case pipe.FEED:
            words = [recogniser.feed(tick.pcm, tick.until_s) for tick in pipe.unpacked_ticks(payload)]
        case _:
            words = [recogniser.finish(payload)]
    return pipe.packed_reply(pipe.Reply(words, recogniser.confidence, recogniser.voice))


def _read(source: BinaryIO) -> tuple[bytes, bytes] | None:
    header = source.read(pipe.HEADER.size)
    if len(header) < pipe.HEADER.size:
        return None
    kind, n_bytes = pipe.HEADER.unpack(header)
    payload = source.read(n_bytes)
    return (kind, payload) if len(payload) == n_bytes else None


def _answer(sink: BinaryIO, kind: bytes, payload: bytes = b"") -> None:
    try:
        sink.write(pipe.packed(kind, payload))
        sink.flush()
    except BrokenPipeError:
        # Nobody listens any more. Leave at once: the interpreter's own end would try to flush again.
        os._exit(1)
