"""Flags to a target: what transcribes, and how a connection to it is made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxctl.errors import UsageError

if TYPE_CHECKING:
    from voxctl.transport.base import Connector

EMBEDDED = "embedded"


@dataclass(frozen=True, slots=True)
class Target:
    """``label`` is its name for people and documents; ``connect`` makes one connection to it."""

    label: str
    connect: Connector


@dataclass(frozen=True, slots=True)
class Choice:
    """What was said of the server, by whatever means: nothing is the recogniser that comes with voxctl.

    Any of ``endpoint``, ``region``, ``profile`` and ``endpoint_url`` asks for SageMaker. What AWS's own environment
    says never does. Raises ``UsageError`` when two kinds of server are asked for.
    """

    url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    ca_bundle: Path | None = None
    endpoint: str | None = None
    region: str | None = None
    profile: str | None = None
    endpoint_url: str | None = None
    variant: str | None = None
    invocation_path: str = ""

    def __post_init__(self) -> None:
        asked = {
            "--endpoint": self.endpoint,
            "--region": self.region,
            "--profile": self.profile,
            "--endpoint-url": self.endpoint_url,
        }
        if self.url is not None and (also := [flag for flag, value in asked.items() if value]):
            raise UsageError(
                f"--url and {also[0]} ask for different servers",
                hint="--url is a server of your own, the others are SageMaker: leave out one or the other.",
            )

    @property
    def is_sagemaker(self) -> bool:
        """Whether it is an endpoint of SageMaker."""
        return any((self.endpoint, self.region, self.profile, self.endpoint_url))


@asynccontextmanager
async def open_target(choice: Choice) -> AsyncIterator[Target]:
    """Yield what was chosen; the embedded recogniser is started for as long as the context is open."""
    from voxctl.connect import embedded, websocket

    if choice.is_sagemaker:
        # AWS's configuration is read, and AWS may be asked: the event loop goes on meanwhile.
        yield await asyncio.to_thread(_sagemaker, choice)
    elif choice.url is not None:
        from voxctl.transport.websocket import public_url, realtime_url

        label = public_url(realtime_url(choice.url))
        yield Target(label, websocket(choice.url, api_key=choice.api_key, ca_bundle=choice.ca_bundle))
    else:
        async with embedded() as connect:
            yield Target(EMBEDDED, connect)


def _sagemaker(choice: Choice) -> Target:
    from voxctl.connect import sagemaker
    from voxctl.transport.sagemaker_target import label_of

    arguments = sagemaker_arguments(choice)
    return Target(label_of(arguments["endpoint"], arguments["region"]), sagemaker(**arguments))


def sagemaker_arguments(choice: Choice) -> dict[str, Any]:
    """Return what ``connect.sagemaker`` is to be called with; AWS is asked where the endpoint is not named."""
    from voxctl.aws.client import open_account

    region, endpoint = choice.region or None, choice.endpoint
    if not endpoint and choice.endpoint_url:
        raise UsageError("--endpoint-url needs the name of an endpoint", hint="add --endpoint NAME.")
    if not endpoint:
        from voxctl.aws.endpoints import managed_endpoint

        account = open_account(choice.profile or None, region)
        region, endpoint = account.region, managed_endpoint(account)
    elif region is None:
        region = open_account(choice.profile or None).region
    return {
        "endpoint": endpoint,
        "region": region,
        "profile": choice.profile or None,
        "endpoint_url": choice.endpoint_url or None,
        "ca_bundle": choice.ca_bundle,
        "variant": choice.variant or None,
        "invocation_path": choice.invocation_path,
    }
