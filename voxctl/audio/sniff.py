"""What a sound file is, judged by its first bytes and never by its name."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from voxctl.audio.pipe import PipeSource

# Enough for every signature below; a pipe that ends before that holds no sound.
HEAD_BYTES = 16

# The RIFF sizes that programs write which cannot know yet, and never came back: nothing but a header (a recorder that
# was killed), 2 GiB or so (sox, arecord), 4 GiB (ffmpeg).
_SIZES_UNKNOWN = (range(37), range(0x7FFF_F000, 0x8000_0100), range(0xFFFF_F000, 0x1_0000_0000))
_ENDLESS_BYTES = 1 << 49


@dataclass(frozen=True, slots=True)
class Container:
    """A format that libsndfile does not read: what people call it, and what FFmpeg calls the part that reads it.

    ``needs_the_end``: it is only decoded from a file, never from a pipe.
    """

    label: str
    demuxer: str
    states_duration: bool = False
    needs_the_end: bool = False


_MP4 = Container("MP4/M4A", "mov", states_duration=True)
_QUICKTIME = Container("QuickTime", "mov", states_duration=True)
_AAC = Container("AAC", "aac")

_MEDIA: tuple[tuple[int, bytes, Container], ...] = (
    (4, b"ftyp", _MP4),
    (4, b"moov", _QUICKTIME),
    (4, b"mdat", _QUICKTIME),
    (4, b"wide", _QUICKTIME),
    (0, b"\x1aE\xdf\xa3", Container("WebM/Matroska", "matroska", states_duration=True)),
    (0, b"0&\xb2u\x8ef\xcf\x11", Container("WMA/ASF", "asf", states_duration=True)),
    (0, b"#!AMR", Container("AMR", "amr")),
    (0, b"ADIF", _AAC),
    (0, b"\xff\xf1", _AAC),
    (0, b"\xff\xf9", _AAC),
    (0, b"wvpk", Container("WavPack", "wv", states_duration=True, needs_the_end=True)),
    (0, b"MAC ", Container("Monkey's Audio", "ape", states_duration=True, needs_the_end=True)),
    (0, b"FLV\x01", Container("Flash video", "flv")),
    (8, b"AVI ", Container("AVI", "avi", states_duration=True)),
    (0, b"\0\0\x01\xba", Container("MPEG video", "mpeg")),
)

# Four bytes at least: sound without a header can begin with any two, and telephones' silence does begin with \xff\xff.
_WITH_HEADER: tuple[tuple[bytes, str], ...] = (
    (b"RIFF", "WAV"),
    (b"RF64", "WAV"),
    (b"riff", "W64"),
    (b"FORM", "AIFF"),
    (b"caff", "CAF"),
    (b".snd", "AU"),
    (b"fLaC", "FLAC"),
    (b"OggS", "Ogg"),
    (b"ID3\x02", "MP3"),
    (b"ID3\x03", "MP3"),
    (b"ID3\x04", "MP3"),
)

# An MP4 that is meant to be streamed names its tracks within so many bytes; what comes before is small.
_LONGEST_WAY_TO_THE_INDEX = 1 << 16


def media_container(head: bytes) -> Container | None:
    """Name the container when it is a known one that libsndfile does not read, such as M4A; ``None`` otherwise."""
    for at, magic, container in _MEDIA:
        if head[at : at + len(magic)] == magic:
            return container
    return None


def container_with_header(head: bytes) -> str | None:
    """Name the format of what was said to have no header, if it begins with one that cannot be chance."""
    for magic, name in _WITH_HEADER:
        if head.startswith(magic):
            return name
    for at, magic, container in _MEDIA:
        if len(magic) >= 4 and head[at : at + len(magic)] == magic:
            return container.label
    return None


def index_comes_last(source: PipeSource) -> bool:
    """Say whether an MP4 has its sound before the index without which it cannot be decoded; most programs do that."""
    at = 0
    while at < _LONGEST_WAY_TO_THE_INDEX:
        box = source.peek(at + 8)[at:]
        if len(box) < 8 or box[4:] == b"moov":
            return False
        n_bytes = int.from_bytes(box[:4])
        if box[4:] == b"mdat" or n_bytes < 8:
            return True
        at += n_bytes
    return True


def id3_tag_bytes(head: bytes) -> int:
    """Return the length of the ID3 tag (titles, cover pictures) that begins here, 0 if none does."""
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    size = 0
    for byte in head[6:10]:  # seven bits each
        size = size << 7 | byte & 0x7F
    return 10 + size + (10 if head[5] & 0x10 else 0)  # a flag announces a footer


def is_mp3(head: bytes) -> bool:
    """Say whether this is MPEG audio; what comes before it, an ID3 tag, must have been skipped."""
    if len(head) < 3 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    bitrate, rate = head[2] >> 4, head[2] >> 2 & 3
    return version != 1 and layer != 0 and bitrate != 15 and rate != 3


def is_ogg(head: bytes) -> bool:
    """Say whether this is an Ogg container: Vorbis, Opus or FLAC inside."""
    return head[:4] == b"OggS"


def promised_bytes(head: bytes) -> int | None:
    """Return how long a WAV says that its file is; ``None`` for other formats and where the writer did not know."""
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:12] != b"WAVE" or endless(head) != head:
        return None
    return 8 + int.from_bytes(head[4:8], "little")


def endless(head: bytes) -> bytes:
    """Rewrite the head of a WAV that does not know its size as an RF64 that never ends; leave any other as it is.

    Read as it stands, such a WAV stops without a word at its start or after 2 or 4 GiB: 6 hours of 48 kHz stereo.
    """
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return head
    size = struct.unpack_from("<I", head, 4)[0]
    if not any(size in sizes for sizes in _SIZES_UNKNOWN):
        return head
    lengths = struct.pack("<IQQQI", 28, _ENDLESS_BYTES, _ENDLESS_BYTES, 0, 0)
    return b"RF64\xff\xff\xff\xffWAVEds64" + lengths + head[12:]
