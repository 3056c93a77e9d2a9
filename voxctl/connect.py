"""What a session gets its connections from: a server by its address, an endpoint of SageMaker, or the recogniser that
comes with voxctl.

A connector is a function without arguments that makes one connection; a session calls it as often as it needs one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from voxctl.transport.base import Connector, Transport

if TYPE_CHECKING:
    from voxctl.aws.client import Account
    from voxctl.transport.sagemaker_target import SageMakerTarget

#: What the container behind an endpoint is asked for: the path at which vLLM serves its realtime protocol.
REALTIME_INVOCATION = "v1/realtime"


def websocket(url: str, *, api_key: str | None = None, ca_bundle: Path | None = None) -> Connector:
    """Return what connects to the vLLM Realtime server at ``url``: ``ws://host:port`` or ``wss://…``.

    ``ca_bundle`` is a PEM file of the certificates to trust instead of the system's. Raises ``UsageError`` for what
    is no such address; nothing is connected yet.
    """
    from voxctl.transport.websocket import WebSocketTarget, open_websocket, realtime_url

    target = WebSocketTarget(realtime_url(url), api_key, ca_bundle)

    async def connect() -> Transport:
        return await open_websocket(target)

    return connect


def sagemaker(
    endpoint: str,
    *,
    region: str | None = None,
    profile: str | None = None,
    endpoint_url: str | None = None,
    ca_bundle: Path | None = None,
    variant: str | None = None,
    invocation_path: str = REALTIME_INVOCATION,
) -> Connector:
    """Return what opens streams to a SageMaker endpoint, with the credentials that the AWS CLI would use.

    ``region`` and ``profile`` are AWS's; without them its environment and configuration decide. ``endpoint_url`` is a
    runtime elsewhere, such as a stand-in on this machine; ``ca_bundle`` is a PEM file of the certificates to trust
    instead of the system's. ``invocation_path`` is what the container is asked for, empty for its own default.
    Reads the AWS configuration; nothing is connected yet. Raises ``UsageError`` and ``AwsError``.
    """
    from voxctl.aws.advice import advised
    from voxctl.aws.client import SAGEMAKER, configured_url, open_account
    from voxctl.transport.sagemaker_faults import log_group
    from voxctl.transport.sagemaker_target import is_aws

    account = open_account(profile, region)
    target = _target(account, endpoint, endpoint_url, ca_bundle, variant, invocation_path)

    async def connect() -> Transport:
        from voxctl.transport.sagemaker import open_sagemaker

        return await open_sagemaker(target)

    # Of a runtime elsewhere AWS itself knows nothing.
    if not is_aws(target.host) and configured_url(account, SAGEMAKER) is None:
        return connect
    return advised(connect, account, endpoint, log_group(endpoint))


def _target(
    account: Account,
    endpoint: str,
    endpoint_url: str | None,
    bundle: Path | None,
    variant: str | None,
    invocation_path: str,
) -> SageMakerTarget:
    from voxctl.aws import client as aws
    from voxctl.aws.identity import credentials_of
    from voxctl.transport import sagemaker_target as target

    keys = credentials_of(account)

    async def credentials() -> target.Credentials:
        return target.Credentials(*await keys())

    url = endpoint_url or aws.configured_url(account, aws.STREAMS) or aws.runtime_url(account)
    found = target.SageMakerTarget(
        target.checked_endpoint_name(endpoint),
        account.region,
        target.checked_endpoint_url(url),
        credentials,
        ca_bundle=bundle or aws.ca_bundle(account),
        variant=variant,
        invocation_path=invocation_path.strip().lstrip("/"),  # SageMaker wants it without
    )
    return replace(found, proxy=target.proxy_for(found.host))


@asynccontextmanager
async def embedded() -> AsyncIterator[Connector]:
    """Start the bundled recogniser on a free port of this machine for as long as the context is open.

    Raises ``EngineUnavailable`` when it cannot be started.
    """
    from voxctl.serving.pocketsphinx import PocketSphinxEngine
    from voxctl.serving.server import open_server

    async with open_server(PocketSphinxEngine()) as server:
        yield websocket(server.url)
