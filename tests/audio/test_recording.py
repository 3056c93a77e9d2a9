"""A recording takes no file's place, and what cannot be written stops nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from voxctl.audio.recording import open_recording
from voxctl.errors import UsageError


def test_nothing_is_recorded_over(tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    path.write_bytes(b"x" * 100)
    with pytest.raises(UsageError, match="is there already"):
        open_recording(path)
    assert path.read_bytes() == b"x" * 100


def test_one_in_which_nothing_was_heard_is_no_recording(tmp_path: Path) -> None:
    open_recording(tmp_path / "talk.wav").close()
    open_recording(tmp_path / "talk.wav").close()


@pytest.mark.parametrize("path", ["missing/talk.wav", "."])
def test_a_place_that_cannot_be_is_a_usage_error(tmp_path: Path, path: str) -> None:
    with pytest.raises(UsageError, match="cannot be recorded to") as caught:
        open_recording(tmp_path / path)
    assert "--record" in str(caught.value.hint)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link.wav").symlink_to(tmp_path / "other.wav")
    with pytest.raises(UsageError):
        open_recording(tmp_path / "link.wav")
    assert not (tmp_path / "other.wav").exists()


def test_a_full_disk_is_told_and_ends_the_recording_only(tmp_path: Path) -> None:
    with open_recording(tmp_path / "talk.wav") as recording:
        recording.add(b"ab" * 800)
        full = os.open("/dev/full", os.O_RDWR)
        os.dup2(full, recording._descriptor or -1)
        os.close(full)
        recording.add(b"ab" * 800)
        recording.add(b"ab" * 800)
        assert recording.broken and "No space left" in recording.broken.message
        assert recording.duration_s == pytest.approx(0.05)
