"""``voxctl serve``: a Realtime server on this machine, of our own or vLLM's."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voxctl.cli.engines import (
    EngineName,
    EngineOpt,
    ExtraArg,
    MaxModelLenOpt,
    MaxStreamsOpt,
    ServedModelOpt,
    StartTimeoutOpt,
    UtilizationOpt,
    VllmOpt,
    check_for_vllm,
)
from voxctl.cli.interrupt import Interrupts, run_interruptible
from voxctl.cli.options import HostOpt, JsonOpt, ServerKeyOpt
from voxctl.cli.settings import UseOpt
from voxctl.cli.standin import SERVER_PORT, CutOpt, Desk, SageMakerOpt, ServedPortOpt, StandIn, UpstreamOpt
from voxctl.errors import UsageError
from voxctl.realtime.models import DEFAULT_MODEL
from voxctl.serving.standin.loopback import is_loopback
from voxctl.serving.vllm_command import START_TIMEOUT_S, VllmSettings
from voxctl.ui.plain import PlainView
from voxctl.ui.streams import product, weather

if TYPE_CHECKING:
    from voxctl.serving.server import RunningServer
    from voxctl.serving.vllm import VllmLaunch


def serve(
    ctx: typer.Context,
    arguments: ExtraArg = None,
    use: UseOpt = None,
    engine: EngineOpt = EngineName.POCKETSPHINX,
    host: HostOpt = "127.0.0.1",
    port: ServedPortOpt = None,
    max_streams: MaxStreamsOpt = None,
    model: ServedModelOpt = DEFAULT_MODEL,
    vllm: VllmOpt = None,
    max_model_len: MaxModelLenOpt = None,
    gpu_memory_utilization: UtilizationOpt = None,
    start_timeout: StartTimeoutOpt = START_TIMEOUT_S,
    api_key: ServerKeyOpt = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Listen beyond this machine without a key: anybody may use it.")
    ] = False,
    sagemaker: SageMakerOpt = False,
    upstream: UpstreamOpt = None,
    cut_after: CutOpt = None,
    json_: JsonOpt = False,
) -> None:
    """Serve the vLLM Realtime protocol on this machine until Ctrl-C."""
    key = _checked_key(api_key, engine, host, insecure)
    stand_in = StandIn.asked_for(sagemaker, host, port, upstream, cut_after, key)
    # Behind a stand-in the recogniser has an address of its own.
    host, port = ("127.0.0.1", 0) if stand_in else (host, SERVER_PORT if port is None else port)
    extra = tuple(arguments or ())
    if engine is EngineName.POCKETSPHINX:
        check_for_vllm(ctx, extra)
    desk = Desk(PlainView(product(sys.stdout), weather(sys.stderr), live=False), json_, stand_in)

    settings = VllmSettings(model, max_streams, max_model_len, gpu_memory_utilization, extra)
    serving = _Serving(engine, host, port, key, settings, vllm, start_timeout)
    run_interruptible(lambda interrupts: serving.run(desk, interrupts), desk.say)


@dataclass(frozen=True, slots=True)
class _Serving:
    """What is to be served and where, as the command line has it."""

    engine: EngineName
    host: str
    port: int
    key: str | None = field(repr=False)
    settings: VllmSettings
    vllm: Path | None
    start_timeout_s: float

    async def run(self, desk: Desk, interrupts: Interrupts) -> None:
        """Serve until it is enough."""
        if await desk.stood_alone(interrupts):
            return
        chosen = await _chosen(self.vllm, desk.say) if self.engine is EngineName.AUTO else self.engine
        if chosen is EngineName.POCKETSPHINX:
            await _serve_pocketsphinx(desk, interrupts, self.host, self.port, self.settings.max_streams, self.key)
            return
        from voxctl.serving.vllm import prepared

        found = await prepared(self.settings, self.vllm, desk.say)
        launch = replace(found, host=self.host, port=self.port, api_key=self.key, start_timeout_s=self.start_timeout_s)
        await _serve_vllm(desk, interrupts, launch)


async def _serve_pocketsphinx(
    desk: Desk, interrupts: Interrupts, host: str, port: int, max_streams: int | None, key: str | None
) -> None:
    from voxctl.serving.pocketsphinx import PocketSphinxEngine
    from voxctl.serving.server import DEFAULT_MAX_STREAMS, open_server

    recogniser = PocketSphinxEngine()
    streams = max_streams or DEFAULT_MAX_STREAMS
    async with (
        open_server(recogniser, host=host, port=port, max_streams=streams, api_key=key) as server,
        desk.offering(server.url, recogniser.model, streams),
    ):
        await _until_closed(server, interrupts)
        # While the way to its streams is still open.
        await server.stop()


async def _serve_vllm(desk: Desk, interrupts: Interrupts, launch: VllmLaunch) -> None:
    from voxctl.serving.vllm import open_vllm

    answered = False

    async def work() -> None:
        nonlocal answered
        async with open_vllm(launch, desk.say) as server:
            answered = True
            async with desk.offering(server.url, server.model, launch.plan.max_streams):
                await server.wait_closed()

    working = asyncio.ensure_future(work())
    with interrupts.ending(working.cancel, "ending vLLM"):
        try:
            await working
        except asyncio.CancelledError:
            # Being told to end is how a server ends well; but one that never answered, or was told twice, was cut off.
            task = asyncio.current_task()
            if not answered or (task and task.cancelling()):
                raise


async def _chosen(vllm: Path | None, say: Callable[[str], None]) -> EngineName:
    from voxctl.serving.vllm_found import vllm_or_reason

    reason, cure = await vllm_or_reason(vllm)
    engine = EngineName.POCKETSPHINX if cure else EngineName.VLLM
    say(f"--engine auto takes {engine}: {reason}")
    if cure:
        say(f"  try: {cure}")
    return engine


async def _until_closed(server: RunningServer, interrupts: Interrupts) -> None:
    closed = asyncio.ensure_future(server.wait_closed())
    with (
        interrupts.ending(closed.cancel, "closing; streams in progress have a moment to end"),
        contextlib.suppress(asyncio.CancelledError),
    ):
        await closed


def _checked_key(api_key: str | None, engine: EngineName, host: str, insecure: bool) -> str | None:
    from voxctl.transport.websocket import checked_key

    # A key that vLLM would take from its own variable is as good as one of ours.
    key = checked_key(api_key or (None if engine is EngineName.POCKETSPHINX else os.environ.get("VLLM_API_KEY")))
    if not key and not insecure and not is_loopback(host):
        raise UsageError(
            f"listening on {host or 'every address'} without a key lets anybody transcribe on this machine",
            hint="set VOXCTL_API_KEY or --api-key, or say --insecure if that is what you want.",
        )
    return key
