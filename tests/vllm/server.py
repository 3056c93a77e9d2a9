"""Start and end the real vLLM server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

ROOT = Path(__file__).parents[2]
VENV = ROOT / ".vllm-venv"
START_S = 240.0
"""By when a server answers: 25 s on an idle machine with two cores, longer beside a second one."""
END_S = 15.0
LOG_TAIL_LINES = 40


class ServerDidNotStart(Exception):
    """The server ended, or was not ready in time; the message holds the end of its log."""


@dataclass(frozen=True, slots=True)
class VllmOptions:
    """The flags that the tests vary."""

    model_name: str = "voxtral-tiny"
    max_model_len: int = 2048
    max_num_seqs: int = 8
    api_key: str | None = None
    port: int | None = None
    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VllmServer:
    """A server that answers."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path
    options: VllmOptions

    @property
    def url(self) -> str:
        """Where its streams are opened."""
        return f"ws://127.0.0.1:{self.port}/v1/realtime"

    def log_tail(self) -> str:
        """The last lines it wrote."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:])


@contextmanager
def running_vllm(checkpoint: Path, options: VllmOptions | None = None) -> Iterator[VllmServer]:
    """Serve a checkpoint on a free loopback port; the server and all it started have ended when this returns.

    The log is written beside the checkpoint. vLLM cannot be told to take any free port, so one is found and let go
    just before; should somebody else take it in between, another is tried.
    """
    options = options or VllmOptions()
    for attempts_left in (2, 1, 0):
        server = _spawn(checkpoint, options)
        try:
            try:
                _wait_until_healthy(server)
            except ServerDidNotStart:
                if attempts_left and "ddress already in use" in server.log.read_text(errors="replace"):
                    continue
                raise
            yield server
            return
        finally:
            _end(server)


def _spawn(checkpoint: Path, options: VllmOptions) -> VllmServer:
    executable = VENV / "bin" / "vllm"
    if not executable.exists():
        raise ServerDidNotStart(f"{executable} is missing: run `make test-real`, which installs it")
    port = options.port or _free_port()
    command = [str(executable), "serve", str(checkpoint), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--served-model-name", options.model_name, "--dtype", "float32", "--enforce-eager"]
    command += ["--tokenizer-mode", "mistral", "--config-format", "mistral", "--load-format", "mistral"]
    command += ["--max-model-len", str(options.max_model_len), "--max-num-seqs", str(options.max_num_seqs)]
    if options.api_key:
        command += ["--api-key", options.api_key]
    command += options.arguments
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        # The processes it starts are found by way of PATH.
        "PATH": f"{executable.parent}{os.pathsep}{os.environ['PATH']}",
        **options.environment,
    }
    log = checkpoint / f"vllm-{port}.log"
    with log.open("wb") as sink:
        # A session of its own makes it, and the engine it starts, one group that can be ended as one.
        process = subprocess.Popen(
            command, stdout=sink, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
    return VllmServer(port, process, log, options)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_healthy(server: VllmServer) -> None:
    started = time.monotonic()
    while time.monotonic() - started < START_S:
        if server.process.poll() is not None:
            raise ServerDidNotStart(
                f"vllm serve ended with {server.process.returncode}; {server.log} ends:\n{server.log_tail()}"
            )
        with suppress(URLError, OSError), urlopen(f"http://127.0.0.1:{server.port}/health", timeout=2):
            print(f"vLLM ready after {time.monotonic() - started:.0f} s", file=sys.stderr)
            return
        time.sleep(0.2)
    raise ServerDidNotStart(f"not healthy after {START_S:.0f} s; {server.log} ends:\n{server.log_tail()}")


def _end(server: VllmServer) -> None:
    """Ask, then insist; the group goes even when its leader has died first."""
    with suppress(ProcessLookupError):
        os.killpg(server.process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        server.process.wait(END_S)
    with suppress(ProcessLookupError):
        os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait(END_S)
