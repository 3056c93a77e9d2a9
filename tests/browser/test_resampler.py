"""The worklet's resampler, in Node: what passes, what must not, and how much comes out."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import REPOSITORY

pytestmark = pytest.mark.real

RATES_HZ = (8_000, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000)


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    code = REPOSITORY / "voxctl" / "demo" / "static" / "resampler.js"
    command = ["node", "--no-warnings", str(Path(__file__).with_name("resampler.mjs")), str(code)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_what_a_voice_is_made_of_passes_as_it_is(found: dict[str, Any], rate_hz: int) -> None:
    passed = found[str(rate_hz)]["passed"]
    assert max(map(int, passed)) >= min(7_000, 0.4 * rate_hz)
    for hertz, one in passed.items():
        assert one["snr_db"] >= 90 and abs(one["gain_db"]) <= 0.01, f"{hertz} Hz: {one}"
        assert abs(one["phase"]) <= 1e-3, f"{hertz} Hz comes {one['phase']} rad late"


@pytest.mark.parametrize("rate_hz", RATES_HZ[2:])
def test_what_16_khz_cannot_hold_is_gone(found: dict[str, Any], rate_hz: int) -> None:
    aliases = found[str(rate_hz)]["aliases"]
    assert aliases and max(aliases.values()) <= -90, aliases


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_as_much_time_comes_out_as_went_in(found: dict[str, Any], rate_hz: int) -> None:
    assert found[str(rate_hz)]["n"] == 48_000


def test_what_is_too_loud_is_clipped(found: dict[str, Any]) -> None:
    assert found["clipping"] == [32_767, 32_767, 16_384, 0, -32_768, -32_768]
