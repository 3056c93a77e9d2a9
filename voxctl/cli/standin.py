"""``voxctl serve --sagemaker``: the stand-in for the SageMaker runtime in front of a server."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from voxctl.cli.interrupt import Interrupts
from voxctl.errors import UsageError
from voxctl.realtime.models import DEFAULT_MODEL, facts_for
from voxctl.ui.plain import PlainView
from voxctl.ui.text import counted

if TYPE_CHECKING:
    from voxctl.serving.standin.server import RunningStandIn

#: The service's own port for these streams.
SAGEMAKER_PORT = 8443
SERVER_PORT = 8000
#: Where the SDK of these streams looks for their address, and so does voxctl.
_URL_VARIABLE = "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME_HTTP2"
#: Any name is served; this one is printed.
ENDPOINT_NAME = "local"

SageMakerOpt = Annotated[
    bool,
    typer.Option(
        "--sagemaker",
        help="Stand in for the SageMaker runtime, in front of the recogniser: the AWS SDK, or voxctl with --endpoint, "
        "connects as to the service.",
    ),
]
UpstreamOpt = Annotated[
    str | None,
    typer.Option(
        "--upstream",
        metavar="URL",
        help="With --sagemaker: in front of the server at ws://host:port instead. Used as it is when it has a path, "
        "else /v1/realtime is appended.",
    ),
]
CutOpt = Annotated[
    float | None,
    typer.Option(
        "--cut-after",
        min=1,
        metavar="SECONDS",
        show_default="1800, the service's own",
        help="With --sagemaker: end every stream after so long.",
    ),
]
ServedPortOpt = Annotated[
    int | None,
    typer.Option(
        "--port",
        min=0,
        max=65535,
        envvar="VOXCTL_PORT",
        show_envvar=False,
        show_default=f"{SERVER_PORT}; --sagemaker: {SAGEMAKER_PORT}",
        help="Port to listen on; 0 takes a free one.",
    ),
]


@dataclass(frozen=True, slots=True)
class StandIn:
    """A stand-in that is to be opened, as the command line has it."""

    host: str
    port: int
    upstream: str | None
    cut_after_s: float | None
    api_key: str | None

    @classmethod
    def asked_for(
        cls,
        sagemaker: bool,
        host: str,
        port: int | None,
        upstream: str | None,
        cut_after_s: float | None,
        api_key: str | None,
    ) -> StandIn | None:
        """Return it, ``None`` without ``--sagemaker``. Raises ``UsageError`` for options that need it."""
        if sagemaker:
            return cls(host, SAGEMAKER_PORT if port is None else port, upstream, cut_after_s, api_key)
        for option, value in (("--upstream", upstream), ("--cut-after", cut_after_s)):
            if value is not None:
                raise UsageError(f"{option} is for the stand-in for SageMaker", hint="add --sagemaker.")
        return None

    @asynccontextmanager
    async def offering(self, url: str, view: PlainView, as_json: bool) -> AsyncIterator[RunningStandIn]:
        """Stand in front of the server at ``url`` while open, and say how to use it."""
        from voxctl.serving.standin.limits import Limits
        from voxctl.serving.standin.server import open_stand_in
        from voxctl.transport.websocket import realtime_url

        limits = Limits() if self.cut_after_s is None else replace(Limits(), cut_s=self.cut_after_s)
        async with open_stand_in(
            realtime_url(url), host=self.host, port=self.port, limits=limits, api_key=self.api_key, say=view.say
        ) as running:
            _announce(running, url, view, as_json)
            yield running

    async def served_alone(self, view: PlainView, as_json: bool, interrupts: Interrupts) -> bool:
        """Serve until it is enough, if the server behind was named; otherwise see at least that it can be done.

        It would be a pity to learn that the port is taken once a model is loaded.
        """
        from voxctl.serving.standin.server import check_address

        await check_address(self.host, self.port)
        if self.upstream is None:
            return False
        enough = asyncio.Event()

        def end() -> bool:
            enough.set()
            return True

        async with self.offering(self.upstream, view, as_json):
            with interrupts.ending(end, "closing"):
                await enough.wait()
        return True


class Desk:
    """Where it is announced that a server can be used, or the stand-in before it."""

    def __init__(self, view: PlainView, as_json: bool, stand_in: StandIn | None) -> None:
        self.say = view.say
        self.view = view
        self._as_json = as_json
        self._stand_in = stand_in

    async def stood_alone(self, interrupts: Interrupts) -> bool:
        """Whether there is nothing to start: then the stand-in has served what was named, until it was enough."""
        return self._stand_in is not None and await self._stand_in.served_alone(self.view, self._as_json, interrupts)

    @asynccontextmanager
    async def offering(self, url: str, model: str, max_streams: int) -> AsyncIterator[None]:
        """Say how to use the server at ``url``; a stand-in is before it while open."""
        if self._stand_in:
            async with self._stand_in.offering(url, self.view, self._as_json):
                yield
            return
        if self._as_json:
            self.view.document(json.dumps({"url": url, "model": model, "max_streams": max_streams}))
        self.say(f"serving {model} to {counted(max_streams, 'stream')} at {url}; Ctrl-C ends it")
        named = "" if facts_for(model).low_accuracy or model == DEFAULT_MODEL else f" --model {shlex.quote(model)}"
        self.say(f"  try: voxctl transcribe FILE --url {url}{named}")
        yield


def _announce(running: RunningStandIn, url: str, view: PlainView, as_json: bool) -> None:
    if as_json:
        view.document(
            json.dumps(
                {
                    "endpoint_url": running.endpoint_url,
                    "ca_bundle": str(running.ca_bundle),
                    "region": running.region,
                    "endpoint_name": ENDPOINT_NAME,
                    "access_key_id": running.access_key_id,
                    "secret_access_key": running.secret_access_key,
                }
            )
        )
    view.say(f"standing in for the SageMaker runtime at {running.endpoint_url}, in front of {url}; Ctrl-C ends it")
    view.say("any endpoint name is served. Point an SDK at it:")
    for name, value in (
        ("AWS_ACCESS_KEY_ID", running.access_key_id),
        ("AWS_SECRET_ACCESS_KEY", running.secret_access_key),
        ("AWS_REGION", running.region),
        ("AWS_CA_BUNDLE", str(running.ca_bundle)),
        (_URL_VARIABLE, running.endpoint_url),
    ):
        view.say(f"export {name}={shlex.quote(value)}")
    view.say(f"then: voxctl transcribe FILE --endpoint {ENDPOINT_NAME} --region {running.region}")
