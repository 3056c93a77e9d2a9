"""Opens a file or a pipe and gives it out as chunks, in constant memory, whatever its format, rate and length."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
import tempfile
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import soundfile

from voxctl.audio import faults
from voxctl.audio.decoder import Decoder, Sequential
from voxctl.audio.pcm import Chunk, Rechunker
from voxctl.audio.pipe import Forward, PipeSource, Relay
from voxctl.audio.sniff import HEAD_BYTES, endless, id3_tag_bytes, is_mp3, is_ogg, unsupported_container

_UNRECOGNISED = 1  # libsndfile's SF_ERR_UNRECOGNISED_FORMAT
_FILE_BLOCK_MS = 1000


class AudioFile:
    """An open file or pipe. ``duration_s`` is ``None`` where nothing trustworthy states it: MP3, pipes, a WAV that
    was never finished.

    Close it, or use it in ``with``: that ends a wait for a pipe and every thread of its own.
    """

    def __init__(self, name: str, decoder: Decoder, source: PipeSource, resources: ExitStack) -> None:
        self.name = name
        self.duration_s = decoder.duration_s
        self._decoder = decoder
        self._source = source
        self._resources = resources
        self._one_at_a_time = threading.Lock()
        self._given_out = False
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    async def chunks(self) -> AsyncGenerator[Chunk]:
        """Give out the sound once, from its start, decoding in a worker thread and never far ahead of the consumer.

        Raises ``AudioError`` where decoding breaks off, after every chunk before that place. Stopping early is fine;
        what a pipe still holds is then given up.
        """
        if self._given_out:
            raise RuntimeError("the chunks of an audio file can be taken once")
        self._given_out = True
        try:
            while (batch := await asyncio.to_thread(self._next_batch)) is not None:
                for chunk in batch:
                    yield chunk
        finally:
            # A cancelled consumer leaves the worker thread behind, perhaps waiting for a pipe nobody feeds.
            self._source.stop()

    def close(self) -> None:
        """Let go of the file; may be called twice, and from any thread."""
        self._source.stop()
        with self._one_at_a_time:
            if not self._closed:
                self._closed = True
                self._resources.close()

    def _next_batch(self) -> list[Chunk] | None:
        with self._one_at_a_time:
            return None if self._closed else self._decoder.next_chunks()


def open_audio(path: str | Path, *, chunk_ms: int = 80) -> AudioFile:
    """Open a file, ``"-"`` for standard input, or a named pipe, and decode its beginning.

    Everything libsndfile reads is read: WAV, RF64, W64, AIFF, CAF, AU, FLAC, Ogg (Vorbis, Opus), MP3. A pipe is
    decoded while it is still being written, in all of these formats; only the rare one whose sound comes before its
    description (AIFF can) is first copied to a temporary file, to its end.

    For a pipe this waits until the beginning has arrived, so call it before the event loop starts: there, Ctrl-C
    ends the wait.

    Raises ``AudioError`` for all that can be known from the beginning, ``UsageError`` for a ``chunk_ms`` out of range.
    """
    rechunk = Rechunker(chunk_ms)
    is_stdin = str(path) == "-"
    name = faults.STDIN_NAME if is_stdin else faults.display_name(path)
    with ExitStack() as resources:
        fd = _stdin_fd() if is_stdin else _file_fd(path, name)
        resources.callback(os.close, fd)
        is_file = _is_plain_file(fd, name)
        source = PipeSource(fd)
        resources.callback(source.close)

        def opened() -> Decoder:
            return _decoder(name, fd, source, is_file, rechunk, resources)

        decoder = opened() if is_file else _interruptibly(opened, source)
        return AudioFile(name, decoder, source, resources.pop_all())


def _file_fd(path: str | Path, name: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_NOCTTY)
    except (OSError, ValueError) as exc:  # ValueError: a NUL in the name
        raise faults.not_opened(name, exc) from exc


def _stdin_fd() -> int:
    try:
        if sys.stdin is None:
            raise OSError("closed")
        return os.dup(sys.stdin.fileno())
    except (OSError, ValueError) as exc:
        raise faults.nothing_piped(faults.STDIN_NAME, closed=True) from exc


def _is_plain_file(fd: int, name: str) -> bool:
    status = os.fstat(fd)
    if stat.S_ISDIR(status.st_mode):
        raise faults.a_folder(name)
    if os.isatty(fd):
        raise faults.nothing_piped(name)
    return stat.S_ISREG(status.st_mode)


def _interruptibly(work: Callable[[], Decoder], source: PipeSource) -> Decoder:
    """Do the work in a thread, so that Ctrl-C interrupts the wait here and not libsndfile in the middle of a call."""
    with ThreadPoolExecutor(1, "voxctl-open") as pool:
        future = pool.submit(work)
        try:
            return future.result()
        finally:
            if not future.done():
                source.stop()


def _decoder(
    name: str, fd: int, source: PipeSource, is_file: bool, rechunk: Rechunker, resources: ExitStack
) -> Decoder:
    start = os.lseek(fd, 0, os.SEEK_CUR) if is_file else 0
    head = _head(source, name)
    block_ms = _FILE_BLOCK_MS if is_file else rechunk.chunk_ms
    try:
        if is_mp3(head) or (is_ogg(head) and not is_file):
            sound = _relayed(source, resources)
        elif is_file and endless(head) == head:
            os.lseek(fd, start, os.SEEK_SET)
            sound = Sequential(fd, closefd=False)
        else:
            sound = _forward(source, head, resources)
    except soundfile.LibsndfileError as exc:
        known = exc.code != _UNRECOGNISED and not is_mp3(head)
        raise (faults.damaged_header(name, exc.error_string) if known else faults.not_audio(name)) from exc
    resources.callback(sound.close)
    decoder = Decoder(sound, name, source, rechunk, block_ms=block_ms, length_known=is_file)
    decoder.decode_beginning()
    return decoder


def _head(source: PipeSource, name: str) -> bytes:
    """Return the first bytes that are not an ID3 tag: libsndfile does not find its way past a long one in a pipe."""
    head = source.peek(HEAD_BYTES)
    if not head:
        raise faults.damaged(name, 0.0, str(source.failure)) if source.failure else faults.empty(name)
    while n_bytes := id3_tag_bytes(head):
        source.skip(n_bytes)
        head = source.peek(HEAD_BYTES)
    if container := unsupported_container(head):
        raise faults.unsupported(name, container)
    return head


def _relayed(source: PipeSource, resources: ExitStack) -> Sequential:
    """Open through a real pipe: MP3 even from a file.

    Opened as a file, an MP3 of varying bit rate and without a Xing header ends early: libsndfile believes the length
    that it guessed from the first bit rate.
    """
    relay = Relay(source)
    resources.callback(relay.close)
    return Sequential(relay.read_fd, closefd=False)


def _forward(source: PipeSource, head: bytes, resources: ExitStack) -> Sequential:
    source.replace_head(head, endless(head))
    forward = Forward(source)
    try:
        sound = Sequential(forward)
    except soundfile.LibsndfileError as exc:
        if exc.code == _UNRECOGNISED:
            raise
    else:
        forward.settle()
        return sound
    try:
        file = resources.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - lives as long as the sound
        forward.spool_to(file)
    except OSError as exc:
        raise faults.no_room(exc) from exc
    file.seek(0)
    return Sequential(file.fileno(), closefd=False)
