"""Sound that arrives through a pipe, made readable for libsndfile without waiting for its end.

libsndfile wants files. ``Forward`` is a file whose end is not known yet: enough for WAV, RF64, W64, AIFF, CAF, AU and
FLAC, which after their header are read strictly forward. Ogg and MP3 look for their end first, unless the file
descriptor is a real pipe: ``Relay`` is that pipe. Both are fed by ``PipeSource``, whose waits another thread can end.
Nothing here grows with the length of the sound.
"""

from __future__ import annotations

import os
import select
import threading
from typing import IO

_READ_BYTES = 1 << 16
# A gap this long is skipped by reading it. A longer one is libsndfile stepping over all the sound to see what comes
# after it, and is answered with "the file ends here".
_LONGEST_SKIP = 1 << 16
_NO_LENGTH = 1 << 50


class PipeSource:
    """The bytes of an open descriptor in order. ``stop`` may be called from any thread and ends every wait."""

    def __init__(self, fd: int) -> None:
        self.failure: OSError | None = None
        self._fd = fd
        self._pushed_back = b""
        self._stopped = False
        self._wake_read, self._wake_write = os.pipe()
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)
        self._poll.register(self._wake_read, select.POLLIN)

    def read(self, n_bytes: int = _READ_BYTES) -> bytes:
        """Wait for at least one byte; empty at the end, after ``stop``, and when reading failed (``failure``)."""
        if self._pushed_back:
            data, self._pushed_back = self._pushed_back[:n_bytes], self._pushed_back[n_bytes:]
            return data
        while not self._stopped:
            try:
                ready = [fd for fd, _ in self._poll.poll()]
                if self._wake_read not in ready:
                    return os.read(self._fd, n_bytes)
            except BlockingIOError:
                continue  # whoever shares this pipe made it non-blocking, and was faster
            except OSError as exc:
                self.failure = exc
                break
        return b""

    def peek(self, n_bytes: int) -> bytes:
        """Wait for the first ``n_bytes`` (fewer at the end) and leave them to be read."""
        head = b""
        while len(head) < n_bytes and (data := self.read(n_bytes - len(head))):
            head += data
        self._pushed_back = head + self._pushed_back
        return head

    def replace_head(self, old: bytes, new: bytes) -> None:
        """Let ``new`` be read where ``old``, just peeked at, stood."""
        self._pushed_back = new + self._pushed_back.removeprefix(old)

    def skip(self, n_bytes: int) -> None:
        """Read and drop bytes."""
        while n_bytes > 0 and (data := self.read(min(n_bytes, _READ_BYTES))):
            n_bytes -= len(data)

    def copy_to(self, file: IO[bytes]) -> None:
        """Write everything up to the end to a file."""
        while data := self.read():
            file.write(data)
        file.flush()

    def stop(self) -> None:
        """End every wait, now and later; what was not read is given up."""
        if not self._stopped:
            self._stopped = True
            os.write(self._wake_write, b"x")

    def close(self) -> None:
        """Release what ``stop`` needs; the descriptor itself belongs to whoever opened it."""
        self._stopped = True
        os.close(self._wake_read)
        os.close(self._wake_write)


class Forward:
    """A file without a known end over a ``PipeSource``, in the four methods that soundfile asks for.

    Until ``settle`` everything read is kept, so that the header can be gone over again; afterwards nothing is.
    """

    def __init__(self, source: PipeSource) -> None:
        self._source = source
        self._kept = bytearray()
        self._kept_from = 0
        self._at = 0
        self._settled = False

    def tell(self) -> int:
        """Return the position of the next read."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move without reading; the end is taken to be impossibly far away."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: _NO_LENGTH}[whence]
        self._at = base + offset
        return self._at

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer, waiting for the bytes; fewer only where the pipe ends."""
        n_bytes = len(buffer)
        if self._at < self._kept_from or self._at > self._kept_from + len(self._kept) + _LONGEST_SKIP:
            return 0
        while self._kept_from + len(self._kept) < self._at + n_bytes:
            if not (data := self._source.read()):
                break
            self._kept += data
        start = self._at - self._kept_from
        data = bytes(self._kept[start : start + n_bytes])
        buffer[: len(data)] = data
        self._at += len(data)
        if self._settled:
            self._forget()
        return len(data)

    def settle(self) -> None:
        """Stop keeping what is behind: the header has been understood."""
        self._settled = True
        self._forget()

    def spool_to(self, file: IO[bytes]) -> None:
        """Write the whole stream, from its first byte to its last, to a file; only before ``settle``."""
        file.write(self._kept)
        self._source.copy_to(file)

    def _forget(self) -> None:
        n_behind = min(self._at - self._kept_from, len(self._kept))
        if n_behind > 0:
            del self._kept[:n_behind]
            self._kept_from += n_behind


class Relay:
    """A real pipe, ``read_fd``, filled from a ``PipeSource`` by a thread; for what is only streamed from pipes."""

    def __init__(self, source: PipeSource) -> None:
        self.read_fd, self._write_fd = os.pipe()
        self._source = source
        self._thread = threading.Thread(target=self._pump, name="voxctl-relay", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the source and end the thread; nobody may be reading ``read_fd`` any more."""
        self._source.stop()
        # Emptied, not just closed: a write into a pipe that nobody reads would be a SIGPIPE.
        while os.read(self.read_fd, _READ_BYTES):
            pass
        self._thread.join()
        os.close(self.read_fd)

    def _pump(self) -> None:
        try:
            while data := self._source.read():
                while data:
                    data = data[os.write(self._write_fd, data) :]
        finally:
            os.close(self._write_fd)
