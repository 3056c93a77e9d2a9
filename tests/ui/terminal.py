"""A terminal to run programs in: a real pseudo-terminal, its screen and history kept by pyte."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pyte

# pyte knows no dim text; in its cells it is shown as italic, which voxctl never writes.
DIM, ITALIC = b"\x1b[2m", b"\x1b[3m"

REPOSITORY = Path(__file__).parents[2]


class Terminal:
    """A program that runs in a terminal of ``columns`` by ``rows``."""

    def __init__(self, command: list[str], columns: int, rows: int, environment: dict[str, str]) -> None:
        self.screen = pyte.HistoryScreen(columns, rows, history=5000, ratio=0.5)
        self._stream = pyte.ByteStream(self.screen)
        self.bytes = b""
        # pyte cuts rows when it becomes narrower, as xterm does; nearly all others break them.
        kept = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "xterm-256color", "XTERM_VERSION": "XTerm(390)"}
        self._child: pexpect.spawn[bytes] = pexpect.spawn(
            command[0], command[1:], dimensions=(rows, columns), env=kept | environment, cwd=str(REPOSITORY), echo=False
        )

    @property
    def rows(self) -> list[str]:
        """What is on the screen, without the empty rows below."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip("\n").split("\n")

    @property
    def everything(self) -> list[str]:
        """What can be read by scrolling back: the history, then the screen."""
        gone = ["".join(row[x].data for x in range(self.screen.columns)).rstrip() for row in self.screen.history.top]
        return gone + self.rows

    @property
    def cursor_visible(self) -> bool:
        return not self.screen.cursor.hidden

    def resize(self, columns: int, rows: int) -> None:
        self.screen.resize(rows, columns)
        self._child.setwinsize(rows, columns)

    def press(self, keys: str) -> None:
        self._child.send(keys)

    def wait_until(self, seen: Callable[[], bool], limit_s: float = 10) -> None:
        """Read what the program writes until ``seen``."""
        deadline_s = time.monotonic() + limit_s
        while not seen():
            assert time.monotonic() < deadline_s, "\n".join(["not seen in time:", *self.everything])
            assert self._read(), "\n".join(["ended before:", *self.everything])

    def finish(self) -> int:
        """Read to the program's end; return its exit code, that of a signal negated."""
        while self._read():
            pass
        self._child.close()
        status = self._child.exitstatus
        return status if status is not None else -int(self._child.signalstatus or 0)

    def close(self) -> None:
        self._child.close(force=True)

    def _read(self) -> bool:
        """Take what is there; return whether there can be more."""
        try:
            data: bytes = self._child.read_nonblocking(65_536, timeout=0.05)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.bytes += data
        self._stream.feed(data.replace(DIM, ITALIC))
        return True


@contextlib.contextmanager
def playing(
    scene: str, columns: int = 80, rows: int = 12, *, shell: str | None = None, **environment: str
) -> Iterator[Terminal]:
    """Play a scene of ``tests.ui.session`` in a terminal. ``shell`` is a shell's command line with it as ``{}``."""
    command = [sys.executable, "-m", "tests.ui.session", scene]
    if shell is not None:
        command = ["/bin/sh", "-c", shell.format(" ".join(command))]
    terminal = Terminal(command, columns, rows, environment)
    try:
        yield terminal
    finally:
        terminal.close()
