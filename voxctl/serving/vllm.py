"""vLLM's own server as a context: it answers when the context is entered, and nothing of it is left when it is left.

Clients speak to vLLM directly; voxctl only starts it, watches it and ends it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from voxctl.errors import EngineUnavailable
from voxctl.serving.server import listen_on, url_of
from voxctl.serving.vllm_command import (
    START_TIMEOUT_S,
    VllmPlan,
    VllmSettings,
    check_build,
    check_extra,
    plan_for,
    wants_cpu,
)
from voxctl.serving.vllm_found import driver_seen, find_gpu, find_model, require_vllm, version_of
from voxctl.serving.vllm_health import answers, served_model
from voxctl.serving.vllm_log import Cause, LogReader
from voxctl.serving.vllm_models import VllmModel
from voxctl.serving.vllm_process import VllmProcess

POLL_S = 0.5
#: How long a vLLM that answers may take to end; 0.3 s were measured.
END_S = 10.0
#: While a stage lasts, how often it is said that it does.
PATIENCE_S = 15.0
#: Ports tried when any free one will do, as another program may take one in between.
ATTEMPTS = 3
GB_PER_GIB = 1.074

type Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class VllmLaunch:
    """What is to be started, and how: ``host`` and ``port`` to listen on, 0 for a free one."""

    executable: Path
    plan: VllmPlan
    host: str = "127.0.0.1"
    port: int = 0
    api_key: str | None = None
    start_timeout_s: float = START_TIMEOUT_S


class RunningVllm:
    """A vLLM that answers. ``url`` is where to connect from this machine, ``model`` the name it serves."""

    def __init__(self, url: str, model: str, process: VllmProcess, failure: Callable[[str], EngineUnavailable]) -> None:
        self.url = url
        self.model = model
        self._process = process
        self._failure = failure

    async def wait_closed(self) -> None:
        """Wait until vLLM has ended, which it should not; raises ``EngineUnavailable``."""
        while not await self._process.ended_within(POLL_S):
            self._process.read_log()
        raise self._failure("ended")


async def prepared(settings: VllmSettings, named: Path | None, say: Say) -> VllmLaunch:
    """Look at this machine and choose the flags; ``named`` is the vllm command, ``None`` to look for it.

    Raises ``UsageError`` for arguments that cannot be, ``EngineUnavailable`` for what is missing or too old.
    """
    check_extra(settings.extra)
    executable = require_vllm(named)
    version, gpu = await version_of(executable), await find_gpu()
    check_build(version, gpu, driver_seen() or wants_cpu(settings.extra, os.environ))
    model = find_model(settings.model)
    settings = replace(settings, model=model.source)
    plan = plan_for(settings, model.family, version, gpu if version.for_nvidia else None, model.served_name)
    for note in plan.notes:
        say(f"note: {note}")
    if not model.local:
        say(f"{settings.model} is not on this machine: vLLM downloads it first{_of_size(settings.model, model.family)}")
    return VllmLaunch(executable, plan)


def _of_size(model: str, family: VllmModel | None) -> str:
    # What is in memory in bfloat16 is what the file holds.
    return f", about {family.weights_gib_of(model) * GB_PER_GIB:.0f} GB" if family else ""


@asynccontextmanager
async def open_vllm(launch: VllmLaunch, say: Say) -> AsyncIterator[RunningVllm]:
    """Start ``vllm serve`` and wait until it answers; ``say`` gets a line about each stage.

    Raises ``EngineUnavailable`` with the cause and its cure if it does not come so far, after ``say`` got the end of
    the log, which is then kept. Leaving the context ends it and all it started.
    """
    for attempt in range(1, ATTEMPTS + 1):
        starting = _Starting(launch, await _free_port(launch), say)
        async with starting.process_running():
            try:
                running = await starting.until_it_answers()
            except EngineUnavailable:
                if attempt < ATTEMPTS and launch.port == 0 and starting.lost_its_port():
                    continue
                raise
            yield running
            return


async def _free_port(launch: VllmLaunch) -> tuple[int, str]:
    """Return the port to listen on and its address, having seen that it can be had."""
    listener = await listen_on(launch.host, launch.port)
    try:
        return listener.getsockname()[1], url_of(listener)
    finally:
        listener.close()


class _Starting:
    def __init__(self, launch: VllmLaunch, address: tuple[int, str], say: Say) -> None:
        self._launch = launch
        self._port, self._url = address
        self._say = say
        self._loop = asyncio.get_running_loop()
        self._began_s = self._said_s = self._loop.time()
        self._stage = "starting"
        self._process: VllmProcess
        self._cause_key = ""

    @asynccontextmanager
    async def process_running(self) -> AsyncIterator[None]:
        """Run the process for as long as the context is open."""
        launch = self._launch
        command = launch.plan.command(str(launch.executable), launch.host, self._port)
        async with VllmProcess.running(command, _environment(launch), LogReader(self._began)) as self._process:
            self._say(f"starting vLLM; its log is {self._process.log.path}")
            yield

    async def until_it_answers(self) -> RunningVllm:
        process, host = self._process, self._url.removeprefix("ws://")
        while not await answers(host):
            if await process.ended_within(POLL_S):
                raise self._failure("did not start")
            process.read_log()
            self._say_it_goes_on()
            if self._loop.time() - self._began_s > self._launch.start_timeout_s:
                raise self._failure(
                    f"does not answer after {self._launch.start_timeout_s:.0f} s",
                    Cause("slow", f"it is still {self._stage}", "a longer --start-timeout, if it makes progress."),
                )
        model = await served_model(host, self._launch.api_key) or self._launch.plan.arguments[0]
        self._say(f"vLLM answers after {self._loop.time() - self._began_s:.0f} s")
        # What was suspect at the start is not what it may die of later.
        process.reader = LogReader(lambda stage: None)
        process.end_s = END_S
        return RunningVllm(self._url, model, process, self._failure)

    def lost_its_port(self) -> bool:
        """Whether another program took the port in between; then nobody needs the log."""
        lost = self._cause_key == "port"
        self._process.log.keep = not lost
        return lost

    def _began(self, stage: str) -> None:
        self._stage = stage
        self._said_s = self._loop.time()
        self._say(f"vLLM is {stage} ({self._said_s - self._began_s:.0f} s)")

    def _say_it_goes_on(self) -> None:
        now_s = self._loop.time()
        if now_s - self._said_s >= PATIENCE_S:
            self._said_s = now_s
            progress = self._process.reader.progress
            self._say(f"vLLM is still {self._stage}{progress and f', {progress}'} ({now_s - self._began_s:.0f} s)")

    def _failure(self, what: str, cause: Cause | None = None) -> EngineUnavailable:
        """Show the end of the log, keep it, and return the error that names the cause."""
        process = self._process
        process.read_log()
        process.log.keep = True
        for line in process.reader.tail:
            self._say(f"| {line}")
        cause = process.reader.cause(process.exit_code) or cause
        if cause is None:
            return EngineUnavailable(
                f"vLLM {what} (exit code {process.exit_code}), and its log does not tell why in words we know",
                hint=f"read {process.log.path}",
            )
        self._cause_key = cause.key
        return EngineUnavailable(f"vLLM {what}: {cause.message} (log: {process.log.path})", hint=cause.cure)


def _environment(launch: VllmLaunch) -> dict[str, str]:
    # Its processes find their tools by way of PATH; a key on the command line could be read by anybody.
    environment = dict(os.environ)
    environment["PATH"] = f"{launch.executable.parent}{os.pathsep}{environment.get('PATH', os.defpath)}"
    environment["PYTHONUNBUFFERED"] = "1"
    environment.pop("VLLM_API_KEY", None)
    if launch.api_key:
        environment["VLLM_API_KEY"] = launch.api_key
    return environment
