"""``voxctl demo``: a page in the browser that shows the words of whoever talks to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voxctl.cli import aws_options as aws
from voxctl.cli import options as o
from voxctl.cli.interrupt import Interrupts, run_interruptible
from voxctl.cli.parsing import parse_policy
from voxctl.cli.settings import UseOpt
from voxctl.cli.targets import Choice, open_target
from voxctl.connect import REALTIME_INVOCATION
from voxctl.errors import UsageError
from voxctl.serving.standin.loopback import is_loopback
from voxctl.ui.plain import PlainView
from voxctl.ui.streams import product, weather

if TYPE_CHECKING:
    from voxctl.demo.certificate import Certificate
    from voxctl.demo.server import RunningDemo
    from voxctl.session.policy import Policy

DEFAULT_PORT = 8765

PagePortOpt = Annotated[
    int,
    typer.Option(
        "--port",
        min=0,
        max=65535,
        help="Port of the page; 0 takes a free one.",
    ),
]
# No variable and no file: whether others reach the page is to be typed, and the port of a server is another matter.
PageHostOpt = Annotated[
    str,
    typer.Option(
        "--host",
        help="Address to serve the page on. Beyond this machine it needs --tls. Better, from the machine with the "
        "microphone: ssh -L 8765:127.0.0.1:8765 HOST",
    ),
]
TlsOpt = Annotated[
    bool,
    typer.Option("--tls", help="Serve over TLS, with a certificate made for this run unless --cert names another."),
]
CertOpt = Annotated[
    Path | None,
    typer.Option(
        "--cert",
        metavar="PEM",
        envvar="VOXCTL_DEMO_CERT",
        show_envvar=False,
        help="The certificate for --tls, with its chain.",
    ),
]
KeyOpt = Annotated[
    Path | None,
    typer.Option(
        "--key",
        metavar="PEM",
        envvar="VOXCTL_DEMO_KEY",
        show_envvar=False,
        help="Its private key.",
        show_default="in the same file",
    ),
]
InsecureOpt = Annotated[
    bool,
    typer.Option("--insecure", help="Beyond this machine without TLS: others can read along, browsers give no sound."),
]
NoOpenOpt = Annotated[
    bool,
    typer.Option("--no-open/--open", envvar="VOXCTL_NO_OPEN", show_envvar=False, help="Do not open a browser."),
]
MaxSessionsOpt = Annotated[
    int,
    typer.Option(
        "--max-sessions",
        min=1,
        envvar="VOXCTL_MAX_SESSIONS",
        show_envvar=False,
        metavar="N",
        help="Recordings at a time; each is a stream of the server.",
    ),
]


def demo(
    use: UseOpt = None,
    url: o.UrlOpt = None,
    endpoint: aws.EndpointOpt = None,
    region: aws.RegionOpt = None,
    profile: aws.AwsProfileOpt = None,
    model: o.ModelOpt = None,
    port: PagePortOpt = DEFAULT_PORT,
    no_open: NoOpenOpt = False,
    host: PageHostOpt = "127.0.0.1",
    tls: TlsOpt = False,
    cert: CertOpt = None,
    key: KeyOpt = None,
    insecure: InsecureOpt = False,
    max_sessions: MaxSessionsOpt = 8,
    no_resume: o.NoResumeOpt = False,
    rotate_every: o.RotateOpt = None,
    api_key: o.ApiKeyOpt = None,
    ca_bundle: o.CaBundleOpt = None,
    endpoint_url: aws.EndpointUrlOpt = None,
    variant: aws.VariantOpt = None,
    invocation_path: aws.InvocationPathOpt = REALTIME_INVOCATION,
    json_: o.JsonOpt = False,
) -> None:
    """Serve a page on this machine that shows the words of whoever talks to it, until Ctrl-C."""
    from voxctl.demo.server import check_reach

    if key and not cert:
        raise UsageError("--key is the key of a certificate", hint="add --cert PEM.")
    check_reach(host, tls or cert is not None, insecure)
    server = Choice(url, api_key, ca_bundle, endpoint, region, profile, endpoint_url, variant, invocation_path)
    policy = parse_policy(no_resume, rotate_every)
    page = _Page(host, port, tls or cert is not None, cert, key, insecure, max_sessions, model or None, policy)
    view = PlainView(product(sys.stdout), weather(sys.stderr), live=False)
    run_interruptible(
        lambda interrupts: page.serve(server, view, interrupts, as_json=json_, browse=not no_open), view.say
    )


@dataclass(frozen=True, slots=True)
class _Page:
    """What is to be served and where, as the command line has it."""

    host: str
    port: int
    tls: bool
    cert: Path | None
    key: Path | None
    insecure: bool
    max_sessions: int
    model: str | None
    policy: Policy

    async def serve(
        self, server: Choice, view: PlainView, interrupts: Interrupts, *, as_json: bool, browse: bool
    ) -> None:
        """Serve until it is enough."""
        from voxctl.demo.recordings import Bounds
        from voxctl.demo.server import open_demo

        async with AsyncExitStack() as stack:
            certificate = stack.enter_context(self._certificate()) if self.tls else None
            target = await stack.enter_async_context(open_target(server))
            running = await stack.enter_async_context(
                open_demo(
                    target.connect,
                    target=target.label,
                    host=self.host,
                    port=self.port,
                    tls=(certificate.cert, certificate.key) if certificate else None,
                    insecure=self.insecure,
                    model=self.model,
                    policy=self.policy,
                    bounds=Bounds(most=self.max_sessions),
                )
            )
            self._announce(running, target.label, certificate, view, as_json)
            if browse and _has_desktop():
                _open_browser(running.url)
            await _until_closed(running, interrupts)

    def _certificate(self) -> contextlib.AbstractContextManager[Certificate]:
        from voxctl.demo.certificate import certificate_for

        return certificate_for(_names(self.host), self.cert, self.key)

    def _announce(
        self, running: RunningDemo, target: str, certificate: Certificate | None, view: PlainView, as_json: bool
    ) -> None:
        if as_json:
            view.document(json.dumps({"url": running.url, "target": target}))
        view.say(f"talk to {target} at {running.url}")
        if not is_loopback(self.host):
            view.say(
                "from another machine, with its name or address in place of this one; whoever has the token may talk"
            )
        if certificate and certificate.self_made:
            view.say("browsers warn of the certificate that was made for this run; its SHA-256 fingerprint is")
            view.say(f"  {certificate.fingerprint}")
        if "SSH_CONNECTION" in os.environ and is_loopback(self.host):
            port = running.port
            view.say(f"from your own machine: ssh -L {port}:127.0.0.1:{port} HOST, then open the address there")
        view.say("Ctrl-C ends it")


def _names(host: str) -> list[str]:
    from voxctl.demo.server import addresses_of, names_of

    return sorted({*names_of(host), *addresses_of(host)})


async def _until_closed(running: RunningDemo, interrupts: Interrupts) -> None:
    closed = asyncio.ensure_future(running.wait_closed())
    with (
        interrupts.ending(closed.cancel, "closing; recordings in progress have a moment to end"),
        contextlib.suppress(asyncio.CancelledError),
    ):
        await closed
    await running.stop()


def _has_desktop() -> bool:
    """Whether a browser can show itself: without a desktop Python would start one in this terminal."""
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _open_browser(url: str) -> None:
    import threading
    import webbrowser

    # It may wait for the browser to end, and nobody waits for that.
    threading.Thread(target=webbrowser.open, args=[url], daemon=True).start()
