"""What keeps a connection to SageMaker's runtime from being made, as Python's TLS sees it. The SDK stays out."""

from __future__ import annotations

import asyncio
from typing import Any

from voxctl.transport import sagemaker_unanswered as unanswered
from voxctl.transport.sagemaker_target import SageMakerTarget
from voxctl.transport.tls import HTTP2, Secured, probe

#: A server that answers nothing at all to a handshake for so long, in seconds, will not any more.
_SILENCE_S = 2.0
#: The reason of a connection that has failed is not waited for longer, in seconds.
_REASON_S = 2.0


async def look_into(target: SageMakerTarget, opened: asyncio.Future[Any], ends_s: float) -> None:
    """Wait for a connection until ``ends_s`` of the loop's clock, and ask Python's TLS meanwhile what keeps it.

    The SDK's library sits on a failed handshake for up to 30 s. Raises ``ConnectFailed`` as soon as the reason is
    known.
    """
    left_s = ends_s - asyncio.get_running_loop().time()
    if target.proxy:
        await asyncio.wait({opened}, timeout=left_s)
        return
    looking = _probed(target, min(_SILENCE_S, 0.9 * left_s))
    await asyncio.wait({opened, looking}, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
    if not opened.done() and looking.done():
        if looking.result().protocol != HTTP2:
            raise unanswered.not_http2(target)
        await asyncio.wait({opened}, timeout=ends_s - asyncio.get_running_loop().time())


async def give_reason(target: SageMakerTarget) -> None:
    """Raise the ``ConnectFailed`` that says why a handshake has failed, if that can be found out soon."""
    if target.proxy:
        return
    looking = _probed(target, _REASON_S)
    await asyncio.wait({looking}, timeout=_REASON_S)
    if looking.done():
        looking.result()


def _probed(target: SageMakerTarget, limit_s: float) -> asyncio.Future[Secured]:
    looking = asyncio.ensure_future(
        asyncio.to_thread(probe, target.host, target.port, target.ca_bundle, limit_s=limit_s)
    )
    looking.add_done_callback(lambda looked: looked.cancelled() or looked.exception())  # it may come too late
    return looking
