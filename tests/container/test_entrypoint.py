"""The image's entry point, run by a shell as in the container, in front of a base that tells what it was given."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.program import REPOSITORY
from voxctl.doctor.sagemaker import LABEL
from voxctl.realtime.models import DEFAULT_MODEL
from voxctl.serving.vllm_command import Gpu, VllmSettings, VllmVersion, plan_for
from voxctl.serving.vllm_models import vllm_model_for

CONTAINER = REPOSITORY / "container"
PIECEWISE = '{"cudagraph_mode":"PIECEWISE"}'


def start(
    tmp_path: Path, *arguments: str, vllm: str = "0.32.0", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the entry point with a vLLM of a version installed; the base writes its environment."""
    info = tmp_path / f"vllm-{vllm}.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {vllm}\n")
    base = tmp_path / "base.sh"
    base.write_text('#!/bin/sh\necho "arguments=$*"\nexec env\n')
    base.chmod(0o755)
    (tmp_path / "bin").mkdir(exist_ok=True)
    python = tmp_path / "bin" / "python3"
    python.unlink(missing_ok=True)
    python.symlink_to(sys.executable)
    return subprocess.run(
        ["sh", CONTAINER / "entrypoint.sh", *arguments],
        env={
            "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin",
            "PYTHONPATH": f"{CONTAINER}:{tmp_path}",
            "VOXCTL_BASE_ENTRYPOINT": str(base),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_it_becomes_the_base_with_its_arguments_and_its_path(tmp_path: Path) -> None:
    done = start(tmp_path, "serve", "more words")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "arguments=serve more words"
    assert f"PYTHONPATH=/opt/voxctl:{CONTAINER}:{tmp_path}" in lines


@pytest.mark.parametrize(("vllm", "chosen"), [("0.30.0+amzn2023", True), ("0.32.0", False), ("1.0.0", False)])
def test_cuda_graphs_are_left_to_a_vllm_that_knows_better(vllm: str, chosen: bool, tmp_path: Path) -> None:
    done = start(tmp_path, vllm=vllm)
    assert (f"SM_VLLM_COMPILATION_CONFIG={PIECEWISE}" in done.stdout) == chosen, done.stderr


def test_what_was_set_by_hand_is_left_alone(tmp_path: Path) -> None:
    done = start(tmp_path, vllm="0.30.0", SM_VLLM_COMPILATION_CONFIG="mine")
    assert "SM_VLLM_COMPILATION_CONFIG=mine" in done.stdout


def test_a_base_without_that_entry_point_is_said_to_be_none(tmp_path: Path) -> None:
    done = start(tmp_path, VOXCTL_BASE_ENTRYPOINT="/nowhere/entry.sh")
    assert done.returncode == 2 and not done.stdout
    assert "the base image has no /nowhere/entry.sh" in done.stderr and "BASE_ENTRYPOINT" in done.stderr


def settings_of_the_image() -> dict[str, str]:
    """Return the variables that the Dockerfile sets."""
    text = (CONTAINER / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    lines = [line.removeprefix("ENV ") for line in text.splitlines() if line.startswith("ENV ")]
    return dict(re.findall(r"(\w+)=(\S+)", " ".join(lines)))


def test_the_image_starts_vllm_with_what_voxctl_would_start_it_with() -> None:
    settings = settings_of_the_image()
    family = vllm_model_for(DEFAULT_MODEL)
    plan = plan_for(VllmSettings(DEFAULT_MODEL), family, VllmVersion("0.32.0"), Gpu("L4", 22.0, 21.5), DEFAULT_MODEL)
    options = dict(zip(plan.arguments[1::2], plan.arguments[2::2], strict=True))
    for option, value in options.items():
        assert settings[f"SM_VLLM_{option[2:].upper().replace('-', '_')}"] == value, option
    assert settings["HF_MODEL_ID"] == settings["SM_VLLM_SERVED_MODEL_NAME"] == DEFAULT_MODEL


def test_the_image_has_the_label_without_which_there_are_no_streams() -> None:
    text = (CONTAINER / "Dockerfile").read_text("utf-8")
    assert f"\nLABEL {LABEL}=true\n" in text
    assert not re.search(r"^RUN ", text, re.MULTILINE), "what is run while it is built needs the platform's processor"


def test_the_readme_of_the_container_says_what_the_dockerfile_does() -> None:
    text = (CONTAINER / "README.md").read_text("utf-8")
    settings = settings_of_the_image()
    for name in ("SM_VLLM_MAX_MODEL_LEN", "SM_VLLM_MAX_NUM_SEQS", "SM_VLLM_SHUTDOWN_TIMEOUT", "PROCESS_AUTO_RECOVERY"):
        assert f"| `{name}` | `{settings[name]}` |" in text, name
    (base,) = re.findall(r"^ARG BASE_IMAGE=(\S+)", (CONTAINER / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert base in text
