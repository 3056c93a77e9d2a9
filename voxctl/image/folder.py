"""The folder that the image is built from: where it is, what belongs to it, and the same as an archive."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

from voxctl.errors import BuildFailed

_PACKAGE = Path(__file__).parent.parent
#: In an installed voxctl, and in its repository.
_PLACES = (_PACKAGE / "_container", _PACKAGE.parent / "container")
#: The earliest moment that an archive can name: equal folders make equal archives.
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


def container_folder() -> Path:
    """Return the folder of the Dockerfile. Raises ``BuildFailed`` where an installation lacks it."""
    for place in _PLACES:
        if (place / "Dockerfile").is_file():
            return place
    raise BuildFailed("this voxctl came without its container folder", hint="pip install --force-reinstall voxctl")


def files_of(folder: Path) -> Iterator[Path]:
    """Yield the files of a build by name, without what Python leaves beside its modules."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


def packed(folder: Path) -> bytes:
    """Return the folder as a zip archive, the same for the same files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files_of(folder):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _LONG_AGO)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())
    return buffer.getvalue()


def named_by_content(archive: bytes) -> str:
    """Return a file name for an archive that another content would not have."""
    return f"{hashlib.sha256(archive).hexdigest()[:32]}.zip"
