"""Opens a file or a pipe and gives it out as chunks, in constant memory, whatever its format, rate and length."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from voxctl.audio import faults
from voxctl.audio.lanes import Lanes
from voxctl.audio.opening import Opened
from voxctl.audio.pcm import Chunk, Rechunker
from voxctl.audio.raw import MOST_CHANNELS, RawFormat
from voxctl.errors import UsageError


class AudioFile:
    """An open file or pipe, or one channel of it.

    ``n_channels`` is how many it has; ``channel``, counted from 1, is the one that ``chunks`` gives, ``None`` the mean
    of all. ``duration_s`` is ``None`` where nothing trustworthy states it: MP3, pipes, a WAV that was never finished.

    Close it, or use it in ``with``: that ends a wait for a pipe and every thread of its own.
    """

    def __init__(self, sound: Opened, channel: int | None, lanes: Lanes, lane: int) -> None:
        self.name = sound.name
        self.duration_s = sound.duration_s
        self.n_channels = sound.n_channels
        #: By how much the file is shorter than its header says, where it says so (WAV).
        self.n_missing_bytes = sound.n_missing_bytes
        self.channel = channel
        self._lanes = lanes
        self._lane = lane
        self._given_out = False

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
        loop, lanes = asyncio.get_running_loop(), self._lanes
        try:
            while (batch := await loop.run_in_executor(lanes.threads, lanes.next_batch, self._lane)) is not None:
                for chunk in batch:
                    yield chunk
        finally:
            # A cancelled consumer leaves the worker thread behind, perhaps waiting for a pipe nobody feeds.
            lanes.give_up(self._lane)

    def close(self) -> None:
        """Let go of the file; may be called twice, and from any thread."""
        self._lanes.close(self._lane)


def open_audio(
    path: str | Path, *, chunk_ms: int = 80, raw: RawFormat | None = None, channel: int | None = None
) -> AudioFile:
    """Open a file, ``"-"`` for standard input, or a named pipe, and decode its beginning.

    Everything libsndfile reads is read: WAV, RF64, W64, AIFF, CAF, AU, FLAC, Ogg (Vorbis, Opus), MP3. With PyAV
    installed also M4A, AAC, WebM, WMA, AMR and the sound of a video. With ``raw``, the bytes are sound without a
    header. A pipe is decoded while it is still being written, in all of these formats; only what describes its sound
    after it (M4A and video as most programs write them, some AIFF) is first copied to a temporary file, to its end.

    ``channel``, counted from 1, takes that one alone; without it the channels are averaged.

    For a pipe this waits until the beginning has arrived, so call it before the event loop starts: there, Ctrl-C
    ends the wait.

    Raises ``AudioError`` for all that can be known from the beginning, ``UsageError`` for numbers out of range.
    """
    Rechunker(chunk_ms)  # the one place that knows which lengths are possible
    if channel is not None and (channel < 1 or (raw is not None and channel > raw.n_channels)):
        n_channels = 1 if raw is None else raw.n_channels
        raise UsageError(f"there is no channel {channel}", hint=_WHICH[n_channels > 1].format(n_channels))
    with ExitStack() as resources:
        sound = Opened(path, raw, resources)
        if channel is not None and channel > sound.n_channels:
            raise faults.no_such_channel(sound.name, channel, sound.n_channels)
        return _as_files(sound, [channel], chunk_ms, resources)[0]


_WHICH = ("channels are counted from 1", "choose 1 to {}: channels are counted from 1")


def open_channels(path: str | Path, *, chunk_ms: int = 80, raw: RawFormat | None = None) -> list[AudioFile]:
    """Open as ``open_audio`` does, once, and return every channel as a file of its own: both sides of a call.

    Take the chunks of all of them at the same time: the input is read once, and the fastest reader waits as soon as it
    is ``lanes.WINDOW_MS`` (30 s, 1 MB a channel) ahead of the slowest. Closing one, or leaving its chunks, takes it out
    of that account; one that is neither read nor closed holds up the others. The last to be closed closes the input.
    """
    Rechunker(chunk_ms)
    with ExitStack() as resources:
        sound = Opened(path, raw, resources)
        if sound.n_channels > MOST_CHANNELS:
            raise faults.too_many_channels(sound.name, sound.n_channels, MOST_CHANNELS)
        return _as_files(sound, range(1, sound.n_channels + 1), chunk_ms, resources)


def _as_files(
    sound: Opened, channels: list[int | None] | range, chunk_ms: int, resources: ExitStack
) -> list[AudioFile]:
    decoder = sound.decoder(channels, chunk_ms)
    lanes = Lanes(decoder, sound.source, resources.pop_all(), n_lanes=len(channels), chunk_ms=chunk_ms)
    return [AudioFile(sound, channel, lanes, lane) for lane, channel in enumerate(channels)]
