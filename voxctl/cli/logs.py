"""``voxctl logs``: what an endpoint's containers say."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from typing import Annotated

import typer

from voxctl.cli import aws_options as aws
from voxctl.cli import deploy_options as d
from voxctl.cli.durations import parse_duration
from voxctl.cli.settings import UseOpt
from voxctl.ui.streams import product
from voxctl.ui.text import one_line

#: How often new lines are looked for.
_LOOK_S = 2.0

FollowOpt = Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")]
SinceOpt = Annotated[str, typer.Option("--since", metavar="TIME", help="How far back: 30m, 2h, 1d.")]
LinesJsonOpt = Annotated[bool, typer.Option("--json", help="Write a line of JSON for each line.")]


def logs(
    name: d.TheNameArg,
    use: UseOpt = None,
    region: aws.RegionOpt = None,
    profile: aws.AwsProfileOpt = None,
    follow: FollowOpt = False,
    since: SinceOpt = "1h",
    json_: LinesJsonOpt = False,
) -> None:
    """Show what the containers of an endpoint say, in the order of time. The log outlives the endpoint."""
    since_s = parse_duration(since, "--since")
    from voxctl.aws.client import open_account
    from voxctl.aws.cloud import Cloud
    from voxctl.aws.tail import Line, Tail

    def shown(line: Line) -> str:
        at = datetime.fromtimestamp(line.at_ms / 1000, UTC)
        if json_:
            moment = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            return json.dumps({"at": moment, "stream": line.stream, "text": line.text}, ensure_ascii=False)
        return f"{at:%H:%M:%S} {one_line(line.text)}"

    out = product(sys.stdout)
    tail = Tail(Cloud(open_account(profile, region)), name, round((time.time() - since_s) * 1000))
    while True:
        for line in tail.lines():
            out.write(shown(line) + "\n")
        out.flush()
        if not follow:
            return
        time.sleep(_LOOK_S)
