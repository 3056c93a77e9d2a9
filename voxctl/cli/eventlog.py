"""``--events``: what happens in the sessions, a line of JSON each, written while it happens."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shlex import quote

from voxctl.cli.places import STANDARD, Places, new_file_mode
from voxctl.errors import OutputError, UsageError, VoxError
from voxctl.events import Event
from voxctl.transcript.record import event_line, failure_line


class EventLog:
    """An open log; each line is written whole and at once, so that whoever follows the file sees it.

    What cannot be written costs no word: ``broken`` then says why, and nothing more is written.
    """

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self.broken: OutputError | None = None
        self._write = write
        self._source: str | None = None
        self._began_s = 0.0

    def begin(self, source: str) -> None:
        """Begin the session of another input."""
        self._source, self._began_s = source, time.monotonic()

    def event(self, event: Event, channel: int | None = None) -> None:
        """Write what happened, on this channel if only one is listened to."""
        self._put(event_line(event, time.monotonic() - self._began_s, source=self._source, channel=channel))

    def failed(self, error: VoxError) -> None:
        """Write that the session was given up."""
        self._put(failure_line(error, time.monotonic() - self._began_s, source=self._source))

    def _put(self, line: str) -> None:
        if self.broken is None:
            try:
                self._write(line.encode("utf-8"))
            except OutputError as exc:  # a reader that went away is a failure here: somebody relies on the lines
                self.broken = OutputError(exc.message, hint=exc.hint)


@contextmanager
def open_event_log(path: str, inputs: Sequence[str], outputs: Sequence[Path]) -> Iterator[EventLog]:
    """Open the log at ``path``, which must be none of ``inputs`` and ``outputs``; a file that is there is emptied.

    Raises ``UsageError`` for what cannot be written to.
    """
    places = Places("--events", inputs)
    if path in (STANDARD, "/dev/stdout") and not outputs:
        raise UsageError("--events and the transcript would both go to stdout", hint="add --output for the transcript.")
    if not path:
        raise UsageError("--events is empty", hint="name a file: --events events.jsonl")
    descriptor = places.open_as_it_is(path)
    if descriptor is None:
        if Path(path).is_dir():
            inside = quote(str(Path(path, "events.jsonl")))
            raise UsageError(f"--events {path} is a folder", hint=f"name a file in it: --events {inside}")
        places.check_file(Path(path))
        if Path(path).resolve() in [output.resolve() for output in outputs]:
            raise UsageError(f"{path} gets the transcript", hint="name another file with --events.")
        with places.usable(path):
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(path, flags, new_file_mode())
    try:
        yield EventLog(lambda data: places.send(descriptor, data))
    finally:
        os.close(descriptor)
