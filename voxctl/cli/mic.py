"""``voxctl mic``: what somebody says to text, while they say it."""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from voxctl.cli import aws_options as aws
from voxctl.cli import options as o
from voxctl.cli.interrupt import Interrupts, run_interruptible
from voxctl.cli.listening import Listening, Wish
from voxctl.cli.parsing import checked_format, parse_policy
from voxctl.cli.settings import UseOpt
from voxctl.cli.targets import Choice, open_target
from voxctl.connect import REALTIME_INVOCATION
from voxctl.errors import UsageError
from voxctl.transcript.export import Format
from voxctl.ui.streams import product, weather
from voxctl.ui.table import table
from voxctl.ui.view import open_view

DeviceOpt = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="NAME|N",
        envvar="VOXCTL_DEVICE",
        show_envvar=False,
        show_default="the system's",
        help="The microphone: its number, or a part of its name.",
    ),
]
ListOpt = Annotated[bool, typer.Option("--list-devices", help="Show the microphones and end; --json for programs.")]
RecordOpt = Annotated[
    Path | None,
    typer.Option(
        "--record",
        metavar="WAV",
        help="Write what is heard to a new WAV file, which only you can read. Its clock is the transcript's.",
    ),
]
OutputOpt = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="PATH",
        help="Write the transcript to this new file, or into this folder, while you speak, whole cue by whole cue; "
        "json at the end.",
    ),
]
FormatOpt = Annotated[
    Format | None,
    typer.Option(
        "--format",
        envvar="VOXCTL_FORMAT",
        show_envvar=False,
        show_default="by the suffix of --output, else txt",
        help="txt: words as they are committed. The others: cues as they are settled; json at the end.",
    ),
]


def mic(
    use: UseOpt = None,
    device: DeviceOpt = None,
    list_devices: ListOpt = False,
    url: o.UrlOpt = None,
    endpoint: aws.EndpointOpt = None,
    region: aws.RegionOpt = None,
    profile: aws.AwsProfileOpt = None,
    model: o.ModelOpt = None,
    chunk_ms: o.ChunkOpt = 80,
    format_: FormatOpt = None,
    timestamps: o.TimestampsOpt = False,
    output: OutputOpt = None,
    record: RecordOpt = None,
    events: o.EventsOpt = None,
    no_resume: o.NoResumeOpt = False,
    rotate_every: o.RotateOpt = None,
    api_key: o.ApiKeyOpt = None,
    ca_bundle: o.CaBundleOpt = None,
    endpoint_url: aws.EndpointUrlOpt = None,
    variant: aws.VariantOpt = None,
    invocation_path: aws.InvocationPathOpt = REALTIME_INVOCATION,
    json_: o.JsonOpt = False,
) -> None:
    """Transcribe what you say until Ctrl-C: words appear as they are committed; space pauses."""
    if list_devices:
        _list_devices(json_)
        return
    if json_:
        raise UsageError("--json is for --list-devices", hint="for a transcript in JSON: --format json")
    server = Choice(url, api_key, ca_bundle, endpoint, region, profile, endpoint_url, variant, invocation_path)
    policy = parse_policy(no_resume, rotate_every)
    form = checked_format(format_, timestamps)
    wish = Wish(model or None, policy, form, timestamps, output, events)
    _carry_out(wish, server, device or None, chunk_ms, record)


def _carry_out(wish: Wish, server: Choice, device: str | None, chunk_ms: int, record: Path | None) -> None:
    from voxctl.audio.mic import microphone

    out = product(sys.stdout)
    # Beside a file, words are for a person who looks on.
    live = wish.is_plain or (wish.output is not None and out.isatty())
    view = open_view(out, weather(sys.stderr), os.environ, live=live)
    work = Listening(wish, microphone(device, chunk_ms=chunk_ms, record=record, tell=view.say), view)
    with ExitStack() as kept:
        # Before any server is started or asked: what is said while it starts is kept.
        work.prepare(kept)

        async def run(interrupts: Interrupts) -> None:
            async with open_target(server) as target:
                await work.run(target, interrupts)

        run_interruptible(run, view.say)
    work.finish()


def _list_devices(as_json: bool) -> None:
    from voxctl.audio.portaudio import microphones, none_found

    found = microphones()
    out = product(sys.stdout)
    if as_json:
        names = ("number", "name", "host", "n_channels", "rate_hz", "is_default")
        out.write(json.dumps([{name: getattr(device, name) for name in names} for device in found]) + "\n")
    elif not found:
        raise none_found()
    else:
        rows = [(str(d.number), d.name, f"{d.rate_hz} Hz", d.host, "default" if d.is_default else "") for d in found]
        out.write("\n".join(table(rows, os.get_terminal_size().columns if out.isatty() else None)) + "\n")
    out.flush()
