"""What PyAV reads: M4A, WebM, videos; with it, without it, damaged, and through pipes."""

from __future__ import annotations

import asyncio
import io
import subprocess
from collections.abc import Iterator
from pathlib import Path

import av
import av.error
import psutil
import pytest

from tests.audio.formats import CLIP, Samples, clip_samples, snr_db
from tests.audio.listening import chunks_of, half_written, joined, our_threads, samples_in, start
from tests.audio.media_files import MEDIA, SILENT_VIDEO, Media, write_media
from voxctl.audio.decode import open_audio
from voxctl.audio.media import MediaSound
from voxctl.audio.pcm import Chunk
from voxctl.audio.sniff import Container
from voxctl.errors import AudioError

BY_NAME = {media.name: media for media in MEDIA}


@pytest.fixture(scope="module")
def clip() -> Samples:
    return clip_samples()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, clip: Samples) -> Path:
    folder = tmp_path_factory.mktemp("media")
    for media in [*MEDIA, SILENT_VIDEO]:
        write_media(media, clip, folder)
    return folder


@pytest.mark.real
@pytest.mark.parametrize("media", MEDIA, ids=lambda media: media.name)
def test_what_a_phone_a_browser_or_a_camera_wrote_gives_the_clip(media: Media, folder: Path, clip: Samples) -> None:
    with open_audio(folder / media.name) as file:
        assert file.n_channels == media.n_channels
        stated_s = file.duration_s
    decoded = samples_in(joined(chunks_of(folder / media.name)))
    assert len(decoded) / 16_000 == pytest.approx(len(clip) / 16_000, abs=0.13)
    assert stated_s == (pytest.approx(len(clip) / 16_000, abs=0.2) if media.states_duration else None)
    assert snr_db(decoded, clip, 2500) > media.min_snr_db


@pytest.mark.parametrize("media", MEDIA, ids=lambda media: media.name)
def test_a_pipe_gives_what_the_file_gives_and_before_its_end_where_the_format_allows(
    media: Media, folder: Path
) -> None:
    whole = joined(chunks_of(folder / media.name))
    chunks: list[Chunk] = []

    async def listen() -> None:
        with open_audio(pipe.path) as file:
            assert (file.duration_s is None) == media.progressive  # the others are copied to a file first
            async for chunk in file.chunks():
                chunks.append(chunk)
                if chunk.end_s > 0.3 * len(whole) / 32_000:
                    pipe.go_on()

    with half_written((folder / media.name).read_bytes()) as pipe:
        if not media.progressive:
            pipe.go_on()
        asyncio.run(listen())
        assert our_threads() == []
    assert not pipe.waited_in_vain
    assert joined(chunks) == whole


def test_a_video_without_sound_says_so(folder: Path) -> None:
    with pytest.raises(AudioError, match=r"silent.mp4 is MP4/M4A without an audio track$") as caught:
        open_audio(folder / SILENT_VIDEO.name)
    assert caught.value.hint


def test_amr_from_an_old_phone_is_read(tmp_path: Path) -> None:
    path = tmp_path / "memo.amr"
    path.write_bytes(b"#!AMR\n" + (b"\x3c" + bytes(31)) * 100)  # 20 ms each; nothing at hand encodes real ones
    assert sum(chunk.n_samples for chunk in chunks_of(path)) == 32_000


@pytest.mark.parametrize("name", ["streamed.m4a", "phone.m4a", "screen.mkv", "radio.aac"])
def test_a_damaged_file_gives_all_before_the_damage_and_then_an_error(name: str, folder: Path, tmp_path: Path) -> None:
    data = bytearray((folder / name).read_bytes())
    for at in range(len(data) // 2, len(data) // 2 + 2000, 7):
        data[at] ^= 0x55
    path = tmp_path / name
    path.write_bytes(data)
    chunks: list[Chunk] = []

    async def listen() -> None:
        with open_audio(path) as file:
            async for chunk in file.chunks():
                chunks.append(chunk)  # noqa: PERF401 - what came before the error is wanted

    with pytest.raises(AudioError, match=r"cannot be read past \d\.\d s: invalid data") as failure:
        asyncio.run(listen())
    assert f"{chunks[-1].end_s:.1f}" in failure.value.message
    assert failure.value.hint
    before = joined(chunks)
    # The codec may turn the first damaged frame into noise before it complains about the second.
    assert len(before) > 3 * 32_000
    assert joined(chunks_of(folder / name)).startswith(before[: -3 * 2 * 1024])


def test_a_video_that_was_cut_off_gives_what_is_there(folder: Path, tmp_path: Path) -> None:
    data = (folder / "browser.webm").read_bytes()
    path = tmp_path / "cut.webm"
    path.write_bytes(data[: len(data) // 2])
    assert 3 < sum(chunk.n_samples for chunk in chunks_of(path)) / 16_000 < 7


def errors_of_pyav() -> Iterator[type[av.FFmpegError]]:
    waiting = [av.FFmpegError]
    while waiting:
        kind = waiting.pop()
        yield kind
        waiting += kind.__subclasses__()


class BreakingFile(io.BytesIO):
    """A file that raises, after some reads, what FFmpeg would."""

    def __init__(self, data: bytes, n_good_reads: int, error: Exception) -> None:
        super().__init__(data)
        self.n_good_reads = n_good_reads
        self.error = error

    def read(self, n_bytes: int | None = -1) -> bytes:
        self.n_good_reads -= 1
        if self.n_good_reads < 0:
            raise self.error
        return super().read(min(n_bytes or 0, 4096))


def test_every_error_of_pyav_is_one_of_ours(folder: Path) -> None:
    data = (folder / "radio.aac").read_bytes()
    kinds = list(errors_of_pyav())
    assert len(kinds) > 30
    for error in [*(kind(1, "it broke") for kind in kinds), OSError(5, "Input/output error")]:
        with pytest.raises(AudioError, match="talk is damaged"):
            MediaSound(BreakingFile(data, 0, error), "talk", Container("AAC", "aac"))


def test_an_error_of_pyav_in_the_middle_is_kept_until_the_sound_before_it_is_taken(folder: Path) -> None:
    data = (folder / "radio.aac").read_bytes()
    for kind in errors_of_pyav():
        sound = MediaSound(BreakingFile(data, 15, kind(1, "it broke")), "talk", Container("AAC", "aac"))
        n_frames = 0
        while len(block := sound.read(16_000)):
            n_frames += len(block)
            if sound.failure:
                break
        sound.close()
        assert n_frames > 16_000
        if kind is av.error.EOFError:  # that is how a file ends
            assert sound.failure is None
        else:
            assert sound.failure is not None and sound.failure[0] in ("it broke", "invalid data"), kind


WITHOUT_PYAV = """
import asyncio, sys
class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "av":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, NotInstalled())
from voxctl.audio.decode import open_audio
from voxctl.errors import AudioError
for path in sys.argv[1:]:
    try:
        with open_audio(path):
            print("fine", "", sep="\\n")
    except AudioError as error:
        print(error.message, error.hint, sep="\\n")
"""


def test_without_pyav_the_error_is_the_line_that_installs_it(folder: Path) -> None:
    paths = [str(folder / "phone.m4a"), str(folder / "browser.webm"), str(CLIP)]
    with start(WITHOUT_PYAV, *paths, stdin=subprocess.DEVNULL) as child:
        out, err = child.communicate()
    lines = out.decode().splitlines()
    assert lines[0] == f"{paths[0]} is MP4/M4A, which needs PyAV to be read", err.decode()
    assert lines[1] == (f"type: pip install 'voxctl[media]'; or convert it first: ffmpeg -i {paths[0]} phone.wav")
    assert lines[2] == f"{paths[1]} is WebM/Matroska, which needs PyAV to be read"
    assert lines[4] == "fine"


def test_a_pyav_that_does_not_load_is_not_called_missing(folder: Path) -> None:
    program = WITHOUT_PYAV.replace('ModuleNotFoundError(f"No module named {name!r}"', "ImportError('no libavcodec'")
    with start(program, str(folder / "phone.m4a"), stdin=subprocess.DEVNULL) as child:
        out, err = child.communicate()
    message, hint = out.decode().splitlines()
    assert message.endswith("PyAV, which reads it, does not load: no libavcodec"), err.decode()
    assert "--force-reinstall" in hint


WITH_PYAV = """
import asyncio, sys
from voxctl.audio.decode import open_audio
from voxctl.errors import AudioError
async def listen(path):
    with open_audio(path) as file:
        async for chunk in file.chunks():
            pass
for path in sys.argv[1:]:
    print("av" in sys.modules)
    try:
        asyncio.run(listen(path))
    except AudioError:
        print("error")
"""


def test_pyav_is_loaded_only_when_it_is_needed_and_writes_nothing(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.m4a"
    data = bytearray((folder / "phone.m4a").read_bytes())
    data[len(data) // 3 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 3)
    broken.write_bytes(data)
    with start(WITH_PYAV, str(CLIP), str(broken), str(CLIP), stdin=subprocess.DEVNULL) as child:
        out, err = child.communicate()
    assert out.decode().split() == ["False", "False", "error", "True"]
    assert err == b""


def test_nothing_stays_open_whatever_happens(folder: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.m4a"
    bad.write_bytes(b"\0\0\0\x20ftypM4A " + bytes(500))
    chunks_of(folder / "phone.m4a")
    before = psutil.Process().num_fds()
    for path in (bad, folder / SILENT_VIDEO.name):
        with pytest.raises(AudioError):
            open_audio(path)
    open_audio(folder / "phone.m4a").close()
    assert psutil.Process().num_fds() == before
    assert our_threads() == []


MEMORY = """
import asyncio, sys
from pathlib import Path
from voxctl.audio.decode import open_audio
async def n_samples(file):
    return sum([chunk.n_samples async for chunk in file.chunks()])
with open_audio(sys.argv[1]) as file:
    asyncio.run(n_samples(file))
print(next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")))
"""


@pytest.mark.real
def test_a_long_recording_takes_the_memory_of_a_short_one(clip: Samples, tmp_path: Path) -> None:
    peaks_kb = []
    for n_times in (1, 60):
        sound = clip if n_times == 1 else clip.repeat(n_times)
        path = write_media(Media(f"{n_times}.mkv", "matroska", "pcm_s16le", progressive=True), sound, tmp_path)
        with start(MEMORY, str(path), stdin=subprocess.DEVNULL) as child:
            out, err = child.communicate()
        assert child.returncode == 0, err.decode()
        peaks_kb.append(int(out))
    assert peaks_kb[1] - peaks_kb[0] < 15 * 1024
