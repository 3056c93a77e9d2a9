"""One ``vllm serve`` in a session of its own, with its log, and a guard that ends it should voxctl vanish."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from voxctl.errors import EngineUnavailable
from voxctl.serving.vllm_log import LogReader

#: A log longer than this is begun anew: a server runs for months.
LOG_BYTES = 64 * 2**20
READ_BYTES = 2**20
#: Before it answers it has nothing to lose, and its start does not listen for long.
STARTING_END_S = 2.0
KILLED_S = 5.0
TIDY_S = 1.0
TIDY_POLL_S = 0.05

#: Waits on a pipe that only voxctl holds. A line ends it; the end of the pipe means that voxctl was killed.
_GUARD = """
read -r _ && exit 0
kill -s TERM "$1"
i=0
while [ "$i" -lt 5 ] && kill -s 0 -- "-$1"; do sleep 1; i=$((i + 1)); done
kill -s KILL -- "-$1"
rm -f "$2"
"""


@dataclass(slots=True)
class LogFile:
    """Where the output goes, for our eyes only. It is removed in the end unless ``keep`` is set.

    It stays open: somebody may tidy up the folder for temporary files while the server runs.
    """

    path: Path
    file: BinaryIO
    keep: bool = False


class VllmProcess:
    """The process and its log. ``end_s`` is how long it may take to end once asked."""

    def __init__(self, process: asyncio.subprocess.Process, log: LogFile, reader: LogReader) -> None:
        self.log = log
        self.reader = reader
        self.end_s = STARTING_END_S
        self._process = process
        self._ended = asyncio.ensure_future(process.wait())
        self._rest = b""

    @classmethod
    @asynccontextmanager
    async def running(
        cls, command: list[str], environment: dict[str, str], reader: LogReader
    ) -> AsyncIterator[VllmProcess]:
        """Run a command; leaving the context ends it and all it started, by request and then by force."""
        with _new_log() as log:
            process = cls(await _spawned(command, environment, log.path), log, reader)
            with _guarded(process.pid, log.path):
                try:
                    yield process
                finally:
                    await process.end()

    @property
    def pid(self) -> int:
        """The process, and the group of all it started."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """``None`` while it runs; below zero for the signal that ended it."""
        return self._process.returncode

    async def ended_within(self, limit_s: float) -> bool:
        """Wait for its end, but not longer than that."""
        done, _ = await asyncio.wait({self._ended}, timeout=limit_s)
        return bool(done)

    def read_log(self) -> None:
        """Hand what is new in the log to the reader."""
        file = self.log.file
        while data := file.read(READ_BYTES):
            # Progress bars end their lines with a carriage return.
            *lines, self._rest = re.split(rb"[\r\n]", self._rest + data)
            for line in lines:
                self.reader.feed(line.decode(errors="replace"))
            self._rest = self._rest[-READ_BYTES:]
        if file.tell() > LOG_BYTES:
            file.seek(0)
            file.truncate()

    async def end(self) -> None:
        """Ask the server to end, then end its whole group; a second Ctrl-C skips the asking."""
        try:
            if not self._ended.done():
                with contextlib.suppress(ProcessLookupError):
                    self._process.terminate()
            if await self.ended_within(self.end_s):
                await self._group_gone()
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            await self.ended_within(KILLED_S)

    async def _group_gone(self) -> None:
        """Give what the server started a moment to tidy up: shared memory outlives whom it belongs to."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            for _ in range(round(TIDY_S / TIDY_POLL_S)):
                os.killpg(self.pid, 0)
                await asyncio.sleep(TIDY_POLL_S)


@contextlib.contextmanager
def _new_log() -> Iterator[LogFile]:
    descriptor, name = tempfile.mkstemp(prefix="voxctl-vllm-", suffix=".log")
    with os.fdopen(descriptor, "rb+", buffering=0) as file:
        log = LogFile(Path(name), file)
        try:
            yield log
        finally:
            if not log.keep:
                log.path.unlink(missing_ok=True)


async def _spawned(command: list[str], environment: dict[str, str], log: Path) -> asyncio.subprocess.Process:
    # Appending, so that a log begun anew has no hole at its start.
    with log.open("ab") as sink:
        try:
            return await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=sink,
                stderr=asyncio.subprocess.STDOUT,
                env=environment,
                # Ctrl-C in a terminal reaches voxctl alone, and all that vLLM starts can be ended as one.
                start_new_session=True,
            )
        except OSError as exc:
            raise EngineUnavailable(
                f"{command[0]} cannot be run: {exc.strerror or exc}", hint="give --vllm the path of a vllm command."
            ) from exc


@contextlib.contextmanager
def _guarded(group: int, log: Path) -> Iterator[None]:
    """Have a process group ended if we cannot do it ourselves."""
    guard = subprocess.Popen(
        ["/bin/sh", "-c", _GUARD, "voxctl-guard", str(group), str(log)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        assert guard.stdin
        with contextlib.suppress(OSError):
            guard.stdin.write(b"\n")
            guard.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            guard.wait(KILLED_S)
