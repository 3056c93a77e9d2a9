"""What is to be heard: an input as a whole, or each of its channels by itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from voxctl.cli.places import STANDARD
from voxctl.errors import AudioError, UsageError

if TYPE_CHECKING:
    from voxctl.audio.decode import AudioFile
    from voxctl.audio.raw import RawFormat

#: ``--channel all``.
EVERY_CHANNEL = "all"
#: A speaker's name has its place at the beginning of subtitles, before the words.
_NAME_MOST = 20


@dataclass(frozen=True, slots=True)
class Hearing:
    """How inputs are to be opened. ``channel`` ``None`` mixes all; ``every_channel`` takes each by itself.

    ``speakers`` are the names of the channels in order, ``None`` for ``Channel 1`` and so on.
    """

    chunk_ms: int
    raw: RawFormat | None
    channel: int | None
    every_channel: bool = False
    speakers: tuple[str, ...] | None = None

    def open(self, path: str) -> Input:
        """Open a file, a pipe or standard input and decode its beginning. Raises ``AudioError`` and ``UsageError``."""
        from voxctl.audio.decode import open_audio, open_channels

        if not self.every_channel:
            return Input([open_audio(path, chunk_ms=self.chunk_ms, raw=self.raw, channel=self.channel)], None)
        files = open_channels(path, chunk_ms=self.chunk_ms, raw=self.raw)
        speakers = self.speakers or tuple(f"Channel {n}" for n in range(1, len(files) + 1))
        opened = Input(files, speakers)
        if len(speakers) != len(files):
            opened.close()
            channels = "1 channel" if len(files) == 1 else f"{len(files)} channels"
            raise AudioError(
                f"{opened.name} has {channels}, and --speakers names {len(speakers)}",
                hint="name one for each channel, or transcribe this file by itself.",
            )
        return opened


class Input:
    """An open input: one stream of sound, or, where ``speakers`` are given, one for each channel."""

    def __init__(self, files: list[AudioFile], speakers: tuple[str, ...] | None) -> None:
        self.files = files
        self.speakers = speakers
        self.name = files[0].name
        self.duration_s = files[0].duration_s
        self.n_missing_bytes = files[0].n_missing_bytes

    @property
    def channels(self) -> list[int | None]:
        """The numbers of the channels that are heard, ``None`` for the mean of all."""
        return [file.channel for file in self.files]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; may be called twice."""
        for file in self.files:
            file.close()


def can_be_opened_again(name: str) -> bool:
    """Whether the input of this name on the command line is there a second time, as no pipe is."""
    return name != STANDARD and Path(name).is_file()


def called(name: str) -> str:
    """Return what people call the input of this name on the command line."""
    return "standard input" if name == STANDARD else name


def parse_channel(channel: str | None, speakers: str | None) -> tuple[int | None, bool, tuple[str, ...] | None]:
    """Return ``channel``, ``every_channel`` and ``speakers`` of a ``Hearing`` from what was typed."""
    names = tuple(name.strip() for name in speakers.split(",")) if speakers is not None else None
    every = channel == EVERY_CHANNEL
    if names is not None:
        _check_names(names, every)
    if channel is None or every:
        return None, every, names
    if not (channel.isascii() and channel.isdigit() and int(channel)):
        raise UsageError(
            f"there is no channel {channel!r}", hint="channels are counted from 1; all takes each of them."
        )
    return int(channel), False, None


_NAMES = f"names have 1 to {_NAME_MOST} characters and a comma between them: --speakers Agent,Customer"


def _check_names(names: tuple[str, ...], every: bool) -> None:
    if not every:
        raise UsageError("--speakers names the channels of a call", hint="add --channel all.")
    for name in names:
        if not name or not name.isprintable():
            raise UsageError(f"--speakers {name!r} is no name", hint=_NAMES)
        if len(name) > _NAME_MOST:
            raise UsageError(
                f"--speakers {name!r:.60} has {len(name)} characters, and there is room for {_NAME_MOST}", hint=_NAMES
            )
    if len(set(names)) < len(names):
        raise UsageError("--speakers gives two channels one name", hint="choose different names.")
