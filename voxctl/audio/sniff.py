"""What a sound file is, judged by its first bytes and never by its name."""

from __future__ import annotations

import struct

# Enough for every signature below; a pipe that ends before that holds no sound.
HEAD_BYTES = 16

# The RIFF sizes that programs write which cannot know yet, and never came back: nothing but a header (a recorder that
# was killed), 2 GiB or so (sox, arecord), 4 GiB (ffmpeg).
_SIZES_UNKNOWN = (range(37), range(0x7FFF_F000, 0x8000_0100), range(0xFFFF_F000, 0x1_0000_0000))
_ENDLESS_BYTES = 1 << 49

_UNSUPPORTED: tuple[tuple[int, bytes, str], ...] = (
    (4, b"ftyp", "MP4/M4A"),
    (4, b"moov", "QuickTime"),
    (4, b"mdat", "QuickTime"),
    (0, b"\x1aE\xdf\xa3", "WebM/Matroska"),
    (0, b"0&\xb2u\x8ef\xcf\x11", "WMA/ASF"),
    (0, b"#!AMR", "AMR"),
    (0, b"ADIF", "AAC"),
    (0, b"\xff\xf1", "AAC"),
    (0, b"\xff\xf9", "AAC"),
    (0, b"wvpk", "WavPack"),
    (0, b"MAC ", "Monkey's Audio"),
    (0, b"FLV\x01", "Flash video"),
)


def unsupported_container(head: bytes) -> str | None:
    """Name the container when it is a known one that cannot be decoded here, such as M4A; ``None`` otherwise."""
    for at, magic, name in _UNSUPPORTED:
        if head[at : at + len(magic)] == magic:
            return name
    return None


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
