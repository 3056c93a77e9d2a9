"""Opens streams of the real transport to a stand-in for SageMaker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from tests.fakes.sagemaker import FakeSageMaker
from voxctl.transport.sagemaker import open_sagemaker
from voxctl.transport.sagemaker_stream import SageMakerTransport
from voxctl.transport.sagemaker_target import Credentials, SageMakerTarget

ENDPOINT = "an-endpoint"


def target_of(service: FakeSageMaker, **settings: Any) -> SageMakerTarget:
    """Return how a stream to the stand-in is opened, with its own keys; ``settings`` are the target's."""
    stand_in = service.stand_in

    async def keys() -> Credentials:
        return Credentials(stand_in.access_key_id, stand_in.secret_access_key)

    target = SageMakerTarget(ENDPOINT, stand_in.region, stand_in.endpoint_url, keys, stand_in.ca_bundle)
    return replace(target, **settings)


async def open_stream(service: FakeSageMaker, **settings: Any) -> SageMakerTransport:
    """Open one."""
    return await open_sagemaker(target_of(service, **settings))


@asynccontextmanager
async def streaming(service: FakeSageMaker, **settings: Any) -> AsyncIterator[SageMakerTransport]:
    """Open one for as long as the context is."""
    transport = await open_stream(service, **settings)
    try:
        yield transport
    finally:
        await transport.aclose()
