"""Whatever cannot be read is refused in one line that says why, and another that says what to do."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
from pathlib import Path

import pytest

from tests.audio.formats import CLIP
from tests.audio.listening import start
from voxctl.audio.decode import open_audio
from voxctl.audio.faults import display_name
from voxctl.errors import AudioError

HEADER = CLIP.read_bytes()[:44]


def refusal(path: str | Path) -> AudioError:
    with pytest.raises(AudioError) as caught:
        open_audio(path)
    error = caught.value
    assert error.exit_code == 3
    assert "\n" not in error.message
    assert error.hint and "\n" not in error.hint
    return error


def with_field(at: int, layout: str, value: int) -> bytes:
    data = bytearray(CLIP.read_bytes()[:20_000])
    struct.pack_into(layout, data, at, value)
    return bytes(data)


CONTENTS = {
    "nothing": (b"", "is empty (0 bytes)"),
    "one byte": (b"R", "is not audio in a known format"),
    "text": (b"hello, this is no sound\n" * 100, "is not audio in a known format"),
    "zeros": (bytes(50_000), "is not audio in a known format"),
    "noise": (bytes(range(7, 256)) * 200, "is not audio in a known format"),
    "only a header": (HEADER[:40] + bytes(4), "has a header but no sound in it"),
    "a header that promises more": (HEADER, "has a header but no sound in it"),
    "half a header": (HEADER[:30], "is damaged: error in wav file. no 'data' chunk marker"),
    "no channels": (with_field(22, "<H", 0), "is damaged: channel count is zero"),
    "no rate": (with_field(24, "<I", 0), "is damaged: "),
    "a rate of 1 Hz": (with_field(24, "<I", 1), "claims a sample rate of 1 Hz"),
    "a rate of 2 GHz": (with_field(24, "<I", 2**31 - 1), "claims a sample rate of 2147483647 Hz"),
    "a broken mp3": (b"\xff\xfb\x90\x64" + bytes(range(200)), "is not audio in a known format"),
    "only a tag": (b"ID3\x04\0\0\0\0\0\x64" + bytes(100), "is not audio in a known format"),
    "a broken ogg": (b"OggS" + bytes(3000), "is damaged: "),
    "a broken flac": (b"fLaC" + bytes(3000), "is damaged: "),
    "an m4a": (b"\0\0\0\x20ftypM4A " + bytes(500), "is damaged: invalid data found"),
    "a webm": (b"\x1aE\xdf\xa3" + bytes(500), "is damaged: "),
    "an aac": (b"\xff\xf1\x50\x80" * 200, "is damaged: "),
}


@pytest.mark.parametrize(("content", "words"), CONTENTS.values(), ids=CONTENTS)
def test_a_file_without_usable_sound_is_refused_for_its_own_reason(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "talk.bin"
    path.write_bytes(content)
    assert refusal(path).message.startswith(f"{path} {words}")


def test_a_missing_file_is_missing() -> None:
    assert refusal("no-such-talk.wav").message == "no such file: no-such-talk.wav"
    assert refusal("").message == "no such file: ''"
    assert refusal("nul\0inside.wav").message == "no such file: 'nul\\x00inside.wav'"


def test_a_path_through_a_file_is_missing() -> None:
    error = refusal(CLIP / "talk.wav")
    assert error.message.startswith("no such file") and "not a folder" in str(error.hint)


def test_a_folder_is_a_folder(tmp_path: Path) -> None:
    assert refusal(tmp_path).message == f"{tmp_path} is a folder, not an audio file"


def test_a_socket_is_neither_waited_for_nor_a_bug(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        assert refusal(path).message.startswith(f"{path} cannot be opened: ")


def test_a_name_that_is_too_long_is_an_audio_error() -> None:
    assert "cannot be opened: file name too long" in refusal("x" * 5000).message


def test_the_null_device_is_empty() -> None:
    assert refusal("/dev/null").message == "/dev/null is empty (0 bytes)"


def test_a_device_without_end_is_not_read_to_its_end() -> None:
    assert refusal("/dev/zero").message == "/dev/zero is not audio in a known format"


AS_NOBODY = """
import os, sys
from voxctl.audio.decode import open_audio
from voxctl.errors import AudioError
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    open_audio(sys.argv[1])
except AudioError as error:
    print(error.message, error.hint, sep="\\n", end="")
"""


def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    path = tmp_path / "secret.wav"
    path.write_bytes(CLIP.read_bytes())
    path.chmod(0)
    with start(AS_NOBODY, str(path), stdin=subprocess.DEVNULL) as child:
        out, err = child.communicate()
    message, hint = out.decode().split("\n")
    assert message == f"{path} cannot be read: permission denied", err.decode()
    assert hint


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("talk-1_final.wav", "talk-1_final.wav"),
        ("größe.wav", "größe.wav"),
        ("my talk.wav", "'my talk.wav'"),
        ("it's.wav", '"it\'s.wav"'),
        ("two\nlines.wav", "'two\\nlines.wav'"),
        ("red\x1b[31m.wav", "'red\\x1b[31m.wav'"),
        (os.fsdecode(b"caf\xe9.wav"), "'caf\\udce9.wav'"),
    ],
)
def test_a_name_is_shown_on_one_line_and_cannot_be_misread(name: str, shown: str, tmp_path: Path) -> None:
    assert display_name(name) == shown
    assert refusal(name).message == f"no such file: {shown}"
    (tmp_path / name).write_bytes(b"no sound")
    refusal(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("in.m4a", "ffmpeg -i {}/in.m4a in.wav"),
        ("in.wav", "ffmpeg -i {}/in.wav converted.wav"),
        ("a;b.m4a", "ffmpeg -i '{}/a;b.m4a' 'a;b.wav'"),
        ("my talk.m4a", "ffmpeg -i in.m4a out.wav"),
    ],
)
def test_the_hint_for_an_unknown_format_can_be_pasted(name: str, command: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"a format of the next century")
    hint = refusal(tmp_path / name).hint
    assert hint is not None and hint.endswith(command.format(tmp_path))
