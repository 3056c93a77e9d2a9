"""What a microphone heard, as a WAV file that can be played at every moment, whatever ends the program."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from types import TracebackType
from typing import Self

from voxctl.audio.pcm import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ
from voxctl.errors import OutputError, UsageError

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_PCM = 1
#: A WAV counts its bytes with 32 bits: 37 hours.
_MOST_BYTES = (1 << 32) - 1 - _HEADER.size


class Recording:
    """An open recording: 16 kHz mono PCM16. Only its owner may read it.

    What cannot be written costs no word of the transcript: ``broken`` then says why, and nothing more is written.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.broken: OutputError | None = None
        self._descriptor: int | None = descriptor
        self._n_bytes = 0
        self._write(_header(0), 0)

    @property
    def duration_s(self) -> float:
        """How much is in the file, in seconds."""
        return self._n_bytes / BYTES_PER_SAMPLE / SAMPLE_RATE_HZ

    def add(self, pcm: bytes) -> None:
        """Append sound, and then count it in the header: what a header promises is there."""
        if self.broken or self._descriptor is None:
            return
        if self._n_bytes + len(pcm) > _MOST_BYTES:
            hint = "what was recorded until then is good; end after a day and begin anew."
            self.broken = OutputError(f"{self.path} is full: a WAV file holds 37 hours", hint=hint)
            return
        if self._write(pcm, _HEADER.size + self._n_bytes) and self._write(_header(self._n_bytes + len(pcm)), 0):
            self._n_bytes += len(pcm)

    def close(self) -> None:
        """Let go of the file; may be called twice."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _write(self, data: bytes, at: int) -> bool:
        assert self._descriptor is not None
        left = memoryview(data)
        try:
            while left:
                n_written = os.pwrite(self._descriptor, left, at)
                left, at = left[n_written:], at + n_written
        except OSError as exc:
            hint = "free some space, and name another file with --record."
            self.broken = OutputError(f"{self.path} could not be written: {exc.strerror or exc}", hint=hint)
            return False
        return True


def open_recording(path: str | Path) -> Recording:
    """Begin a recording in a new file, which its owner alone may read. A file that holds something is left as it is.

    Raises ``UsageError`` when it cannot be made.
    """
    place = Path(path)
    try:
        descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as exc:
        hint = "name a new file in a folder that is there: --record talk.wav"
        raise UsageError(f"{place} cannot be recorded to: {exc.strerror or exc}", hint=hint) from exc
    try:
        if os.fstat(descriptor).st_size > _HEADER.size:  # nothing was ever heard if there is no more
            raise UsageError(f"{place} is there already, and is not recorded over", hint="name another file.")
        os.fchmod(descriptor, 0o600)
        recording = Recording(place, descriptor)
        if recording.broken:
            raise UsageError(recording.broken.message, hint="name a place for a file: --record talk.wav")
    except BaseException:
        os.close(descriptor)
        raise
    return recording


def _header(n_bytes: int) -> bytes:
    rate, width = SAMPLE_RATE_HZ, BYTES_PER_SAMPLE
    size = _HEADER.size - 8 + n_bytes
    return _HEADER.pack(
        b"RIFF", size, b"WAVE", b"fmt ", 16, _PCM, 1, rate, rate * width, width, 8 * width, b"data", n_bytes
    )
