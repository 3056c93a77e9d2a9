"""What a level says of a microphone: good speech is good, and each way to be bad has its word."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from voxctl.audio.level import SILENT_DB, Level, Verdict

BLOCK_S = 0.08


def room(seconds: float, db: float, seed: int = 0) -> list[NDArray[np.float32]]:
    """Return blocks of noise that is this loud on average."""
    generator = np.random.default_rng(seed)
    size = 10 ** (db / 20)
    return [generator.normal(0, size, 1280).astype(np.float32) for _ in range(round(seconds / BLOCK_S))]


def speech(seconds: float, db: float) -> list[NDArray[np.float32]]:
    """Return a room in which somebody speaks half of the time."""
    talk, quiet = room(seconds, db), room(seconds, -75.0, 1)
    return [talk[n] if n // 6 % 2 else quiet[n] for n in range(len(talk))]


@pytest.mark.parametrize(
    ("sound", "verdict"),
    [
        (speech(10, -25.0), Verdict.GOOD),
        (speech(10, -50.0), Verdict.TOO_QUIET),
        (room(10, -65.0), Verdict.GOOD),
        (room(10, -52.0), Verdict.GOOD),
        (speech(1, -50.0), Verdict.GOOD),
        ([np.zeros(1280, np.float32)] * 50, Verdict.MUTED),
        ([np.zeros(1280, np.float32)] * 20, Verdict.GOOD),
        ([*speech(8, -25.0), np.full(1280, 1.0, np.float32)], Verdict.CLIPPING),
        ([np.full(1280, -1.0, np.float32), *speech(3, -25.0)], Verdict.GOOD),
        ([*room(1, -25.0), np.array([1.0], np.float32)], Verdict.GOOD),
    ],
)
def test_a_verdict_fits_its_sound(sound: list[NDArray[np.float32]], verdict: Verdict) -> None:
    level = Level()
    for block in sound:
        level.feed(block, BLOCK_S)
    assert level.verdict is verdict


def test_the_meter_rises_at_once_and_falls_slowly() -> None:
    level = Level()
    level.feed(np.full((1280, 2), 0.5, np.float32), BLOCK_S)
    assert level.peak_db == pytest.approx(-6.02, abs=0.01)
    level.feed(np.zeros((1280, 2), np.float32), BLOCK_S)
    assert level.peak_db == pytest.approx(-6.02 - 1.6, abs=0.01)
    for _ in range(100):
        level.feed(np.zeros(1280, np.float32), BLOCK_S)
    assert level.peak_db == SILENT_DB
