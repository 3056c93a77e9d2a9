"""stdout is the product and stderr the weather: the first may fail only in words, the second must never matter."""

from __future__ import annotations

import contextlib
import io
import os
from typing import TextIO, cast

from voxctl.errors import OutputClosed, OutputError


class _Product(io.TextIOBase):
    """stdout whose failures are errors of ours."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]  # read-only here
        return self._stream.encoding or "utf-8"

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as exc:
            raise renamed(exc) from exc

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as exc:
            raise renamed(exc) from exc


class _Weather(io.TextIOBase):
    """A stream that may be closed or full: a transcript is not lost because nobody can be told about it."""

    def __init__(self, stream: TextIO | None, *, ours: bool) -> None:
        self._stream = stream
        self._ours = ours

    @property
    def encoding(self) -> str:  # type: ignore[override]  # read-only here
        return (self._stream and self._stream.encoding) or "utf-8"

    def isatty(self) -> bool:
        return self._stream is not None and self._stream.isatty()

    def fileno(self) -> int:
        if self._stream is None:
            raise OSError("closed")
        return self._stream.fileno()

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text) if self._stream else 0
        except (OSError, OutputError):
            self._give_up()
            return 0

    def flush(self) -> None:
        try:
            if self._stream:
                self._stream.flush()
        except (OSError, OutputError):
            self._give_up()

    def _give_up(self) -> None:
        if self._stream is not None and self._ours:
            let_go(self._stream)
        self._stream = None


def product(stdout: TextIO | None) -> TextIO:
    """Return stdout for a transcript; what cannot be written to it raises ``OutputClosed`` or ``OutputError``."""
    if stdout is None:
        raise OutputError("standard output is closed", hint="send it to a file, or to /dev/null if it is not wanted.")
    return cast(TextIO, _Product(stdout))


def weather(stderr: TextIO | None) -> TextIO:
    """Return stderr for everything else; writing to it never fails."""
    return cast(TextIO, _Weather(stderr, ours=True))


def scenery(screen: TextIO) -> TextIO:
    """Return a terminal for what is only looked at, even if it is stdout; writing to it never fails."""
    return cast(TextIO, _Weather(screen, ours=False))


def let_go(stream: TextIO) -> None:
    """Keep the interpreter from flushing, at its exit, into what cannot be written: that would change the exit code."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def renamed(exc: OSError) -> OutputError:
    """Return our error for one met while writing to stdout."""
    if isinstance(exc, BrokenPipeError):
        return OutputClosed("whoever read the output has closed it")
    return OutputError(
        f"standard output cannot be written: {(exc.strerror or str(exc)).lower()}",
        hint="is its disk full? What was written before is kept.",
    )
