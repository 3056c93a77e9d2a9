"""The AWS SDK against a stand-in, with nothing of ours in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aws_sdk_sagemaker_runtime_http2.client import AsyncSageMakerRuntimeHTTP2Client
from aws_sdk_sagemaker_runtime_http2.config import AsyncSageMakerRuntimeHTTP2Config
from aws_sdk_sagemaker_runtime_http2.models import (
    InvokeEndpointWithBidirectionalStreamInput,
    RequestPayloadPart,
    RequestStreamEventPayloadPart,
    ResponseStreamEventPayloadPart,
)
from awscrt.io import ClientTlsContext, TlsContextOptions
from smithy_aws_core.identity import AWSCredentialsIdentity, StaticCredentialsResolver
from smithy_http.aio.crt import AWSCRTHTTPClient, AWSCRTHTTPClientConfig

from voxctl.serving.standin.server import RunningStandIn
from voxctl.serving.standin.signature import Key

LIMIT_S = 20.0


@dataclass(frozen=True)
class Address:
    """Where a client is to go and as whom: what ``voxctl serve --sagemaker --json`` prints."""

    endpoint_url: str
    ca_bundle: Path
    region: str
    key: Key

    @classmethod
    def of(cls, stand_in: RunningStandIn, key: Key | None = None, region: str | None = None) -> Address:
        own = Key(stand_in.access_key_id, stand_in.secret_access_key, stand_in.session_token)
        return cls(stand_in.endpoint_url, stand_in.ca_bundle, region or stand_in.region, key or own)


class SdkStream:
    """One stream of the SDK; every wait of it has a limit, because the SDK's have none."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.output: Any = None
        self._events: Any = None

    async def opened(self) -> SdkStream:
        """Wait for the answer's headers; raises what the SDK raises."""
        self.output, self._events = await asyncio.wait_for(self._stream.await_output(), LIMIT_S)
        return self

    async def send(self, data: str | bytes, *, kind: str | None = "UTF8", partial: bool = False) -> None:
        part = RequestPayloadPart(
            bytes_=data.encode() if isinstance(data, str) else data,
            data_type=kind,
            completion_state="PARTIAL" if partial else None,
        )
        event = RequestStreamEventPayloadPart(part)
        await asyncio.wait_for(self._stream.input_stream.send(event), LIMIT_S)

    async def send_raw(self, data: bytes) -> None:
        """Write bytes into the request's body, past the SDK's own events."""
        await self._stream.input_stream._writer.write(data)

    async def part(self) -> Any:
        """Return the next part: ``bytes_``, ``data_type``, ``completion_state``; ``None`` at the end.

        The SDK has ``None`` for no bytes.
        """
        event = await asyncio.wait_for(self._events.receive(), LIMIT_S)
        assert event is None or isinstance(event, ResponseStreamEventPayloadPart), event
        return event and event.value

    async def receive(self) -> str | bytes | None:
        """Return the next part's text or bytes."""
        part = await self.part()
        if part is None:
            return None
        data = part.bytes_ or b""
        return data.decode() if part.data_type == "UTF8" else data

    async def close_input(self) -> None:
        """End the request."""
        await asyncio.wait_for(self._stream.input_stream.close(), LIMIT_S)


class Sdk:
    """A client, which is one connection and as many streams as it likes."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def stream(self, endpoint: str = "my-endpoint", **settings: str) -> SdkStream:
        """Begin a stream; the answer has not come yet."""
        request = InvokeEndpointWithBidirectionalStreamInput(endpoint_name=endpoint, **settings)
        return SdkStream(
            await asyncio.wait_for(self._client.invoke_endpoint_with_bidirectional_stream(request), LIMIT_S)
        )


@asynccontextmanager
async def open_sdk(address: Address) -> AsyncIterator[Sdk]:
    """Make a client of the SDK. Its tasks, which it leaves behind when a stream breaks, are ended with it."""
    before = asyncio.all_tasks()
    transport = AWSCRTHTTPClient(client_config=AWSCRTHTTPClientConfig(force_http_2=True))
    options = TlsContextOptions()
    options.override_default_trust_store_from_path(None, str(address.ca_bundle))
    transport._tls_ctx = ClientTlsContext(options)
    key = address.key
    identity = AWSCredentialsIdentity(
        access_key_id=key.access_key_id, secret_access_key=key.secret_access_key, session_token=key.session_token
    )
    config = await AsyncSageMakerRuntimeHTTP2Config.resolve(
        region=address.region,
        endpoint_uri=address.endpoint_url,
        transport=transport,
        aws_credentials_identity_resolver=StaticCredentialsResolver(identity),
    )
    client = AsyncSageMakerRuntimeHTTP2Client(config=config)
    try:
        yield Sdk(client)
    finally:
        with suppress(TimeoutError):
            await asyncio.wait_for(client.close(), 2)
        left = [task for task in asyncio.all_tasks() - before if _is_the_sdk_s(task)]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


def _is_the_sdk_s(task: asyncio.Task[Any]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and "/awscrt/" in code.co_filename
