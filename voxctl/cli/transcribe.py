"""``voxctl transcribe``: files to text, while they play or as fast as the server can."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Annotated

import typer

from voxctl.cli import aws_options as aws
from voxctl.cli import options as o
from voxctl.cli.inputs import EVERY_CHANNEL, Hearing, parse_channel
from voxctl.cli.interrupt import Interrupts, run_interruptible
from voxctl.cli.job import Job, Run
from voxctl.cli.parsing import checked_format, judged_by, parse_policy, parse_raw, parse_speed
from voxctl.cli.places import STANDARD
from voxctl.cli.redacting import RedactOpt, RedactPatternOpt, RedactWordsOpt, parse_redaction
from voxctl.cli.settings import UseOpt
from voxctl.cli.targets import Choice, open_target
from voxctl.connect import REALTIME_INVOCATION
from voxctl.errors import Interrupted, UsageError
from voxctl.ui.streams import product, weather
from voxctl.ui.view import open_view

ChannelOpt = Annotated[
    str | None,
    typer.Option(
        "--channel",
        metavar="N|all",
        envvar="VOXCTL_CHANNEL",
        show_envvar=False,
        callback=judged_by(lambda channel: parse_channel(channel or None, None)),
        autocompletion=lambda incomplete: [c for c in ("1", "2", EVERY_CHANNEL) if c.startswith(incomplete)],
        help="Take this channel only, 1 being the left; all makes a transcript of each, labelled, over a stream of the "
        "server for each; without it they are mixed.",
    ),
]
SpeakersOpt = Annotated[
    str | None,
    typer.Option(
        "--speakers",
        metavar="NAMES",
        envvar="VOXCTL_SPEAKERS",
        show_envvar=False,
        help="Who is heard on the channels of a call: Agent,Customer",
    ),
]


def transcribe(
    files: o.FilesArg,
    use: UseOpt = None,
    url: o.UrlOpt = None,
    endpoint: aws.EndpointOpt = None,
    region: aws.RegionOpt = None,
    profile: aws.AwsProfileOpt = None,
    model: o.ModelOpt = None,
    speed: o.SpeedOpt = None,
    realtime: o.RealtimeOpt = False,
    chunk_ms: o.ChunkOpt = 80,
    format_: o.FormatOpt = None,
    timestamps: o.TimestampsOpt = False,
    output: o.OutputOpt = None,
    events: o.EventsOpt = None,
    redact: RedactOpt = None,
    redact_pattern: RedactPatternOpt = None,
    redact_words: RedactWordsOpt = None,
    no_resume: o.NoResumeOpt = False,
    rotate_every: o.RotateOpt = None,
    channel: ChannelOpt = None,
    speakers: SpeakersOpt = None,
    raw: o.RawOpt = False,
    encoding: o.EncodingOpt = None,
    rate: o.RateOpt = None,
    channels: o.ChannelsOpt = None,
    api_key: o.ApiKeyOpt = None,
    ca_bundle: o.CaBundleOpt = None,
    endpoint_url: aws.EndpointUrlOpt = None,
    variant: aws.VariantOpt = None,
    invocation_path: aws.InvocationPathOpt = REALTIME_INVOCATION,
) -> None:
    """Transcribe audio files: words appear on stdout as they are committed, everything else on stderr."""
    _check_once(files)
    form = checked_format(format_, timestamps)
    headerless = parse_raw(raw, encoding, rate, channels)
    hearing = Hearing(chunk_ms, headerless, *parse_channel(channel or None, speakers or None))
    pace, policy = parse_speed(speed, realtime), parse_policy(no_resume, rotate_every)
    masked = parse_redaction(redact, redact_pattern, redact_words)
    server = Choice(url, api_key, ca_bundle, endpoint, region, profile, endpoint_url, variant, invocation_path)
    _carry_out(Job(files, hearing, model or None, pace, policy, form, timestamps, output, events, masked), server)


def _check_once(files: Sequence[str]) -> None:
    if files.count(STANDARD) > 1:
        raise UsageError("standard input can be read once", hint="name - a single time.")


def _carry_out(job: Job, server: Choice) -> None:
    view = open_view(product(sys.stdout), weather(sys.stderr), os.environ, live=job.live)
    work = Run(job, view)
    with ExitStack() as kept:
        # Before any server is started or asked, and outside the event loop: a silent pipe must not hold up Ctrl-C.
        work.prepare(kept)

        async def run(interrupts: Interrupts) -> None:
            async with open_target(server) as target:
                await work.transcribe(target, interrupts)

        if run_interruptible(run, view.say):
            raise Interrupted("interrupted; what was heard before is in the transcript")
    work.finish()
