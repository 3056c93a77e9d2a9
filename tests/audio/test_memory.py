"""How long the sound is does not show in memory."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest

from tests.audio.listening import start

RATE_HZ = 8_000

DECODE = """
import asyncio, resource, sys
from pathlib import Path
from voxctl.audio.decode import open_audio
async def n_samples(file):
    n = 0
    async for chunk in file.chunks():
        n += chunk.n_samples
    return n
with open_audio(sys.argv[1]) as file:
    n = asyncio.run(n_samples(file))
status = Path("/proc/self/status")
if status.exists():  # ru_maxrss would also count the parent this was forked from
    peak_kb = next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
else:
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(n, peak_kb)
"""


def write_long_wav(path: Path, minutes: int) -> Path:
    """Write mu-law at 8 kHz whose sound is one hole in the file, so that hours take no room and no time."""
    n_bytes = minutes * 60 * RATE_HZ
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 7, 1, RATE_HZ, RATE_HZ, 1, 8)
    head = form + struct.pack("<4sI", b"data", n_bytes)
    with path.open("wb") as file:
        file.write(struct.pack("<4sI4s", b"RIFF", 4 + len(head) + n_bytes, b"WAVE") + head)
        file.truncate(12 + len(head) + n_bytes)
    return path


def peak_mb(folder: Path, minutes: int) -> float:
    path = write_long_wav(folder / f"{minutes}.wav", minutes)
    with start(DECODE, str(path), stdin=subprocess.DEVNULL) as child:
        out, err = child.communicate()
    assert child.returncode == 0, err.decode()
    n_samples, peak_kb = map(int, out.split())
    assert n_samples == minutes * 60 * 16_000
    return peak_kb / 1024


def peak_mb_through_a_pipe(n_mb: int) -> float:
    """Pipe in silence, 16-bit at 96 kHz, by a header that promises more."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 96_000, 192_000, 2, 16)
    with start(DECODE, "-", stdin=subprocess.PIPE) as child:
        assert child.stdin is not None and child.stdout is not None
        child.stdin.write(b"RIFF\xff\xff\xff\xffWAVE" + form + b"data\xff\xff\xff\xff")
        for _ in range(n_mb):
            child.stdin.write(bytes(1 << 20))
        child.stdin.close()
        n_samples, peak_kb = map(int, child.stdout.read().split())
    assert n_samples == pytest.approx(n_mb * (1 << 20) / 12, abs=1)
    return peak_kb / 1024


@pytest.mark.real
def test_a_long_pipe_takes_the_memory_of_a_short_one() -> None:
    assert peak_mb_through_a_pipe(61) - peak_mb_through_a_pipe(1) < 30


@pytest.mark.real
def test_twenty_minutes_take_the_memory_of_one(tmp_path: Path) -> None:
    assert peak_mb(tmp_path, 20) - peak_mb(tmp_path, 1) < 30


@pytest.mark.real
def test_three_hours_take_the_memory_of_one_minute(tmp_path: Path) -> None:
    assert peak_mb(tmp_path, 180) - peak_mb(tmp_path, 1) < 30
