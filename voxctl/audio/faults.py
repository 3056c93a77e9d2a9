"""What can be wrong with a sound file, one sentence each, and what to type next."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from voxctl.errors import AudioError

STDIN_NAME = "standard input"
_PIPE_HINT = "pipe sound in: ffmpeg -i talk.m4a -f wav - | voxctl transcribe -"
_READABLE = "WAV, FLAC, MP3, Ogg, AIFF and CAF can be read"
_INSTALL = "type: pip install 'voxctl[media]'"


def display_name(path: str | Path) -> str:
    """Write a path so that it fits on one line and cannot be misread: quoted as soon as it has anything odd in it."""
    text = str(path)
    plain = text.isprintable() and not any(mark in text for mark in " '\"\\") and text != ""
    return text if plain else repr(text)


def _conversion(name: str) -> str:
    if name == STDIN_NAME:
        return "convert it on the way: ... | ffmpeg -i - -f wav - | voxctl transcribe -"
    if not name.isprintable() or name[0] in "'\"":
        return "convert it first: ffmpeg -i in.m4a out.wav"
    wav = Path(name).with_suffix(".wav").name
    if wav == Path(name).name:
        wav = "converted.wav"
    return f"convert it first: ffmpeg -i {shlex.quote(name)} {shlex.quote(wav)}"


def not_opened(name: str, why: OSError | ValueError) -> AudioError:
    """Say that the operating system does not open this path, in the words of the most usual reasons."""
    if isinstance(why, FileNotFoundError | ValueError):
        return AudioError(f"no such file: {name}", hint=f"check the name; it is looked for from {_folder()}")
    if isinstance(why, PermissionError):
        return AudioError(
            f"{name} cannot be read: permission denied", hint="ask its owner for access: chmod a+r on the file"
        )
    if isinstance(why, NotADirectoryError):
        return AudioError(f"no such file: {name}", hint="a part of this path is a file, not a folder")
    reason = (why.strerror or str(why)).lower()
    return AudioError(f"{name} cannot be opened: {reason}", hint="name an audio file, or - for a pipe")


def _folder() -> str:
    try:
        return display_name(Path.cwd())
    except OSError:
        return "a folder that is gone"


def a_folder(name: str) -> AudioError:
    """Say that this is a folder."""
    return AudioError(f"{name} is a folder, not an audio file", hint="name one file inside it")


def nothing_piped(name: str, *, closed: bool = False) -> AudioError:
    """Say that sound was to come from a terminal, or from a standard input that is closed."""
    return AudioError(f"{name} is {'closed' if closed else 'a terminal'}: nothing is piped in", hint=_PIPE_HINT)


def empty(name: str) -> AudioError:
    """Say that there is not one byte."""
    if name == STDIN_NAME:
        return AudioError(
            "standard input is empty: the program before the pipe wrote nothing",
            hint="run that program alone to see why",
        )
    return AudioError(f"{name} is empty (0 bytes)", hint="record or copy it again")


def no_sound(name: str) -> AudioError:
    """Say that the header is good and no sample follows it."""
    return AudioError(f"{name} has a header but no sound in it", hint="record or copy it again")


def media_not_loaded(name: str, container: str, why: ImportError) -> AudioError:
    """Say that this container needs PyAV, and that it is not installed or does not load."""
    if isinstance(why, ModuleNotFoundError) and why.name == "av":
        return AudioError(
            f"{name} is {container}, which needs PyAV to be read", hint=f"{_INSTALL}; or {_conversion(name)}"
        )
    return AudioError(
        f"{name} is {container}, and PyAV, which reads it, does not load: {_one_line(str(why))}",
        hint=f"install it again: pip install --force-reinstall av; or {_conversion(name)}",
    )


def no_audio_track(name: str, container: str) -> AudioError:
    """Say that a video is silent."""
    return AudioError(f"{name} is {container} without an audio track", hint="name a file in which somebody speaks")


def no_decoder(name: str, container: str) -> AudioError:
    """Say that the container is fine and nothing decodes what is in it."""
    return AudioError(
        f"{name} is {container} with sound in a codec that cannot be decoded",
        hint="protected files can only be played by the program they were bought for; export it as WAV or MP3",
    )


def not_raw(name: str, container: str) -> AudioError:
    """Say that what was called raw has a header; its bytes as samples would be a burst of noise."""
    return AudioError(
        f"{name} is not raw sound: it begins with the header of {container}",
        hint="leave --raw out; the header says what --encoding, --rate and --channels would",
    )


def less_than_a_sample(name: str, n_bytes: int) -> AudioError:
    """Say that raw sound ended within its first sample."""
    return AudioError(f"{name} holds {n_bytes} bytes, not one whole sample", hint="record or copy it again")


def no_such_channel(name: str, channel: int, n_channels: int) -> AudioError:
    """Say how many channels there are."""
    if n_channels == 1:
        return AudioError(f"{name} has no channel {channel}: it is mono", hint="leave --channel out")
    return AudioError(
        f"{name} has no channel {channel}: it has {n_channels}", hint=f"choose 1 to {n_channels}; 1 is the left one"
    )


def too_many_channels(name: str, n_channels: int, most: int) -> AudioError:
    """Say that nobody transcribes so many channels apart."""
    return AudioError(
        f"{name} has {n_channels} channels; at most {most} can be told apart", hint="take one of them: --channel 1"
    )


def not_audio(name: str) -> AudioError:
    """Say that no sound format is recognised."""
    return AudioError(f"{name} is not audio in a known format", hint=f"{_READABLE}; {_conversion(name)}")


def odd_rate(name: str, rate_hz: int) -> AudioError:
    """Say that the header names a rate that no sound has."""
    return AudioError(f"{name} claims a sample rate of {rate_hz} Hz", hint="its header is damaged; export it again")


def damaged_header(name: str, why: str) -> AudioError:
    """Say that the format is known and the file does not keep to it."""
    return AudioError(f"{name} is damaged: {_one_line(why)}", hint="export or copy it again; " + _READABLE)


def damaged(name: str, at_s: float, why: str) -> AudioError:
    """Say that decoding broke off after ``at_s`` seconds."""
    return AudioError(
        f"{name} cannot be read past {at_s:.1f} s: {_one_line(why)}",
        hint="everything before that was used; copy or export the file again for the rest",
    )


def no_room(why: OSError) -> AudioError:
    """Say that a piped file does not fit where temporary files go."""
    reason = os.strerror(why.errno) if why.errno else str(why)
    return AudioError(
        f"no room for the piped file in the temporary folder: {reason.lower()}",
        hint="set TMPDIR to a folder with room, or save the file first and name it",
    )


def _one_line(why: str) -> str:
    return " ".join(why.split()).removeprefix("Error : ").rstrip(".").lower()
