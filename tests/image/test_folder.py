"""The folder of the image: in the repository, in an installed voxctl, and as an archive."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

from tests.cli.program import REPOSITORY
from voxctl.image.folder import container_folder, files_of, named_by_content, packed

CONTAINER = REPOSITORY / "container"


def contents(folder: Path) -> dict[str, bytes]:
    """Return what a build would get from a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files_of(folder)}


def test_a_checkout_builds_from_its_own_folder() -> None:
    assert container_folder() == CONTAINER
    assert {"Dockerfile", "entrypoint.sh", ".dockerignore", "gateway/__init__.py"} <= set(contents(CONTAINER))


def test_an_installed_wheel_has_the_same_folder(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=REPOSITORY, check=True, capture_output=True, timeout=60)
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    ZipFile(wheel).extractall(installed)
    code = "from voxctl.image.folder import container_folder; print(container_folder())"
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(installed)},
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    found = Path(run.stdout.strip())
    assert found == installed / "voxctl" / "_container"
    assert contents(found) == contents(CONTAINER)
    assert not (installed / "container").exists() and not (installed / "tests").exists()


def test_equal_folders_make_equal_archives_and_leave_out_what_python_left(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "gateway" / "__pycache__").mkdir(parents=True)
        (tmp_path / name / "Dockerfile").write_text("FROM scratch\n")
        (tmp_path / name / "gateway" / "app.py").write_text("x = 1\n")
        (tmp_path / name / "gateway" / "__pycache__" / "app.pyc").write_bytes(name.encode())
    one, two = packed(tmp_path / "one"), packed(tmp_path / "two")
    assert one == two
    assert ZipFile(BytesIO(one)).namelist() == ["Dockerfile", "gateway/app.py"]
    (tmp_path / "two" / "Dockerfile").write_text("FROM other\n")
    assert named_by_content(packed(tmp_path / "two")) != named_by_content(one)
