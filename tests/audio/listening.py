"""Takes all the sound out of a file or a pipe, the way the program does; and runs small programs that do."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

import voxctl
from tests.audio.formats import Samples
from voxctl.audio.decode import open_audio
from voxctl.audio.pcm import Chunk

REPOSITORY = Path(voxctl.__file__).parents[1]


async def collected(chunks: AsyncIterator[Chunk]) -> list[Chunk]:
    return [chunk async for chunk in chunks]


def chunks_of(path: str | Path, chunk_ms: int = 80) -> list[Chunk]:
    with open_audio(path, chunk_ms=chunk_ms) as file:
        return asyncio.run(collected(file.chunks()))


def joined(chunks: list[Chunk]) -> bytes:
    return b"".join(chunk.pcm for chunk in chunks)


def samples_in(pcm: bytes) -> Samples:
    return (np.frombuffer(pcm, "<i2") / 32768).astype(np.float32)


def start(program: str, *arguments: str, stdin: IO[bytes] | int) -> subprocess.Popen[bytes]:
    """Start a Python program, given as text, that can import voxctl."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )


class HalfWritten:
    """A pipe into which a thread writes the first half of ``data``, and the second only after ``go_on``."""

    def __init__(self, data: bytes) -> None:
        self.waited_in_vain = False
        self._go_on = threading.Event()
        self._data = data
        self.read_fd, self._write_fd = os.pipe()
        self._thread = threading.Thread(target=self._write)
        self.path = f"/dev/fd/{self.read_fd}"

    def go_on(self) -> None:
        self._go_on.set()

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._go_on.set()
        os.close(self.read_fd)
        self._thread.join()

    def _write(self) -> None:
        half = len(self._data) // 2
        with os.fdopen(self._write_fd, "wb", buffering=0) as pipe:
            try:
                _write_all(pipe, self._data[:half])
                self.waited_in_vain = not self._go_on.wait(5)
                _write_all(pipe, self._data[half:])
            except BrokenPipeError:
                pass  # the reader has had enough, as some tests want


def _write_all(pipe: IO[bytes], data: bytes) -> None:
    while data:
        data = data[pipe.write(data) :]


@contextmanager
def half_written(data: bytes) -> Iterator[HalfWritten]:
    pipe = HalfWritten(data)
    pipe.begin()
    try:
        yield pipe
    finally:
        pipe.end()


def our_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("voxctl")]
