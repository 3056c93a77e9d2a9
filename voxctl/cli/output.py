"""Where documents go: ``--output`` judged before anything is transcribed, each document written whole or not at all.

A regular file is replaced in one step by a finished temporary file of its folder; a partial transcript replaces none,
and goes beside it. Devices and pipes cannot be replaced, so they are written to as they are. A symbolic link as the
file is refused: replacing it or writing through it would each surprise somebody.
"""

from __future__ import annotations

import os
import stat
import tempfile
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from shlex import quote
from types import TracebackType
from typing import Self

from voxctl.cli.places import STANDARD, Places, free_name, new_file_mode, write_all
from voxctl.errors import UsageError


class Output:
    """The plan of one command: which document goes where. ``plan_output`` makes it; close it when all is written."""

    def __init__(self, places: Places, paths: dict[str, Path], fd: int | None = None) -> None:
        self._places = places
        self._paths = paths
        self._fd = fd

    @property
    def paths(self) -> list[Path]:
        """The files that documents are written to."""
        return list(self._paths.values())

    def path_of(self, name: str) -> Path | None:
        """Return the file for the input ``name``, ``None`` where all documents go to one device or pipe."""
        return self._paths.get(name)

    def write(self, name: str, document: str, *, partial: bool = False) -> Path | None:
        """Write the document of the input ``name``, as it was given on the command line; return its file, if any.

        A ``partial`` one leaves an older file of that name as it is, and gets a name of its own. Raises ``OutputError``
        when it cannot be written whole, and leaves what was there before.
        """
        data = document.encode("utf-8", errors="backslashreplace")
        if self._fd is not None:
            self._places.send(self._fd, data)
            return None
        target = self._paths[name]
        place = free_name(target, "partial") if partial and _holds_something(target) else target
        self._replace(place, data, like=target)
        return place

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _replace(self, target: Path, data: bytes, like: Path) -> None:
        try:
            descriptor, name = _temporary(target.parent)
            try:
                try:
                    _dress_as(like, descriptor)
                    write_all(descriptor, data)
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
                Path(name).replace(target)
            finally:
                Path(name).unlink(missing_ok=True)  # Ctrl-C leaves nothing behind either
        except OSError as exc:
            raise self._places.failed(target, exc) from exc


def plan_output(path: str, inputs: Sequence[str], suffix: str) -> Output:
    """Judge ``--output path`` for ``inputs`` and return the plan; ``suffix`` is that of the format, dot included.

    ``path`` is a folder when it is one, when it ends in a slash, and when there are several inputs; it is created, its
    parents are not. Each input then gets ``<its name without suffix><suffix>``. Raises ``UsageError`` for everything
    that can be known to fail, before anything is transcribed. ``-`` is standard output.
    """
    if not path:
        raise UsageError("--output is empty", hint="name a file or a folder: --output transcripts/")
    places = Places("--output", inputs)
    opened = places.open_as_it_is(path)
    if opened is not None:
        return Output(places, {}, opened)
    if path.endswith(os.sep) or Path(path).is_dir() or len(inputs) > 1:
        paths = _in_folder(path, inputs, suffix)
    else:
        paths = {inputs[0]: Path(path)}
    for target in paths.values():
        places.check_file(target)
    folder = next(iter(paths.values())).parent
    with places.usable(folder):
        _check_folder(folder, may_create=len(inputs) > 1 or path.endswith(os.sep))
    return Output(places, paths)


def _in_folder(path: str, inputs: Sequence[str], suffix: str) -> dict[str, Path]:
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        why = f"there are {len(inputs)} inputs" if len(inputs) > 1 else "a folder was named"
        raise UsageError(f"{path} is a file, and {why}", hint="name a folder: --output transcripts/")
    if not path.endswith(os.sep) and not folder.is_dir() and folder.suffix == suffix:
        raise UsageError(
            f"{path} is a single file, and there are {len(inputs)} inputs",
            hint=f"name a folder, which gets a file for each: --output {quote(str(folder.with_suffix('')))}/",
        )
    paths: dict[str, Path] = {}
    taken: dict[str, str] = {}
    for name in inputs:
        file = ("stdin" if name == STANDARD else Path(name).stem) + suffix
        # Some file systems take names for equal that differ in case or in how accents are written.
        key = unicodedata.normalize("NFC", file).casefold()
        if key in taken:
            raise UsageError(
                f"{taken[key]} and {name} would both be written to {folder / file}",
                hint="rename one of them, or transcribe them one after the other into different folders.",
            )
        taken[key] = name
        paths[name] = folder / file
    return paths


def _check_folder(folder: Path, *, may_create: bool) -> None:
    """Make sure that a file can be made in ``folder`` by making one; permissions alone do not tell."""
    if may_create:
        folder.mkdir(exist_ok=True)
    descriptor, name = _temporary(folder)
    os.close(descriptor)
    Path(name).unlink()


def _temporary(folder: Path) -> tuple[int, str]:
    return tempfile.mkstemp(prefix=".voxctl-", suffix=".tmp", dir=folder)  # mode 0600


def _holds_something(path: Path) -> bool:
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size > 0


def _dress_as(target: Path, descriptor: int) -> None:
    """Give the new file the mode and, where that is allowed, the owner of the one it replaces."""
    try:
        old = target.lstat()
    except FileNotFoundError:
        old = None
    if old is None or not stat.S_ISREG(old.st_mode):
        os.fchmod(descriptor, new_file_mode())
        return
    with suppress(PermissionError):
        os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode) & 0o777)
