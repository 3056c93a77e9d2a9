"""Flags to a description that another process can connect by: plain values, unlike a connector."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from voxctl.cli.targets import EMBEDDED, Choice, sagemaker_arguments


@asynccontextmanager
async def described(choice: Choice) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """Yield what was chosen as a label and as what another process can connect by."""
    if choice.is_sagemaker:
        import asyncio

        from voxctl.transport.sagemaker_target import label_of

        arguments = await asyncio.to_thread(sagemaker_arguments, choice)
        bundle = str(choice.ca_bundle) if choice.ca_bundle else None
        yield label_of(arguments["endpoint"], arguments["region"]), {"sagemaker": arguments | {"ca_bundle": bundle}}
    elif choice.url is not None:
        from voxctl.transport.websocket import public_url, realtime_url

        bundle = str(choice.ca_bundle) if choice.ca_bundle else None
        target = {"url": choice.url, "api_key": choice.api_key, "ca_bundle": bundle}
        yield public_url(realtime_url(choice.url)), {"websocket": target}
    else:
        from voxctl.serving.pocketsphinx import PocketSphinxEngine
        from voxctl.serving.server import open_server

        async with open_server(PocketSphinxEngine()) as server:
            yield EMBEDDED, {"websocket": {"url": server.url}}
