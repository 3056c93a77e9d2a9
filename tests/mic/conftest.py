"""The sound server that the tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mic.pulse import Pulse, pulse


@pytest.fixture
def sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pulse]:
    """A sound server with a microphone of 16 kHz, which is that of this process too."""
    with pulse(tmp_path / "pulse") as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running
