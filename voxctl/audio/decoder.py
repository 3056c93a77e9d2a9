"""Pulls blocks out of libsndfile and turns them into chunks; synchronous, for one thread at a time."""

from __future__ import annotations

import numpy as np
import soundfile

from voxctl.audio import faults
from voxctl.audio.pcm import Chunk, Rechunker, to_pcm16
from voxctl.audio.pipe import PipeSource
from voxctl.audio.resample import ResampleStream, Samples
from voxctl.errors import AudioError

_RATES_HZ = range(1_000, 1_000_001)
_MOST_BLOCK_SAMPLES = 1 << 20
# Some formats state "unknown" as an impossible number of frames.
_MOST_FRAMES = 1 << 40
# No decoder makes this value, so it marks what a failed read left alone.
_UNTOUCHED = np.finfo(np.float32).min


class Sequential(soundfile.SoundFile):  # type: ignore[misc]  # soundfile says nothing of its types
    """A sound file that is only ever read forward.

    soundfile seeks to where it already is after each read of a seekable file; in an MP3 that drops the decoder's
    memory of the last block, and every block begins with a click.
    """

    def seekable(self) -> bool:
        """Say no, so that soundfile does not seek."""
        return False


class Decoder:
    """The chunks of an open sound, batch by batch. ``duration_s`` is ``None`` where its header cannot be trusted."""

    def __init__(
        self,
        sound: Sequential,
        name: str,
        source: PipeSource,
        rechunk: Rechunker,
        *,
        block_ms: int,
        length_known: bool,
    ) -> None:
        self._rate_hz: int = sound.samplerate
        if self._rate_hz not in _RATES_HZ:
            raise faults.odd_rate(name, self._rate_hz)
        self.duration_s: float | None = None
        if length_known and sound.format != "MP3" and 0 < sound.frames < _MOST_FRAMES:
            self.duration_s = sound.frames / self._rate_hz
        n_frames = min(self._rate_hz * block_ms // 1000, _MOST_BLOCK_SAMPLES // sound.channels)
        self._block = np.empty((max(1, n_frames), sound.channels), np.float32)
        self._sound = sound
        self._name = name
        self._source = source
        self._resample = ResampleStream(self._rate_hz, sound.channels)
        self._rechunk = rechunk
        self._n_frames_read = 0
        self._beginning: list[Chunk] = []
        self._failure: AudioError | None = None
        self._ended = False

    def decode_beginning(self) -> None:
        """Decode until there is a first chunk, for ``next_chunks`` to give; raise ``AudioError`` if there is none."""
        while not self._beginning and not self._ended:
            self._beginning = self._decoded()
        if not self._beginning:
            raise self._failure or faults.no_sound(self._name)

    def next_chunks(self) -> list[Chunk] | None:
        """Return the next chunks, perhaps none yet, or ``None`` at the end; raise what ended the sound too early."""
        if self._beginning:
            batch, self._beginning = self._beginning, []
            return batch
        if not self._ended:
            return self._decoded()
        if self._failure is not None:
            raise self._failure
        return None

    def _decoded(self) -> list[Chunk]:
        block = self._read()
        self._n_frames_read += len(block)
        chunks = self._rechunk.feed(to_pcm16(self._resample.feed(block))) if len(block) else []
        if self._ended and self._n_frames_read:
            chunks += self._rechunk.feed(to_pcm16(self._resample.finish())) + self._rechunk.finish()
        return chunks

    def _read(self) -> Samples:
        self._block.fill(_UNTOUCHED)
        try:
            block: Samples = self._sound.read(out=self._block)
        except soundfile.LibsndfileError as exc:
            # soundfile does not tell how much was read before the failure, so it is counted.
            touched = np.flatnonzero((self._block != _UNTOUCHED).any(axis=1))
            block = self._block[: touched[-1] + 1 if len(touched) else 0]
            self._fail(len(block), exc.error_string, exc)
        else:
            self._ended = not len(block)
            if self._ended and self._source.failure is not None:
                self._fail(0, str(self._source.failure.strerror), self._source.failure)
        return block

    def _fail(self, n_frames: int, why: str, cause: Exception) -> None:
        self._ended = True
        self._failure = faults.damaged(self._name, (self._n_frames_read + n_frames) / self._rate_hz, why)
        self._failure.__cause__ = cause
