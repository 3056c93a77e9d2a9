"""Places to write to, judged before anything is transcribed: what is there, and whether it may be replaced."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import quote

from voxctl.errors import OutputClosed, OutputError, UsageError

#: As a name on the command line: standard input, or standard output.
STANDARD = "-"
_OPEN_FILE = re.compile(r"/dev/(?:(stdout)|(stderr)|fd/(\d+))|/proc/self/fd/(\d+)")


class Places:
    """Judges where ``option`` may write in a command that reads ``inputs``. Raises ``UsageError``."""

    def __init__(self, option: str, inputs: Sequence[str]) -> None:
        self._option = option
        self._inputs = dict(_identities(inputs))

    def open_as_it_is(self, path: str) -> int | None:
        """Return a descriptor of what cannot be replaced: our own open files, devices, pipes. Else ``None``.

        Opening a named pipe waits for its reader, as in a shell.
        """
        with self.usable(path):
            if found := _OPEN_FILE.fullmatch("/dev/stdout" if path == STANDARD else path):
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
            if stat.S_ISFIFO(mode) and (found_there.st_dev, found_there.st_ino) in self._inputs:
                raise UsageError(f"{path} is an input", hint=f"name another file with {self._option}.")
            if stat.S_ISCHR(mode) or stat.S_ISFIFO(mode):
                return os.open(path, os.O_WRONLY | os.O_NOCTTY)
        raise UsageError(f"{path}: a socket or a disk is no place for text", hint=f"name a file with {self._option}.")

    def check_file(self, target: Path) -> None:
        """Make sure that ``target`` is nothing, or a file that may be written over."""
        with self.usable(target):
            try:
                found = target.lstat()
            except FileNotFoundError:
                return
        if stat.S_ISLNK(found.st_mode):
            leads_to = quote(os.path.realpath(target))
            raise UsageError(
                f"{target} is a symbolic link, and is not followed", hint=f"name its file: {self._option} {leads_to}"
            )
        if source := self._inputs.get((found.st_dev, found.st_ino)):
            other = "it" if source in (str(target), STANDARD) else source
            raise UsageError(
                f"{target} is an input; {other} is never written over", hint=f"name another file with {self._option}."
            )
        if not stat.S_ISREG(found.st_mode):
            raise UsageError(f"{target} is in the way: it is no file", hint="remove it, or name another place.")
        if not os.access(target, os.W_OK):
            raise UsageError(f"{target} is write-protected", hint=f"run: chmod u+w {quote(str(target))}")

    @contextmanager
    def usable(self, path: str | Path) -> Iterator[None]:
        """Rename what the system says about a place to an error of ours."""
        try:
            yield
        except FileNotFoundError as exc:
            missing = Path(path).parent if Path(exc.filename or "") == Path(path) else Path(path)
            doubled = str(path).rstrip(os.sep) == str(missing)
            where = "" if doubled else f"{path}: "
            hint = f"run: mkdir -p {quote(str(missing))}"
            raise UsageError(f"{where}the folder {missing} does not exist", hint=hint) from exc
        except OSError as exc:
            hint = f"choose another place with {self._option}."
            raise UsageError(f"{path} cannot be written to: {exc.strerror or exc}", hint=hint) from exc

    def send(self, descriptor: int, data: bytes) -> None:
        """Write all of ``data`` to an open file. Raises ``OutputError``."""
        try:
            write_all(descriptor, data)
        except BrokenPipeError as exc:
            raise OutputClosed(f"the reader of {self._option} has closed it", hint="keep the reader open.") from exc
        except OSError as exc:
            raise self.failed(self._option, exc) from exc

    def failed(self, where: str | Path, exc: OSError) -> OutputError:
        """Return the error of ours for one met while writing."""
        hint = f"free some space or choose another place with {self._option}, and run the command again."
        return OutputError(f"{where} could not be written: {exc.strerror or exc}", hint=hint)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of ``data``, which the system may take in parts."""
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def free_name(path: Path, mark: str) -> Path:
    """Return a name beside ``path`` that nobody has yet: ``talk.mark.srt``, ``talk.mark-2.srt`` and so on."""
    for number in range(1, 1000):
        name = f"{path.stem}.{mark}{'' if number == 1 else f'-{number}'}{path.suffix}"
        if not os.path.lexists(path.with_name(name)):
            return path.with_name(name)
    raise OutputError(f"{path.parent} holds a thousand {mark} files", hint="remove some of them.")


def new_file_mode() -> int:
    """Return the mode of a new file of this process."""
    mask = os.umask(0o077)  # there is no way to only read it
    os.umask(mask)
    return 0o666 & ~mask


def _identities(inputs: Sequence[str]) -> Iterator[tuple[tuple[int, int], str]]:
    """Yield what each input truly is, through links and redirection; one that cannot be read is reported elsewhere."""
    for name in inputs:
        with suppress(OSError):
            found = os.fstat(0) if name == STANDARD else Path(name).stat()
            yield (found.st_dev, found.st_ino), name
