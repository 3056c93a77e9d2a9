"""``voxctl serve``: a Realtime server of our own on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from voxctl.cli.interrupt import Interrupts, run_interruptible
from voxctl.cli.options import JsonOpt, ServerKeyOpt
from voxctl.errors import UsageError
from voxctl.ui.plain import PlainView
from voxctl.ui.streams import product, weather

if TYPE_CHECKING:
    from voxctl.serving.server import RunningServer


class EngineName(StrEnum):
    """The recogniser behind the server."""

    POCKETSPHINX = "pocketsphinx"


def serve(
    engine: Annotated[
        EngineName, typer.Option(help="pocketsphinx: bundled, offline, low accuracy; for trying things out.")
    ] = EngineName.POCKETSPHINX,
    host: Annotated[str, typer.Option(help="Address to listen on; a public one needs --api-key.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8000,
    max_streams: Annotated[
        int | None, typer.Option(min=1, show_default="4 per CPU core", help="Streams at a time; more are refused.")
    ] = None,
    api_key: ServerKeyOpt = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Listen beyond this machine without a key: anybody may use it.")
    ] = False,
    json_: JsonOpt = False,
) -> None:
    """Serve the vLLM Realtime protocol on this machine until Ctrl-C."""
    from voxctl.transport.websocket import checked_key

    key = checked_key(api_key)
    if not key and not insecure and not _loopback(host):
        raise UsageError(
            f"listening on {host or 'every address'} without a key lets anybody transcribe on this machine",
            hint="set VOXCTL_API_KEY or --api-key, or say --insecure if that is what you want.",
        )
    view = PlainView(product(sys.stdout), weather(sys.stderr), live=False)

    async def run(interrupts: Interrupts) -> None:
        from voxctl.serving.pocketsphinx import PocketSphinxEngine
        from voxctl.serving.server import DEFAULT_MAX_STREAMS, open_server

        recogniser = PocketSphinxEngine()
        streams = max_streams or DEFAULT_MAX_STREAMS
        async with open_server(recogniser, host=host, port=port, max_streams=streams, api_key=key) as server:
            if json_:
                view.document(json.dumps({"url": server.url, "model": recogniser.model, "max_streams": streams}))
            view.say(f"serving {recogniser.model} to {streams} streams at {server.url}; Ctrl-C ends it")
            view.say(f"  try: voxctl transcribe FILE --url {server.url}")
            await _until_closed(server, interrupts)

    run_interruptible(run, view.say)


async def _until_closed(server: RunningServer, interrupts: Interrupts) -> None:
    closed = asyncio.ensure_future(server.wait_closed())
    with (
        interrupts.ending(closed.cancel, "closing; streams in progress have a moment to end"),
        contextlib.suppress(asyncio.CancelledError),
    ):
        await closed


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
