"""Writes the clip as what phones, browsers and cameras make of sound: M4A, WebM, videos; with PyAV."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream

from tests.audio.formats import Samples


@dataclass(frozen=True)
class Media:
    """One such file. ``progressive``: a pipe gives its sound before its end."""

    name: str
    muxer: str
    codec: str | None
    progressive: bool
    min_snr_db: float = 10.0
    states_duration: bool = True
    rate_hz: int = 16_000
    n_channels: int = 1
    video: str | None = None
    options: dict[str, str] = field(default_factory=dict)


MEDIA = [
    Media("phone.m4a", "ipod", "aac", progressive=False),
    Media("streamed.m4a", "ipod", "aac", progressive=True, options={"movflags": "faststart"}),
    Media(
        "fragments.mp4", "mp4", "aac", True, options={"movflags": "frag_keyframe+empty_moov", "frag_duration": "500000"}
    ),
    Media("lossless.m4a", "ipod", "alac", progressive=False, min_snr_db=80),
    Media("stereo.m4a", "ipod", "aac", progressive=False, rate_hz=44_100, n_channels=2),
    Media("browser.webm", "webm", "libopus", progressive=True, rate_hz=48_000),
    Media("camera.mp4", "mp4", "aac", progressive=False, video="mpeg4"),
    Media("screen.mkv", "matroska", "aac", progressive=True, video="mpeg4"),
    Media("old.avi", "avi", "pcm_s16le", progressive=True, min_snr_db=80, video="mpeg4"),
    Media("radio.aac", "adts", "aac", progressive=True, states_duration=False),
    Media("windows.wma", "asf", "wmav2", progressive=True, rate_hz=44_100),
    Media("packed.wv", "wv", "wavpack", progressive=False, min_snr_db=25),
]
SILENT_VIDEO = Media("silent.mp4", "mp4", None, progressive=False, video="mpeg4")


def write_media(media: Media, samples: Samples, folder: Path) -> Path:
    """Write 16 kHz mono ``samples`` as the file says, the same sound in every channel."""
    path = folder / media.name
    with av.open(str(path), "w", format=media.muxer, options=media.options) as container:
        picture = _picture(container, media.video) if media.video else None
        track = _track(container, media) if media.codec else None
        if picture is not None:
            for at in range(len(samples) // 3_200):
                frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), at % 255, np.uint8), format="rgb24")
                frame.pts = at
                container.mux(picture.encode(frame))
            container.mux(picture.encode(None))
        if track is not None:
            _write_track(container, track, samples)
    return path


def _picture(container: OutputContainer, codec: str) -> VideoStream:
    picture = container.add_stream(codec, rate=5)
    assert isinstance(picture, VideoStream)
    picture.width = picture.height = 64
    picture.pix_fmt = "yuv420p"
    return picture


def _track(container: OutputContainer, media: Media) -> AudioStream:
    layout = {1: "mono", 2: "stereo"}[media.n_channels]
    track = container.add_stream(media.codec or "", rate=media.rate_hz, layout=layout)
    assert isinstance(track, AudioStream)
    track.bit_rate = 96_000
    track.codec_context.open()
    return track


def _write_track(container: OutputContainer, track: AudioStream, samples: Samples) -> None:
    context = track.codec_context
    every_channel = np.repeat(samples[None, :], context.layout.nb_channels, axis=0)
    whole = av.AudioFrame.from_ndarray(every_channel, format="fltp", layout=context.layout.name)
    whole.sample_rate = 16_000
    frame_size = context.frame_size or 1024
    convert = av.AudioResampler(context.format.name, context.layout, context.rate, frame_size=frame_size)
    for frame in [*convert.resample(whole), *convert.resample(None)]:
        container.mux(track.encode(frame))
    container.mux(track.encode(None))
