"""Finds out what a file or a pipe is, and which library decodes it."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from io import FileIO
from pathlib import Path
from typing import IO

import soundfile

from voxctl.audio import faults
from voxctl.audio.decoder import Decoder, Sound
from voxctl.audio.pipe import Forward, PipeSource, Relay
from voxctl.audio.raw import RawFormat
from voxctl.audio.sndfile import SndfileSound
from voxctl.audio.sniff import (
    HEAD_BYTES,
    Container,
    container_with_header,
    endless,
    id3_tag_bytes,
    index_comes_last,
    is_mp3,
    is_ogg,
    media_container,
    promised_bytes,
)

_UNRECOGNISED = 1  # libsndfile's SF_ERR_UNRECOGNISED_FORMAT
_FILE_BLOCK_MS = 1000
# Two packets of a telephone system: half of them would cost twice as much, and the resampler holds back more anyway.
_LIVE_RAW_MS = 40


class Opened:
    """An open file or pipe whose format is known; everything it holds belongs to ``resources``."""

    def __init__(self, path: str | Path, raw: RawFormat | None, resources: ExitStack) -> None:
        is_stdin = str(path) == "-"
        self.name = faults.STDIN_NAME if is_stdin else faults.display_name(path)
        self._fd = _stdin_fd() if is_stdin else _file_fd(path, self.name)
        resources.callback(os.close, self._fd)
        self._is_file = _is_plain_file(self._fd, self.name)
        self.source = PipeSource(self._fd)
        resources.callback(self.source.close)
        self._raw = raw
        self._resources = resources
        self.n_missing_bytes = 0
        self._sound = self._interruptibly(self._understood)
        resources.callback(self._sound.close)
        self.n_channels = self._sound.n_channels
        self.duration_s = self._sound.duration_s

    def decoder(self, channels: Sequence[int | None], chunk_ms: int) -> Decoder:
        """Decode the beginning and return what decodes the rest; a pipe is read in pieces no longer than a chunk."""
        live_ms = chunk_ms if self._raw is None else min(chunk_ms, _LIVE_RAW_MS)
        block_ms = _FILE_BLOCK_MS if self._is_file else live_ms
        decoder = Decoder(self._sound, self.name, self.source, channels, chunk_ms=chunk_ms, block_ms=block_ms)
        self._interruptibly(decoder.decode_beginning)
        return decoder

    def _interruptibly[T](self, work: Callable[[], T]) -> T:
        """Do the work in a thread, so that Ctrl-C interrupts the wait here and not a library amid a call."""
        if self._is_file:
            return work()
        with ThreadPoolExecutor(1, "voxctl-open") as pool:
            future = pool.submit(work)
            try:
                return future.result()
            finally:
                if not future.done():
                    self.source.stop()

    def _understood(self) -> Sound:
        start = os.lseek(self._fd, 0, os.SEEK_CUR) if self._is_file else 0
        if self._raw is not None:
            return self._headerless(self._raw, start)
        head = self._head()
        if self._is_file and (promised := promised_bytes(head)):
            self.n_missing_bytes = max(0, promised - (os.fstat(self._fd).st_size - start))
        if container := media_container(head):
            return self._media(container, start)
        try:
            if is_mp3(head) or (is_ogg(head) and not self._is_file):
                return self._relayed()
            if self._is_file and endless(head) == head:
                os.lseek(self._fd, start, os.SEEK_SET)
                return SndfileSound(self._fd, length_known=True)
            return self._forward(head)
        except soundfile.LibsndfileError as exc:
            known = exc.code != _UNRECOGNISED and not is_mp3(head)
            raise (
                faults.damaged_header(self.name, exc.error_string) if known else faults.not_audio(self.name)
            ) from exc

    def _headerless(self, raw: RawFormat, start: int) -> Sound:
        head = self._peeked(max(HEAD_BYTES, raw.frame_bytes))
        if container := container_with_header(head):
            raise faults.not_raw(self.name, container)
        if len(head) < raw.frame_bytes:
            raise faults.less_than_a_sample(self.name, len(head))
        if self._is_file:
            os.lseek(self._fd, start, os.SEEK_SET)
            return SndfileSound(self._fd, length_known=True, raw=raw)
        forward = Forward(self.source)
        sound = SndfileSound(forward, length_known=False, raw=raw)
        forward.settle()
        return sound

    def _head(self) -> bytes:
        """Return the first bytes that are not an ID3 tag: libsndfile is lost behind a long one in a pipe."""
        head = self._peeked(HEAD_BYTES)
        while n_bytes := id3_tag_bytes(head):
            self.source.skip(n_bytes)
            head = self.source.peek(HEAD_BYTES)
        return head

    def _peeked(self, n_bytes: int) -> bytes:
        head = self.source.peek(n_bytes)
        if not head:
            failure = self.source.failure
            raise faults.damaged(self.name, 0.0, str(failure)) if failure else faults.empty(self.name)
        return head

    def _relayed(self) -> SndfileSound:
        """Open through a real pipe: MP3 even from a file.

        Opened as a file, an MP3 of varying bit rate and without a Xing header ends early: libsndfile believes the
        length that it guessed from the first bit rate.
        """
        relay = Relay(self.source)
        self._resources.callback(relay.close)
        return SndfileSound(relay.read_fd, length_known=False)

    def _forward(self, head: bytes) -> SndfileSound:
        self.source.replace_head(head, endless(head))
        forward = Forward(self.source)
        try:
            sound = SndfileSound(forward, length_known=self._is_file)
        except soundfile.LibsndfileError as exc:
            if exc.code == _UNRECOGNISED:
                raise
        else:
            forward.settle()
            return sound
        return SndfileSound(self._spooled(forward.spool_to).fileno(), length_known=self._is_file)

    def _media(self, container: Container, start: int) -> Sound:
        try:
            from voxctl.audio.media import MediaSound
        except ImportError as exc:
            raise faults.media_not_loaded(self.name, container.label, exc) from exc
        file: FileIO | IO[bytes] | PipeSource = self.source
        if self._is_file and start == 0:
            os.lseek(self._fd, 0, os.SEEK_SET)
            file = self._resources.enter_context(FileIO(self._fd, closefd=False))
        elif container.needs_the_end or (container.demuxer == "mov" and index_comes_last(self.source)):
            file = self._spooled(self.source.copy_to)
        return MediaSound(file, self.name, container)

    def _spooled(self, fill: Callable[[IO[bytes]], None]) -> IO[bytes]:
        """Copy the rest of the pipe to a temporary file, for what cannot be decoded before its end is known."""
        try:
            file = self._resources.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - lives as long as the sound
            fill(file)
            file.seek(0)
        except OSError as exc:
            raise faults.no_room(exc) from exc
        return file


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
