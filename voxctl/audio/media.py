"""Blocks of sound from PyAV (FFmpeg): M4A, AAC, WebM, WMA, AMR and the sound of videos. Imported only when needed.

The only place that knows PyAV. FFmpeg is told which format it is given, so it never guesses and never follows a
playlist to another file. Its own log is off by PyAV's default: what goes wrong is raised.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import FileIO
from typing import IO, Any

import av
import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream

from voxctl.audio import faults
from voxctl.audio.pipe import PipeSource
from voxctl.audio.resample import Samples
from voxctl.audio.sniff import Container

# In a pipe FFmpeg would otherwise gather up to 5 s or 5 MB before the first frame, to learn more than is needed.
_LIVE_OPTIONS = {"probesize": "16384", "analyzeduration": "200000"}


class _ReadOnly:
    """A pipe as PyAV wants it: no way to seek, and therefore none tried."""

    def __init__(self, source: PipeSource) -> None:
        self.read = source.read


class MediaSound:
    """The first audio track of a container as a ``Sound``; FFmpeg's error tree is renamed here and nowhere else."""

    def __init__(self, file: FileIO | IO[bytes] | PipeSource, name: str, container: Container) -> None:
        is_pipe = isinstance(file, PipeSource)
        self.failure: tuple[str, Exception] | None = None
        self._unread: list[Samples] = []
        with _renamed(name):
            self._container: Any = av.open(
                _ReadOnly(file) if isinstance(file, PipeSource) else file,
                mode="r",
                format=container.demuxer,
                options=_LIVE_OPTIONS if is_pipe else {},
            )
        with ExitStack() as unless_good:
            unless_good.callback(self._container.close)
            with _renamed(name):
                track = _first_track(self._container.streams.audio, name, container)
                self._frames = _float_frames(self._container, track)
                first = next(self._frames, None)
            if first is None:
                raise faults.no_sound(name)
            unless_good.pop_all()
        self.rate_hz = first.sample_rate
        self.n_channels = first.layout.nb_channels
        self._unread.append(_samples(first))
        self.duration_s: float | None = None
        if container.states_duration and not is_pipe and self._container.duration:
            self.duration_s = self._container.duration / av.time_base

    def read(self, n_frames: int) -> Samples:
        """Return the next block of at least ``n_frames``; shorter only at the end or before the damage."""
        blocks, self._unread = self._unread, []
        n_read = sum(map(len, blocks))
        try:
            while n_read < n_frames and (frame := next(self._frames, None)) is not None:
                blocks.append(_samples(frame))
                n_read += len(blocks[-1])
        except (av.FFmpegError, OSError) as exc:
            self.failure = _why(exc), exc
        return np.concatenate(blocks) if blocks else np.zeros((0, self.n_channels), np.float32)

    def close(self) -> None:
        """Let go of FFmpeg's side; the file itself belongs to whoever opened it."""
        self._container.close()


def _first_track(tracks: tuple[AudioStream, ...], name: str, container: Container) -> AudioStream:
    if not tracks:
        raise faults.no_audio_track(name, container.label)
    # FFmpeg knows more codecs by name than it decodes, and encrypted purchases have one that nobody does.
    if tracks[0].codec_context is None:
        raise faults.no_decoder(name, container.label)
    return tracks[0]


def _float_frames(container: Any, track: AudioStream) -> Iterator[AudioFrame]:
    """Decode the track as planar floats; a change of rate or channels on the way is converted away."""
    converter: AudioResampler | None = None
    wanted: tuple[str, int] | None = None
    before: tuple[object, ...] = ()
    for packet in container.demux(track):
        for frame in packet.decode():
            if wanted is None:
                wanted = frame.layout.name, frame.sample_rate
            now = frame.format.name, frame.layout.name, frame.sample_rate
            if now != before:
                if converter is not None:
                    yield from converter.resample(None)
                converter = AudioResampler("fltp", wanted[0], wanted[1])
                before = now
            assert converter is not None
            frame.pts = None  # only the order counts; gaps in a damaged clock must not become silence or an error
            yield from converter.resample(frame)
    if converter is not None:
        yield from converter.resample(None)


def _samples(frame: AudioFrame) -> Samples:
    return np.ascontiguousarray(frame.to_ndarray().T, np.float32)


@contextmanager
def _renamed(name: str) -> Iterator[None]:
    try:
        yield
    except (av.FFmpegError, OSError) as exc:
        raise faults.damaged_header(name, _why(exc)) from exc


def _why(exc: Exception) -> str:
    # Decoders of FFmpeg's that say only "-1" look like EPERM.
    if isinstance(exc, av.error.PermissionError):
        return "invalid data"
    return str(getattr(exc, "strerror", None) or exc)
