"""What every benchmark needs: a server, a sound, a child process and what it cost, and a line of the table."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import resource
import subprocess
import sys
import termios
import threading
import time
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from voxctl.audio.pcm import SAMPLE_RATE_HZ

ROOT = Path(__file__).parent.parent
PYTHON = sys.executable
VOXCTL = (PYTHON, "-m", "voxctl")

#: A quarter of a second of noise, the same in every run: its bytes are as awkward as those of speech.
_NOISE = bytes((i * i * 31 + i * 7) % 251 for i in range(SAMPLE_RATE_HZ // 2))


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. ``beside`` is the floor or the baseline of the same run, in words."""

    what: str
    measured: str
    wanted: str
    beside: str = ""
    load: str = field(default_factory=lambda: load())


def load() -> str:
    """Return the load average of the last minute."""
    return f"{os.getloadavg()[0]:.2f}"


def machine_cpu_s() -> float:
    """Return the processor time that everything on the machine has taken, and what its host kept from it."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    user, nice, system, _idle, _waiting, irq, softirq, stolen = fields
    return (user + nice + system + irq + softirq + stolen) / os.sysconf("SC_CLK_TCK")


def process_cpu_s(pid: int) -> float:
    """Return the processor time that a process has taken so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children_cpu_s() -> float:
    """Return the processor time of the children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def wait_for_quiet(*, most_s: float = 60.0, busy: float = 0.1) -> None:
    """Wait until the machine is idle but for a tenth of a core, for a while at most."""
    until_s = time.monotonic() + most_s
    while time.monotonic() < until_s:
        before_s = machine_cpu_s()
        time.sleep(1)
        if machine_cpu_s() - before_s < busy:
            return


def say(line: str) -> None:
    """Print one line, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def show(figures: Sequence[Figure]) -> None:
    """Print the table."""
    for figure in figures:
        line = f"{figure.what:<46} {figure.measured:>16}  wanted {figure.wanted:<12} load {figure.load:<6}"
        say(f"{line} {figure.beside}".rstrip())


def write_wav(path: Path, seconds: float) -> Path:
    """Write a 16 kHz mono WAV of noise, a second at a time."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        left = round(seconds * SAMPLE_RATE_HZ) * 2
        while left:
            file.writeframesraw(_NOISE[:left])
            left -= min(left, len(_NOISE))
    return path


class PeerProcess:
    """The server of ``benchmarks.peer`` in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self._process = process
        self.url = url

    def cpu_s(self) -> float:
        """Return the processor time it has taken so far."""
        return process_cpu_s(self._process.pid)

    def arrivals_s(self) -> list[float]:
        """Return when the audio of the connection that ended last arrived; wait for that end."""
        assert self._process.stdout
        return list(json.loads(self._process.stdout.readline())["arrived_s"])


@contextlib.contextmanager
def peer(*, notes: bool = False) -> Iterator[PeerProcess]:
    """Run a server for as long as the context is open."""
    command = [PYTHON, "-m", "benchmarks.peer", *(["--notes"] if notes else [])]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdin
        yield PeerProcess(process, process.stdout.readline().strip())
        process.stdin.close()


@dataclass(frozen=True, slots=True)
class Cost:
    """What a finished process took. ``started_s`` is on the monotonic clock, which the server shares."""

    started_s: float
    took_s: float
    cpu_s: float
    peak_mb: float


class Child:
    """A process whose output nobody reads, or a terminal of 80 by 24 does."""

    def __init__(self, command: Sequence[str], *, on_a_terminal: bool = False) -> None:
        environment = {**os.environ, "TERM": "xterm-256color"}
        self._command = command
        self.started_s = time.monotonic()
        end = subprocess.DEVNULL
        if on_a_terminal:
            outside, end = pty.openpty()
            termios.tcsetwinsize(end, (24, 80))
            threading.Thread(target=_drain, args=[outside], daemon=True).start()
        self._process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=end, stdout=end, stderr=end)
        if on_a_terminal:
            os.close(end)

    def wait(self) -> Cost:
        """Wait for its end and return what it cost; what fails ends the benchmark."""
        _, status, used = os.wait4(self._process.pid, 0)
        took_s = time.monotonic() - self.started_s
        self._process.returncode = os.waitstatus_to_exitcode(status)
        if self._process.returncode:
            raise SystemExit(f"{' '.join(self._command)} ended with {self._process.returncode}")
        return Cost(self.started_s, took_s, used.ru_utime + used.ru_stime, used.ru_maxrss / 1000)


def _drain(terminal: int) -> None:
    with contextlib.suppress(OSError):  # how a terminal says that its last process has gone
        while os.read(terminal, 1 << 16):
            pass


def run(command: Sequence[str]) -> Cost:
    """Run a command to its end."""
    return Child(command).wait()


@dataclass(frozen=True, slots=True)
class Streams:
    """What ``benchmarks.streams_client`` told: lateness, its share of a core, and why streams ended if any did."""

    p99_ms: float
    busy: float
    failed: list[str]


def many_streams(kind: str, n: int, url: str) -> Streams:
    """Run ``n`` streams of a kind in a process of their own."""
    command = [PYTHON, "-m", "benchmarks.streams_client", kind, str(n), url]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if told.returncode:
        raise SystemExit(told.stderr)
    return Streams(**json.loads(told.stdout))


def transcribe(url: str, path: Path, *options: str) -> list[str]:
    """Return the command that transcribes ``path`` at a server."""
    return [*VOXCTL, "transcribe", str(path), "--url", url, *options]
