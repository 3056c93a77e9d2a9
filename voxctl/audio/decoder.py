"""Pulls blocks out of an open sound and turns them into chunks; synchronous, for one thread at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from voxctl.audio import faults
from voxctl.audio.pcm import Chunk, Rechunker, to_pcm16
from voxctl.audio.pipe import PipeSource
from voxctl.audio.resample import ResampleStream, Samples
from voxctl.errors import AudioError

_RATES_HZ = range(1_000, 1_000_001)
_MOST_BLOCK_SAMPLES = 1 << 20


class Sound(Protocol):
    """Something that is decoded block by block, strictly forward.

    ``duration_s`` is ``None`` where nothing trustworthy states it; ``failure`` (why, and the foreign error) is set
    when a ``read`` returned the last there is because decoding broke off.
    """

    rate_hz: int
    n_channels: int
    duration_s: float | None
    failure: tuple[str, Exception] | None

    def read(self, n_frames: int) -> Samples:
        """Return about ``n_frames``, shaped (frames, channels); empty at the end."""

    def close(self) -> None:
        """Let go of it."""


class _Lane:
    """One row of chunks out of the sound: one channel (counted from 1), or the mean of all (``None``)."""

    def __init__(self, sound: Sound, channel: int | None, chunk_ms: int) -> None:
        self._column = slice(None) if channel is None else slice(channel - 1, channel)
        self._resample = ResampleStream(sound.rate_hz, sound.n_channels if channel is None else 1)
        self._rechunk = Rechunker(chunk_ms)

    def feed(self, block: Samples) -> list[Chunk]:
        return self._rechunk.feed(to_pcm16(self._resample.feed(block[:, self._column])))

    def finish(self) -> list[Chunk]:
        return self._rechunk.feed(to_pcm16(self._resample.finish())) + self._rechunk.finish()


class Decoder:
    """The chunks of an open sound, batch by batch: one list for each of ``channels``, all of the same length."""

    def __init__(
        self,
        sound: Sound,
        name: str,
        source: PipeSource,
        channels: Sequence[int | None],
        *,
        chunk_ms: int,
        block_ms: int,
    ) -> None:
        if sound.rate_hz not in _RATES_HZ:
            raise faults.odd_rate(name, sound.rate_hz)
        self._n_block_frames = max(1, min(sound.rate_hz * block_ms // 1000, _MOST_BLOCK_SAMPLES // sound.n_channels))
        self._sound = sound
        self._name = name
        self._source = source
        self._lanes = [_Lane(sound, channel, chunk_ms) for channel in channels]
        self._n_frames_read = 0
        self._beginning: list[list[Chunk]] = []
        self._failure: AudioError | None = None
        self._ended = False

    def decode_beginning(self) -> None:
        """Decode until there is a first chunk, for ``next_chunks`` to give; raise ``AudioError`` if there is none."""
        self._beginning = self._decoded()
        if not self._beginning[0]:
            raise self._failure or faults.no_sound(self._name)

    def next_chunks(self) -> list[list[Chunk]] | None:
        """Return the next chunks of every lane, or ``None`` at the end; raise what ended the sound too early."""
        if self._beginning:
            batch, self._beginning = self._beginning, []
            return batch
        if not self._ended:
            return self._decoded()
        if self._failure is not None:
            raise self._failure
        return None

    def _decoded(self) -> list[list[Chunk]]:
        """Decode until every lane has a chunk; none only at the end."""
        chunks: list[list[Chunk]] = [[] for _ in self._lanes]
        while not self._ended and not chunks[0]:
            block = self._read()
            if len(block):
                chunks = [lane.feed(block) for lane in self._lanes]
        if self._ended and self._n_frames_read:
            chunks = [before + lane.finish() for before, lane in zip(chunks, self._lanes, strict=True)]
        return chunks

    def _read(self) -> Samples:
        block = self._sound.read(self._n_block_frames)
        self._n_frames_read += len(block)
        if self._sound.failure is not None:
            self._fail(*self._sound.failure)
        elif not len(block):
            self._ended = True
            if self._source.failure is not None:
                self._fail(str(self._source.failure.strerror), self._source.failure)
        return block

    def _fail(self, why: str, cause: Exception) -> None:
        self._ended = True
        self._failure = faults.damaged(self._name, self._n_frames_read / self._sound.rate_hz, why)
        self._failure.__cause__ = cause
