"""Blocks of sound from libsndfile: every format with a header that it knows, and sound without one."""

from __future__ import annotations

from typing import Any

import numpy as np
import soundfile

from voxctl.audio.raw import Encoding, RawFormat
from voxctl.audio.resample import Samples

# Some formats state "unknown" as an impossible number of frames.
_MOST_FRAMES = 1 << 40
# No decoder makes this value, so it marks what a failed read left alone.
_UNTOUCHED = np.finfo(np.float32).min
_SUBTYPES = {Encoding.PCM16: "PCM_16", Encoding.MULAW: "ULAW", Encoding.ALAW: "ALAW"}


class Sequential(soundfile.SoundFile):  # type: ignore[misc]  # soundfile says nothing of its types
    """A sound file that is only ever read forward.

    soundfile seeks to where it already is after each read of a seekable file; in an MP3 that drops the decoder's
    memory of the last block, and every block begins with a click.
    """

    def seekable(self) -> bool:
        """Say no, so that soundfile does not seek."""
        return False


class SndfileSound:
    """An open libsndfile file as a ``Sound``. Raises soundfile's own error while it opens."""

    def __init__(self, file: Any, *, length_known: bool, raw: RawFormat | None = None) -> None:
        self._file = Sequential(file, closefd=False, **({} if raw is None else _as_sndfile_says(raw)))
        self.rate_hz: int = self._file.samplerate
        self.n_channels: int = self._file.channels
        self.duration_s: float | None = None
        if length_known and self._file.format != "MP3" and 0 < self._file.frames < _MOST_FRAMES:
            self.duration_s = self._file.frames / self.rate_hz
        self.failure: tuple[str, Exception] | None = None
        self._block = np.empty((0, self.n_channels), np.float32)

    def read(self, n_frames: int) -> Samples:
        """Return the next block; empty at the end. It is overwritten by the next call."""
        if len(self._block) != n_frames:
            self._block = np.empty((n_frames, self.n_channels), np.float32)
        self._block.fill(_UNTOUCHED)
        try:
            block: Samples = self._file.read(out=self._block)
        except soundfile.LibsndfileError as exc:
            # soundfile does not tell how much was read before the failure, so it is counted.
            self.failure = exc.error_string, exc
            touched = np.flatnonzero((self._block != _UNTOUCHED).any(axis=1))
            block = self._block[: touched[-1] + 1 if len(touched) else 0]
        return block

    def close(self) -> None:
        """Let go of libsndfile's side; the file itself belongs to whoever opened it."""
        self._file.close()


def _as_sndfile_says(raw: RawFormat) -> dict[str, Any]:
    return {
        "format": "RAW",
        "subtype": _SUBTYPES[raw.encoding],
        "samplerate": raw.rate_hz,
        "channels": raw.n_channels,
        "endian": "LITTLE",
    }
