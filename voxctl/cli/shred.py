"""``voxctl shred``: a transcript, and all that transcribing left beside it, removed."""

from __future__ import annotations

import fcntl
import glob
import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from voxctl.cli.journal import journal_of
from voxctl.cli.options import JsonOpt
from voxctl.cli.places import write_all
from voxctl.errors import Interrupted, OutputError, UsageError
from voxctl.transcript.export import Format
from voxctl.ui.plain import PlainView
from voxctl.ui.streams import product, weather

_SUFFIXES = tuple(form.suffix for form in Format)
_KEPT_JOURNAL = ".voxctl-journal"
_BLOCK = 1 << 16

TranscriptsArg = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE",
        show_default=False,
        help="Transcripts, as they were named with --output; without a suffix, those of every format.",
    ),
]
YesOpt = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def shred(files: TranscriptsArg, yes: YesOpt = False, json_: JsonOpt = False) -> None:
    """Remove transcripts with their journals and what was recovered or kept in part; overwritten before.

    Copies that a file system, a backup or an editor keeps are not ours to find.
    """
    view = PlainView(product(sys.stdout), weather(sys.stderr), live=False)
    found = list(dict.fromkeys(path for name in files for path in _belonging_to(Path(name))))
    for path in found:
        _check(path)
    if found and not yes:
        for path in found:
            view.say(f"would remove {path}")
        _ask(len(found))
    for path in found:
        _remove(path)
        view.say(f"removed {path}")
    if not found:
        view.say("there is nothing to remove")
    if json_:
        view.document(json.dumps({"removed": [str(path) for path in found]}, ensure_ascii=False))


def _belonging_to(path: Path) -> Iterator[Path]:
    """Yield the files that belong to the transcript ``path``, those that are there."""
    if not path.suffix:
        for suffix in _SUFFIXES:
            yield from _belonging_to(path.with_name(path.name + suffix))
        return
    if path.suffix.lower() not in _SUFFIXES and not os.path.lexists(journal_of(path)):
        formats = ", ".join(suffix.removeprefix(".") for suffix in _SUFFIXES)
        raise UsageError(f"{path} is no transcript", hint=f"name a file of {formats}, or one that --output named.")
    stem = glob.escape(str(path.parent / path.stem))
    patterns = [f"{stem}.{mark}{path.suffix}" for mark in ("partial", "partial-*", "recovered", "recovered-*")]
    patterns += [f"{stem}.{mark}{_KEPT_JOURNAL}" for mark in ("recovered", "recovered-*")]
    beside = [Path(name) for pattern in patterns for name in sorted(glob.glob(pattern))]  # noqa: PTH207 - escaped
    yield from (each for each in (path, journal_of(path), *beside) if os.path.lexists(each))


def _check(path: Path) -> None:
    """Make sure that ``path`` may be removed, before anything is."""
    mode = path.lstat().st_mode
    if not stat.S_ISREG(mode):
        raise UsageError(f"{path} is a link, a folder or a device", hint=f"look at it: ls -l {quote(str(path))}")
    if path.name.endswith(_KEPT_JOURNAL):
        with suppress(PermissionError), path.open("rb") as journal:
            try:
                fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as exc:
                raise UsageError(f"voxctl is writing {path}", hint="wait for it, or end it with Ctrl-C.") from exc


def _ask(n_files: int) -> None:
    what = "this file" if n_files == 1 else f"these {n_files} files"
    if not sys.stdin.isatty():
        raise UsageError(f"nobody is there to be asked about {what}", hint="add --yes.")
    try:
        agreed = typer.confirm(f"Remove {what} for good?", err=True)
    except typer.Abort:
        agreed = False
    if not agreed:
        raise Interrupted("nothing was removed")


def _remove(path: Path) -> None:
    """Overwrite and remove a file; one that has other names keeps its text for them."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            held = os.fstat(descriptor)
            if held.st_nlink == 1:
                for at in range(0, held.st_size, _BLOCK):
                    write_all(descriptor, bytes(min(_BLOCK, held.st_size - at)))
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        path.unlink()
    except FileNotFoundError:
        return  # somebody else was quicker
    except OSError as exc:
        message = f"{path} could not be removed: {exc.strerror or exc}"
        raise OutputError(message, hint=f"look at its permissions: ls -l {quote(str(path))}") from exc
