"""Where documents go: ``--output`` judged before anything is transcribed, each document written whole or not at all.

A regular file is replaced in one step by a finished temporary file of its folder. Devices and pipes cannot be replaced,
so they are written to as they are. A symbolic link as the file is refused: replacing it or writing through it would
each surprise somebody.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import quote
from types import TracebackType
from typing import Self

from voxctl.errors import OutputClosed, OutputError, UsageError

_STDIN = _STDOUT = "-"
_OPEN_FILE = re.compile(r"/dev/(?:(stdout)|(stderr)|fd/(\d+))|/proc/self/fd/(\d+)")
_FREE = "free some space or choose another place with --output, and run the command again."


class Output:
    """The plan of one command: which document goes where. ``plan_output`` makes it; close it when all is written."""

    def __init__(self, paths: dict[str, Path], fd: int | None = None) -> None:
        self._paths = paths
        self._fd = fd

    def path_of(self, name: str) -> Path | None:
        """Return the file for the input ``name``, ``None`` where all documents go to one device or pipe."""
        return self._paths.get(name)

    def write(self, name: str, document: str) -> None:
        """Write the document of the input ``name``, as it was given on the command line.

        Raises ``OutputError`` when it cannot be written whole, and leaves what was there before.
        """
        data = document.encode("utf-8", errors="backslashreplace")
        if self._fd is None:
            _replace(self._paths[name], data)
        else:
            _send(self._fd, data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def plan_output(path: str, inputs: Sequence[str], suffix: str) -> Output:
    """Judge ``--output path`` for ``inputs`` and return the plan; ``suffix`` is that of the format, dot included.

    ``path`` is a folder when it is one, when it ends in a slash, and when there are several inputs; it is created, its
    parents are not. Each input then gets ``<its name without suffix><suffix>``. Raises ``UsageError`` for everything
    that can be known to fail, before anything is transcribed. ``-`` is standard output.
    Opening a named pipe waits for its reader, as in a shell.
    """
    if not path:
        raise UsageError("--output is empty", hint="name a file or a folder: --output transcripts/")
    sources = dict(_identities(inputs))
    opened = _open_as_it_is(path, sources)
    if opened is not None:
        return Output({}, opened)
    if path.endswith(os.sep) or Path(path).is_dir() or len(inputs) > 1:
        paths = _in_folder(path, inputs, suffix)
    else:
        paths = {inputs[0]: Path(path)}
    for target in paths.values():
        _check_target(target, sources)
    folder = next(iter(paths.values())).parent
    _check_folder(folder, may_create=len(inputs) > 1 or path.endswith(os.sep))
    return Output(paths)


def _open_as_it_is(path: str, sources: dict[tuple[int, int], str]) -> int | None:
    """Return a descriptor of what cannot be replaced: our own open files, devices, pipes. ``None`` for the others."""
    with _usable(path):
        if found := _OPEN_FILE.fullmatch("/dev/stdout" if path == _STDOUT else path):
            out, err, *numbers = found.groups()
            # Not opened anew: that would begin a file anew to which the shell appends.
            return os.dup(1 if out else 2 if err else int(next(filter(None, numbers))))
        try:
            found_there = Path(path).stat()
        except FileNotFoundError:
            return None
        mode = found_there.st_mode
        if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
            return None
        if stat.S_ISFIFO(mode) and (found_there.st_dev, found_there.st_ino) in sources:
            raise UsageError(f"{path} is an input", hint="name another file with --output.")
        if stat.S_ISCHR(mode) or stat.S_ISFIFO(mode):
            return os.open(path, os.O_WRONLY | os.O_NOCTTY)
    raise UsageError(f"{path}: a socket or a disk is no place for text", hint="name a file or a folder with --output.")


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
        file = ("stdin" if name == _STDIN else Path(name).stem) + suffix
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


def _identities(inputs: Sequence[str]) -> Iterator[tuple[tuple[int, int], str]]:
    """Yield what each input truly is, through links and redirection; one that cannot be read is reported elsewhere."""
    for name in inputs:
        with suppress(OSError):
            found = os.fstat(0) if name == _STDIN else Path(name).stat()
            yield (found.st_dev, found.st_ino), name


def _check_target(target: Path, sources: dict[tuple[int, int], str]) -> None:
    with _usable(target):
        try:
            found = target.lstat()
        except FileNotFoundError:
            return
    if stat.S_ISLNK(found.st_mode):
        leads_to = os.path.realpath(target)
        raise UsageError(
            f"{target} is a symbolic link, and is not followed", hint=f"name its file: --output {quote(leads_to)}"
        )
    if (found.st_dev, found.st_ino) in sources:
        source = sources[found.st_dev, found.st_ino]
        other = "it" if source in (str(target), _STDIN) else source
        raise UsageError(
            f"{target} is an input; {other} is never written over", hint="name another file with --output."
        )
    if not stat.S_ISREG(found.st_mode):
        raise UsageError(f"{target} is in the way: it is no file", hint="remove it, or name another place.")
    if not os.access(target, os.W_OK):
        raise UsageError(f"{target} is write-protected", hint=f"run: chmod u+w {quote(str(target))}")


def _check_folder(folder: Path, *, may_create: bool) -> None:
    """Make sure that a file can be made in ``folder`` by making one; permissions alone do not tell."""
    with _usable(folder):
        if may_create:
            folder.mkdir(exist_ok=True)
        descriptor, name = _temporary(folder)
        os.close(descriptor)
        Path(name).unlink()


@contextmanager
def _usable(path: str | Path) -> Iterator[None]:
    """Rename what the system says about a place to an error of ours."""
    try:
        yield
    except FileNotFoundError as exc:
        missing = Path(path).parent if Path(exc.filename or "") == Path(path) else Path(path)
        raise UsageError(
            f"{path}: the folder {missing} does not exist", hint=f"run: mkdir -p {quote(str(missing))}"
        ) from exc
    except OSError as exc:
        reason = exc.strerror or str(exc)
        raise UsageError(f"{path} cannot be written to: {reason}", hint="choose another place with --output.") from exc


def _temporary(folder: Path) -> tuple[int, str]:
    return tempfile.mkstemp(prefix=".voxctl-", suffix=".tmp", dir=folder)  # mode 0600


def _replace(target: Path, data: bytes) -> None:
    try:
        descriptor, name = _temporary(target.parent)
        try:
            try:
                _dress_as(target, descriptor)
                _write_all(descriptor, data)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            Path(name).replace(target)
        finally:
            Path(name).unlink(missing_ok=True)  # Ctrl-C leaves nothing behind either
    except OSError as exc:
        raise OutputError(f"{target} could not be written: {exc.strerror or exc}", hint=_FREE) from exc


def _dress_as(target: Path, descriptor: int) -> None:
    """Give the new file the mode and, where that is allowed, the owner of the one it replaces."""
    try:
        old = target.lstat()
    except FileNotFoundError:
        old = None
    if old is None or not stat.S_ISREG(old.st_mode):
        mask = os.umask(0o077)  # there is no way to only read it
        os.umask(mask)
        os.fchmod(descriptor, 0o666 & ~mask)
        return
    with suppress(PermissionError):
        os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode) & 0o777)


def _send(descriptor: int, data: bytes) -> None:
    try:
        _write_all(descriptor, data)
    except BrokenPipeError as exc:
        raise OutputClosed("the reader of --output has closed it", hint="keep the reader open.") from exc
    except OSError as exc:
        raise OutputError(f"--output could not be written to: {exc.strerror or exc}", hint=_FREE) from exc


def _write_all(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
