"""What real builds and pushes wrote, as it was recorded from the programs that the files are named for."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxctl.image.output import Output, is_bar, plain

RECORDED = Path(__file__).parent / "recorded"


def lines_of(name: str) -> list[str]:
    """Return the lines of a recording as they reach a reader."""
    return [plain(line) for line in (RECORDED / name).read_text("utf-8").replace("\r", "\n").split("\n")]


def read(name: str) -> tuple[list[str], list[str], Output]:
    """Return the stages of a recording and every progress it made, and the reader at its end."""
    stages: list[str] = []
    progress: list[str] = []
    output = Output(stages.append)
    for line in lines_of(name):
        output.feed(line)
        if output.progress and output.progress not in progress[-1:]:
            progress.append(output.progress)
    return stages, progress, output


def test_buildx_tells_its_steps_and_how_much_of_the_base_image_has_come() -> None:
    stages, progress, _ = read("buildx-0.13-build.txt")
    assert stages == [
        "step 1 of 3: FROM public.ecr.aws/deep-learning-containers/vllm:server-sagemaker-cuda-v2.5",
        "step 2 of 3: COPY entrypoint.sh /opt/voxctl/entrypoint.sh",
        "step 3 of 3: COPY gateway /opt/voxctl/gateway",
        "writing the image",
    ]
    assert progress == ["21.0 of 37.8 MB", "37.8 of 37.8 MB"]


@pytest.mark.parametrize(("name", "n_steps"), [("docker-26-build.txt", 14), ("podman-4.3-build.txt", 13)])
def test_the_older_builders_tell_their_steps(name: str, n_steps: int) -> None:
    stages, _, _ = read(name)
    assert stages[0] == f"step 1 of {n_steps}: " + stages[0].partition(": ")[2]
    assert any(stage.startswith("step ") and "COPY gateway /opt/voxctl/gateway" in stage for stage in stages)
    assert stages[-1] == "writing the image"


def test_a_push_tells_how_much_has_gone_and_what_it_was() -> None:
    stages, progress, output = read("docker-26-push.txt")
    assert stages == ["pushing"]
    sizes = [float(text.split()[0]) for text in progress]
    assert sizes == sorted(sizes) and progress[-1] == "91.9 of 91.9 MB" and len(progress) > 2
    assert output.digest == "sha256:e07fcc34eba50a4249a210c91e2b08bd11c40566356e96909d3e3bb7d443c164"


def test_the_bars_of_a_push_are_no_lines_of_a_log() -> None:
    kept = [line for line in lines_of("docker-26-push.txt") if line and not is_bar(line)]
    assert not any("\x1b" in line for line in kept)
    assert not any("MB/" in line for line in kept)
    assert any("Pushed" in line for line in kept) and "digest: sha256" in kept[-1]
    kept = [line for line in lines_of("podman-4.3-push.txt") if line and not is_bar(line)]
    assert not any("KiB /" in line for line in kept) and "Storing signatures" in kept


def test_sizes_are_summed_over_layers_in_any_unit() -> None:
    output = Output(lambda stage: None)
    output.feed("0123456789ab: Pushing [==>      ]  1.2GB/8GB")
    output.feed("ba9876543210: Pushing  300MB/2GB")
    assert output.progress == "1.5 of 10.0 GB"
    output.feed("ba9876543210: Pushed")
    assert output.progress == "3.2 of 10.0 GB"
    output.feed("Copying blob aaaaaaaaaaaa [=>----] 500.0MiB / 1.0GiB")
    assert output.progress == "3.7 of 11.0 GB"


def test_a_new_stage_has_a_progress_of_its_own() -> None:
    output = Output(lambda stage: None)
    output.feed("0123456789ab: Downloading  8GB/8GB")
    output.feed("The push refers to repository [a/b]")
    assert output.progress == ""
    output.feed("0123456789ab: Pushing  1GB/8GB")
    assert output.progress == "1.0 of 8.0 GB"


def test_lines_are_kept_short_and_few() -> None:
    output = Output(lambda stage: None)
    for number in range(50):
        output.feed(f"{number} " + "x" * 1000)
    assert len(output.tail) == 20 and output.tail[-1].startswith("49 ") and len(output.tail[-1]) == 300
