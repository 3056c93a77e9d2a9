"""``voxctl serve``: a Realtime server on this machine, of our own or vLLM's."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
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
from voxctl.cli.options import HostOpt, JsonOpt, PortOpt, ServerKeyOpt
from voxctl.cli.settings import UseOpt
from voxctl.errors import UsageError
from voxctl.realtime.models import DEFAULT_MODEL, facts_for
from voxctl.serving.vllm_command import START_TIMEOUT_S, VllmSettings
from voxctl.ui.plain import PlainView
from voxctl.ui.streams import product, weather
from voxctl.ui.text import counted

if TYPE_CHECKING:
    from voxctl.serving.server import RunningServer
    from voxctl.serving.vllm import VllmLaunch


def serve(
    ctx: typer.Context,
    arguments: ExtraArg = None,
    use: UseOpt = None,
    engine: EngineOpt = EngineName.POCKETSPHINX,
    host: HostOpt = "127.0.0.1",
    port: PortOpt = 8000,
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
    json_: JsonOpt = False,
) -> None:
    """Serve the vLLM Realtime protocol on this machine until Ctrl-C."""
    key = _checked_key(api_key, engine, host, insecure)
    extra = tuple(arguments or ())
    if engine is EngineName.POCKETSPHINX:
        check_for_vllm(ctx, extra)
    desk = _Desk(PlainView(product(sys.stdout), weather(sys.stderr), live=False), json_)

    async def run(interrupts: Interrupts) -> None:
        chosen = await _chosen(vllm, desk.say) if engine is EngineName.AUTO else engine
        if chosen is EngineName.POCKETSPHINX:
            await _serve_pocketsphinx(desk, interrupts, host, port, max_streams, key)
            return
        from voxctl.serving.vllm import prepared

        settings = VllmSettings(model, max_streams, max_model_len, gpu_memory_utilization, extra)
        found = await prepared(settings, vllm, desk.say)
        launch = replace(found, host=host, port=port, api_key=key, start_timeout_s=start_timeout)
        await _serve_vllm(desk, interrupts, launch)

    run_interruptible(run, desk.say)


class _Desk:
    """Where it is announced that a server can be used."""

    def __init__(self, view: PlainView, as_json: bool) -> None:
        self.say = view.say
        self._view = view
        self._as_json = as_json

    def announce(self, url: str, model: str, max_streams: int) -> None:
        if self._as_json:
            self._view.document(json.dumps({"url": url, "model": model, "max_streams": max_streams}))
        self.say(f"serving {model} to {counted(max_streams, 'stream')} at {url}; Ctrl-C ends it")
        named = "" if facts_for(model).low_accuracy or model == DEFAULT_MODEL else f" --model {shlex.quote(model)}"
        self.say(f"  try: voxctl transcribe FILE --url {url}{named}")


async def _serve_pocketsphinx(
    desk: _Desk, interrupts: Interrupts, host: str, port: int, max_streams: int | None, key: str | None
) -> None:
    from voxctl.serving.pocketsphinx import PocketSphinxEngine
    from voxctl.serving.server import DEFAULT_MAX_STREAMS, open_server

    recogniser = PocketSphinxEngine()
    streams = max_streams or DEFAULT_MAX_STREAMS
    async with open_server(recogniser, host=host, port=port, max_streams=streams, api_key=key) as server:
        desk.announce(server.url, recogniser.model, streams)
        await _until_closed(server, interrupts)


async def _serve_vllm(desk: _Desk, interrupts: Interrupts, launch: VllmLaunch) -> None:
    from voxctl.serving.vllm import open_vllm

    answered = False

    async def work() -> None:
        nonlocal answered
        async with open_vllm(launch, desk.say) as server:
            answered = True
            desk.announce(server.url, server.model, launch.plan.max_streams)
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
    if not key and not insecure and not _loopback(host):
        raise UsageError(
            f"listening on {host or 'every address'} without a key lets anybody transcribe on this machine",
            hint="set VOXCTL_API_KEY or --api-key, or say --insecure if that is what you want.",
        )
    return key


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
