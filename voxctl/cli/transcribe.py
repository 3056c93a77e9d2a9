"""``voxctl transcribe``: files to text, while they play or as fast as the server can."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack

from voxctl.cli import options as o
from voxctl.cli.interrupt import Interrupts, run_interruptible
from voxctl.cli.job import STDIN, Job, Run
from voxctl.cli.targets import open_target
from voxctl.errors import Interrupted, UsageError
from voxctl.transcript.export import Format
from voxctl.ui.streams import product, weather
from voxctl.ui.view import open_view


def transcribe(
    files: o.FilesArg,
    url: o.UrlOpt = None,
    model: o.ModelOpt = None,
    speed: o.SpeedOpt = None,
    realtime: o.RealtimeOpt = False,
    chunk_ms: o.ChunkOpt = 80,
    format_: o.FormatOpt = Format.TXT,
    timestamps: o.TimestampsOpt = False,
    output: o.OutputOpt = None,
    channel: o.ChannelOpt = None,
    raw: o.RawOpt = False,
    encoding: o.EncodingOpt = None,
    rate: o.RateOpt = None,
    channels: o.ChannelsOpt = None,
    api_key: o.ApiKeyOpt = None,
    ca_bundle: o.CaBundleOpt = None,
) -> None:
    """Transcribe audio files: words appear on stdout as they are committed, everything else on stderr."""
    if files.count(STDIN) > 1:
        raise UsageError("standard input can be read once", hint="name - a single time.")
    if timestamps and format_ is not Format.TXT:
        raise UsageError("--timestamps is for --format txt", hint="the other formats have times of their own.")
    sound = o.parse_raw(raw, encoding, rate, channels)
    pace = o.parse_speed(speed, realtime)
    job = Job(files, model or None, pace, chunk_ms, sound, channel, format_, timestamps, output)
    view = open_view(product(sys.stdout), weather(sys.stderr), os.environ, live=job.live)
    work = Run(job, view)
    with ExitStack() as kept:
        # Before any server is started or asked, and outside the event loop: a silent pipe must not hold up Ctrl-C.
        work.prepare(kept)

        async def run(interrupts: Interrupts) -> None:
            async with open_target(url, api_key, ca_bundle) as target:
                await work.transcribe(target, interrupts)

        if run_interruptible(run, view.say):
            raise Interrupted("interrupted; what was heard before is in the transcript")
    work.finish()
