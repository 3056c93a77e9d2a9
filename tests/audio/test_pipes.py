"""Sound through a pipe: words before its end, and no wait that cannot be ended."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import struct
import subprocess
import threading
import time
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.audio.formats import CLIP, clip_samples
from tests.audio.listening import chunks_of, collected, half_written, joined, our_threads, start
from voxctl.audio.decode import open_audio
from voxctl.audio.pcm import Chunk
from voxctl.audio.pipe import Forward, PipeSource
from voxctl.audio.sniff import endless
from voxctl.errors import AudioError


def endless_wav(data: bytes) -> bytes:
    """Write the sizes as ffmpeg does, which cannot go back in a pipe, and its LIST chunk before the sound."""
    note = b"LIST" + struct.pack("<I", 26) + b"INFOISFT" + struct.pack("<I", 14) + b"Lavf62.3.100\0\0"
    return b"RIFF\xff\xff\xff\xffWAVE" + data[12:36] + note + b"data\xff\xff\xff\xff" + data[44:]


def stored(kind: str) -> bytes:
    sound = np.tile(clip_samples(), 3)
    if kind == "ENDLESS":
        return endless_wav(stored("WAV-PCM_16"))
    name, subtype = kind.split("-")
    rate_hz = 48_000 if subtype == "PCM_24" else 16_000
    file = io.BytesIO()
    soundfile.write(file, np.repeat(sound, rate_hz // 16_000), rate_hz, format=name, subtype=subtype)
    return file.getvalue()


PROGRESSIVE = [
    "WAV-PCM_16", "ENDLESS", "WAV-PCM_24", "WAV-ULAW", "WAV-FLOAT", "WAV-IMA_ADPCM", "RF64-PCM_16", "W64-PCM_16",
    "AIFF-PCM_16", "CAF-PCM_16", "AU-PCM_16", "FLAC-PCM_16", "OGG-VORBIS", "OGG-OPUS", "MP3-MPEG_LAYER_III",
]  # fmt: skip


@pytest.mark.real
@pytest.mark.parametrize("kind", PROGRESSIVE)
def test_sound_comes_out_of_a_pipe_before_the_rest_is_written(kind: str, tmp_path: Path) -> None:
    data = stored(kind)
    path = tmp_path / "whole"
    path.write_bytes(data)
    whole = joined(chunks_of(path))
    chunks: list[Chunk] = []

    async def listen() -> None:
        with open_audio(pipe.path) as file:
            assert file.duration_s is None
            async for chunk in file.chunks():
                chunks.append(chunk)
                if chunk.end_s > 0.3 * len(whole) / 32_000:
                    pipe.go_on()

    with half_written(data) as pipe:
        asyncio.run(listen())
    assert not pipe.waited_in_vain
    assert joined(chunks) == whole


def test_a_pipe_that_ends_early_gives_what_came() -> None:
    with half_written(CLIP.read_bytes()[:100_000]) as pipe:
        pipe.go_on()
        assert joined(chunks_of(pipe.path)) == CLIP.read_bytes()[44:100_000]


def test_an_aiff_whose_sound_comes_before_its_description_is_read_all_the_same(tmp_path: Path) -> None:
    file = io.BytesIO()
    soundfile.write(file, np.tile(clip_samples(), 2), 16_000, format="AIFF", subtype="PCM_16")
    data = file.getvalue()
    at, parts = 12, {}
    while at < len(data):
        n_bytes = 8 + struct.unpack_from(">I", data, at + 4)[0]
        parts[data[at : at + 4]] = data[at : at + n_bytes + n_bytes % 2]
        at += n_bytes + n_bytes % 2
    turned = data[:12] + parts[b"SSND"] + parts[b"COMM"]
    path = tmp_path / "plain.aiff"
    path.write_bytes(turned)
    with half_written(turned) as pipe:
        pipe.go_on()
        assert joined(chunks_of(pipe.path)) == joined(chunks_of(path))


def test_a_wav_stream_of_unknown_size_has_no_limit() -> None:
    read_fd, write_fd = os.pipe()
    os.write(write_fd, endless(endless_wav(CLIP.read_bytes())[:4096]))
    os.close(write_fd)
    source = PipeSource(read_fd)
    with soundfile.SoundFile(Forward(source)) as sound:
        assert sound.frames > 1 << 40
    source.close()
    os.close(read_fd)


@pytest.mark.parametrize("head", [CLIP.read_bytes()[:64], b"RIFF\xff\xff\xff\xffAVI LIST", b"RIFF", b""])
def test_the_head_of_anything_else_is_left_alone(head: bytes) -> None:
    assert endless(head) == head


def test_a_named_pipe_is_waited_for_and_read(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(CLIP.read_bytes(),))
    writer.start()
    assert joined(chunks_of(path)) == CLIP.read_bytes()[44:]
    writer.join()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"hello " * 1000, "is not audio in a known format"),
        (b"OggS" + bytes(3000), "is damaged: "),
        (b"\xff\xfb\x90\x64" + bytes(range(200)), "is not audio in a known format"),
        (CLIP.read_bytes()[:44], "has a header but no sound in it"),
        (CLIP.read_bytes()[:30], "is damaged: "),
        (b"\0\0\0\x20ftypM4A " + bytes(100), "is damaged: invalid data found"),
        (b"", "is empty (0 bytes)"),
    ],
)
def test_a_pipe_without_usable_sound_is_refused_and_leaves_no_thread(content: bytes, words: str) -> None:
    with half_written(content) as pipe:
        pipe.go_on()
        with pytest.raises(AudioError) as caught:
            open_audio(pipe.path)
        assert caught.value.message.startswith(f"{pipe.path} {words}")
    assert our_threads() == []


@pytest.mark.parametrize("kind", ["WAV-PCM_16", "MP3-MPEG_LAYER_III"])
def test_a_consumer_that_is_cancelled_while_the_pipe_is_silent_ends_at_once(kind: str) -> None:
    async def listen() -> None:
        with open_audio(pipe.path) as file:
            async with asyncio.timeout(0.3):
                await collected(file.chunks())

    with half_written(stored(kind)) as pipe:
        began_s = time.monotonic()
        with pytest.raises(TimeoutError):
            asyncio.run(listen())
        assert time.monotonic() - began_s < 2
        assert our_threads() == []


def test_a_cancelled_consumer_ends_even_when_the_file_is_closed_only_after_the_event_loop() -> None:
    async def listen() -> None:
        async with asyncio.timeout(0.3):
            await collected(file.chunks())

    with half_written(stored("WAV-PCM_16")) as pipe, open_audio(pipe.path) as file:
        began_s = time.monotonic()
        with pytest.raises(TimeoutError):
            asyncio.run(listen())
        assert time.monotonic() - began_s < 2


def test_stopping_early_does_not_wait_for_the_rest_of_the_pipe() -> None:
    async def take_one() -> None:
        with open_audio(pipe.path) as file:
            async with aclosing(file.chunks()) as chunks:
                await anext(chunks)

    with half_written(stored("MP3-MPEG_LAYER_III")) as pipe:
        asyncio.run(take_one())
        assert our_threads() == []


FROM_STDIN = """
import asyncio, sys
from voxctl.audio.decode import open_audio
from voxctl.errors import AudioError
async def listen(file):
    async for chunk in file.chunks():
        sys.stdout.buffer.write(chunk.pcm)
        sys.stdout.buffer.flush()
try:
    with open_audio("-") as file:
        sys.stderr.write(f"{file.name} {file.duration_s}")
        asyncio.run(listen(file))
except AudioError as error:
    sys.exit(f"{error.message}\\n{error.hint}")
except KeyboardInterrupt:
    sys.exit("interrupted")
"""


def test_standard_input_is_decoded_while_it_is_still_being_written() -> None:
    sound = CLIP.read_bytes()[44:]
    with half_written(endless_wav(CLIP.read_bytes())) as pipe, start(FROM_STDIN, stdin=pipe.read_fd) as child:
        assert child.stdout is not None and child.stderr is not None
        first = child.stdout.read(len(sound) // 3)
        pipe.go_on()
        assert first + child.stdout.read() == sound
        assert child.stderr.read() == b"standard input None"
    assert not pipe.waited_in_vain


def test_a_file_as_standard_input_is_a_file() -> None:
    with CLIP.open("rb") as stdin, start(FROM_STDIN, stdin=stdin) as child:
        out, err = child.communicate()
    assert out == CLIP.read_bytes()[44:]
    assert err.decode().startswith("standard input 9.3")


def stdin_refusal(stdin: int) -> str:
    with start(FROM_STDIN, stdin=stdin) as child:
        _, err = child.communicate()
    assert child.returncode == 1
    assert err.count(b"\n") == 2
    return err.decode()


def test_an_empty_standard_input_says_who_wrote_nothing() -> None:
    assert stdin_refusal(subprocess.DEVNULL).startswith("standard input is empty: the program before the pipe")


def test_a_terminal_as_standard_input_says_that_nothing_is_piped_in() -> None:
    ours, theirs = os.openpty()
    try:
        message = stdin_refusal(theirs)
    finally:
        os.close(ours)
        os.close(theirs)
    assert message.startswith("standard input is a terminal: nothing is piped in\npipe sound in: ")


@pytest.mark.real
@pytest.mark.parametrize("kind", ["WAV-PCM_16", "MP3-MPEG_LAYER_III"])
@pytest.mark.parametrize("n_bytes", [0, 20])
def test_ctrl_c_ends_the_wait_for_a_pipe_in_which_nothing_comes(kind: str, n_bytes: int) -> None:
    program = FROM_STDIN.replace("try:", "try:\n    sys.stderr.write('ready'); sys.stderr.flush()")
    with start(program, stdin=subprocess.PIPE) as child:
        assert child.stdin is not None and child.stderr is not None
        child.stdin.write(stored(kind)[:n_bytes])
        child.stdin.flush()
        child.stderr.read(5)
        time.sleep(0.5)
        child.send_signal(signal.SIGINT)
        assert child.stderr.read() == b"interrupted\n"


async def test_closing_ends_a_wait_for_the_pipe_that_is_going_on() -> None:
    with half_written(stored("WAV-PCM_16")) as pipe:
        file = await asyncio.to_thread(open_audio, pipe.path)
        listening = asyncio.create_task(collected(file.chunks()))
        await asyncio.sleep(0.2)
        began_s = time.monotonic()
        file.close()
        assert await listening
        assert time.monotonic() - began_s < 1
