"""What runs before vLLM does: settings are checked, and the model's delay is set."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.settings import Settings, SettingWrong
from tests.vllm.make_tiny_model import write_tiny_model

CONTAINER = Path(__file__).parents[2] / "container"


def start(**environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m gateway`` as the image's entrypoint does."""
    return subprocess.run(
        [sys.executable, "-m", "gateway"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(CONTAINER), "HF_HUB_OFFLINE": "1", **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("name", ["SM_VLLM_MODEL", "SM_VLLM_TOKENIZER", "HF_MODEL_ID"])
def test_the_delay_is_set_in_a_copy_of_the_tokenizer(tmp_path: Path, name: str) -> None:
    model = write_tiny_model(tmp_path / "model")
    before = (model / "tekken.json").read_bytes()
    done = start(VOXCTL_DELAY_MS="2400", VOXCTL_DELAY_FOLDER=str(tmp_path / "a" / "copy"), **{name: str(model)})
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{tmp_path / 'a' / 'copy'}\n", "")
    copy = json.loads((tmp_path / "a" / "copy" / "tekken.json").read_text())
    assert copy["audio"].pop("transcription_delay_ms") == 2400
    original = json.loads(before)
    assert original["audio"].pop("transcription_delay_ms") == 480
    assert copy == original
    assert (model / "tekken.json").read_bytes() == before
    assert [path.name for path in (tmp_path / "a" / "copy").iterdir()] == ["tekken.json"]


def test_without_a_delay_there_is_nothing_to_do() -> None:
    done = start(VOXCTL_DELAY_MS="")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("delay", ["0", "40", "100", "1280", "2480", "480.0", "-80", "fast"])
def test_a_delay_that_the_model_was_not_trained_for_is_refused(delay: str) -> None:
    with pytest.raises(SettingWrong, match=f"^VOXCTL_DELAY_MS={delay}: "):
        Settings.read({"VOXCTL_DELAY_MS": delay})


def test_every_delay_that_it_was_trained_for_is_taken() -> None:
    taken = [ms for ms in range(3000) if _takes(ms)]
    assert taken == [*range(80, 1201, 80), 2400]


def _takes(delay_ms: int) -> bool:
    try:
        return Settings.read({"VOXCTL_DELAY_MS": str(delay_ms)}).delay_ms == delay_ms
    except SettingWrong:
        return False


def test_a_model_without_a_delay_is_named(tmp_path: Path) -> None:
    for content in ("{}", '{"audio": {"sampling_rate": 16000}}', "not JSON"):
        (tmp_path / "tekken.json").write_text(content)
        done = start(VOXCTL_DELAY_MS="480", SM_VLLM_MODEL=str(tmp_path))
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"voxctl: VOXCTL_DELAY_MS=480: {tmp_path}/tekken.json knows no transcription delay\n"


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = start(VOXCTL_DELAY_MS="480", SM_VLLM_MODEL=str(tmp_path / "empty"))
    assert done.returncode == 2 and "cannot read" in done.stderr and "tekken.json" in done.stderr
    done = start(VOXCTL_DELAY_MS="480")
    assert done.stderr == "voxctl: VOXCTL_DELAY_MS needs to know the model: set SM_VLLM_MODEL or HF_MODEL_ID\n"
    done = start(VOXCTL_DELAY_MS="480", HF_MODEL_ID="no/such-model")
    assert done.returncode == 2 and "cannot fetch tekken.json of no/such-model" in done.stderr


def test_every_setting_is_checked_before_a_model_is_loaded() -> None:
    done = start(VOXCTL_DELAY_MS="100")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "voxctl: VOXCTL_DELAY_MS=100: the delay is 80 to 1200 in steps of 80, or 2400\n"
    done = start(VOXCTL_MAX_STREAMS="lots")
    assert done.stderr == "voxctl: VOXCTL_MAX_STREAMS=lots: give a whole number, 1 or more\n"
