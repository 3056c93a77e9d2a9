"""Where a document goes that is written while somebody speaks: a new file, a pipe, or standard output."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote

from voxctl.cli.output import Output
from voxctl.cli.places import Places, new_file_mode
from voxctl.errors import UsageError


@contextmanager
def open_growth(output: Output, name: str, head: str) -> Iterator[Callable[[str], None]]:
    """Yield what appends to the document of ``name``; each piece is the system's as soon as it is written.

    A file that holds more than ``head`` is left as it is. Raises ``UsageError`` for one, ``OutputError`` while writing.
    """
    path = output.path_of(name)
    if path is None:
        yield lambda text: _sent(output, name, text)
        return
    places = Places("--output", ())
    with places.usable(path):
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, new_file_mode())
    try:
        _check_ours(descriptor, path, head.encode("utf-8"))
        os.ftruncate(descriptor, 0)
        yield lambda text: places.send(descriptor, text.encode("utf-8", errors="backslashreplace"))
    finally:
        os.close(descriptor)


def _sent(output: Output, name: str, text: str) -> None:
    output.write(name, text)


def _check_ours(descriptor: int, path: Path, head: bytes) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        raise UsageError(f"another voxctl is writing {path}", hint="name another file with --output.") from exc
    if os.pread(descriptor, len(head) + 1, 0) not in (b"", head):
        hint = f"name another file, or remove it: rm {quote(str(path))}"
        raise UsageError(f"{path} is there already, and what is said now is never written over it", hint=hint)
