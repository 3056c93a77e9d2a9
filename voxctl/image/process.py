"""Runs docker or podman on a terminal of its own, where they say how far they are, and keeps what they write."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
import signal
import struct
import tempfile
import termios
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from voxctl.errors import BuildFailed, VoxError
from voxctl.image.output import is_bar, plain

#: How long a command may take to end once asked, and to be gone once killed.
END_S, KILLED_S = 2.0, 0.5
#: The rest of its output, should something it started hold the terminal.
REST_S = 1.0
#: Rows and columns. With 100 columns bars leave room for sizes.
_SIZE = struct.pack("HHHH", 50, 100, 0, 0)


@dataclass(slots=True)
class Log:
    """Where the output goes, for our eyes only."""

    path: Path
    file: BinaryIO

    def write(self, line: str) -> None:
        """Add a line; one that cannot be written is no reason to stop."""
        with contextlib.suppress(OSError):
            self.file.write(line.encode(errors="backslashreplace") + b"\n")


@contextlib.contextmanager
def new_log() -> Iterator[Log]:
    """Keep a log while open; only a failure leaves it behind. Raises ``BuildFailed`` where there is no place for it."""
    try:
        descriptor, name = tempfile.mkstemp(prefix="voxctl-build-", suffix=".log")
    except OSError as exc:
        raise BuildFailed(
            f"the log cannot be kept in {tempfile.gettempdir()}: {exc.strerror or exc}",
            hint="make room there, or name another folder with TMPDIR.",
        ) from exc
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        log = Log(Path(name), file)
        kept = False
        try:
            yield log
        except VoxError:
            kept = True
            raise
        finally:
            if not kept:
                log.path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Answer:
    """How a command ended that was asked something: its exit code and all it wrote, its errors apart."""

    code: int
    out: str
    err: str


async def asked(command: Sequence[str], *, limit_s: float) -> Answer | None:
    """Run a command that answers at once; ``None`` if there is none, or it does not answer within ``limit_s``."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except OSError:
        return None
    try:
        async with asyncio.timeout(limit_s):
            out, err = await process.communicate()
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            _signal(process, signal.SIGKILL)
            await process.communicate()
    return Answer(process.returncode or 0, out.decode(errors="replace").strip(), err.decode(errors="replace").strip())


async def carried_out(
    command: Sequence[str],
    environment: Mapping[str, str],
    log: Log,
    heard: Callable[[str], None],
    *,
    secret: str | None = None,
) -> int:
    """Run a command to its end and return its exit code; ``heard`` gets each line of its output.

    A ``secret`` is written to its standard input and stands nowhere else. When this is cancelled, the command and all
    it started is ended, by request and then by force. Raises ``BuildFailed`` if it cannot be run.
    """
    log.write(f"$ {' '.join(command)}")
    screen, terminal = os.openpty()
    try:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, _SIZE)
        process = await _started(command, environment, terminal, with_input=secret is not None)
    except BaseException:
        os.close(screen)
        raise
    finally:
        os.close(terminal)

    def take(line: str) -> None:
        text = plain(line)
        if text and not is_bar(text):
            log.write(text)
        heard(text)

    try:
        async with _reading(screen, take) as ended:
            if secret is not None and process.stdin:
                process.stdin.write(secret.encode())
                process.stdin.close()
            code = await process.wait()
            await asyncio.wait({ended}, timeout=REST_S)
        return code
    finally:
        await _end(process)


async def _started(
    command: Sequence[str], environment: Mapping[str, str], terminal: int, *, with_input: bool
) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE if with_input else asyncio.subprocess.DEVNULL,
            stdout=terminal,
            stderr=terminal,
            env={**os.environ, "TERM": "xterm", **environment},
            # Ctrl-C in a terminal reaches voxctl alone, and all that the command starts can be ended as one.
            start_new_session=True,
        )
    except OSError as exc:
        raise BuildFailed(f"{command[0]} cannot be run: {exc.strerror or exc}", hint="voxctl doctor") from exc


class _Lines(asyncio.Protocol):
    def __init__(self, take: Callable[[str], None], ended: asyncio.Future[None]) -> None:
        self._take = take
        self._ended = ended
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        # A bar is drawn anew after a carriage return.
        *lines, self._rest = re.split(rb"[\r\n]", self._rest + data)
        for line in lines:
            self._take(line.decode(errors="replace"))

    def connection_lost(self, exc: Exception | None) -> None:
        # A terminal whose last writer has gone is an error to its reader, on Linux; it is the end.
        self._take(self._rest.decode(errors="replace"))
        if not self._ended.done():
            self._ended.set_result(None)


@asynccontextmanager
async def _reading(screen: int, take: Callable[[str], None]) -> AsyncIterator[asyncio.Future[None]]:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    file = os.fdopen(screen, "rb", buffering=0)
    transport, _ = await loop.connect_read_pipe(lambda: _Lines(take, ended), file)
    try:
        yield ended
    finally:
        transport.close()


async def _end(process: asyncio.subprocess.Process) -> None:
    try:
        if process.returncode is None:
            _signal(process, signal.SIGTERM)
            await asyncio.wait({asyncio.ensure_future(process.wait())}, timeout=END_S)
    finally:
        if process.returncode is None:
            _signal(process, signal.SIGKILL)
            await asyncio.wait({asyncio.ensure_future(process.wait())}, timeout=KILLED_S)


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
