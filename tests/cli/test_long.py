"""Hours of sound take the memory of a minute, in the whole program."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from tests.audio.test_memory import write_long_wav
from tests.cli.program import started
from tests.fakes.lawful import LawfulServer


def memory_kb(status: Path) -> int:
    """Return the most memory a process had so far."""
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))


async def peak_mb(folder: Path, minutes: int) -> float:
    """Transcribe so many minutes on a server as fast as a Python one can be; return the most memory it took."""
    path = write_long_wav(folder / f"{minutes}.wav", minutes)
    peak_kb = 0

    async def watch(status: Path) -> None:
        nonlocal peak_kb
        with suppress(FileNotFoundError, ProcessLookupError):
            while True:
                peak_kb = max(peak_kb, memory_kb(status))
                await asyncio.sleep(0.1)

    # English runs near 2.5 words a second: one in five deltas.
    server = LawfulServer(speak=lambda i: f" word{i}" if i % 5 == 0 else "")
    async with (
        server.on_a_port() as url,
        started("transcribe", path, "--url", url, "--chunk-ms", "480") as program,
    ):
        watching = asyncio.create_task(watch(Path(f"/proc/{program.process.pid}/status")))
        done = await program.end()
        watching.cancel()
    assert done.code == 0 and len(done.out.split()) == -(-((minutes * 60 * 16_000 - 40) // 1280 + 11) // 5)
    return peak_kb / 1024


@pytest.mark.real
async def test_ten_minutes_take_the_memory_of_one(tmp_path: Path) -> None:
    assert await peak_mb(tmp_path, 10) - await peak_mb(tmp_path, 1) < 30


@pytest.mark.real
@pytest.mark.timeout(600)
async def test_three_hours_take_the_memory_of_one_minute(tmp_path: Path) -> None:
    long_mb, short_mb = await peak_mb(tmp_path, 180), await peak_mb(tmp_path, 1)
    print(f"peak: {long_mb:.0f} MB for 3 h, {short_mb:.0f} MB for 1 min")
    assert long_mb - short_mb < 30
