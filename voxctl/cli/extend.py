"""``voxctl extend``: a later end."""

from __future__ import annotations

import json
import time
from typing import Annotated

import typer

from voxctl.cli import aws_options as aws
from voxctl.cli import deploy_options as d
from voxctl.cli.durations import parse_duration, shown_duration
from voxctl.cli.options import JsonOpt
from voxctl.cli.settings import UseOpt
from voxctl.errors import AwsError, UsageError

TimeArg = Annotated[str, typer.Argument(metavar="TIME", show_default=False, help="How much later: 30m, 2h, 1d.")]


def extend(
    name: d.TheNameArg,
    by: TimeArg,
    use: UseOpt = None,
    region: aws.RegionOpt = None,
    profile: aws.AwsProfileOpt = None,
    json_: JsonOpt = False,
) -> None:
    """Let an endpoint that was deployed with --ttl live longer: TIME is added to what is left."""
    by_s = parse_duration(by, "TIME", least_s=60)
    from voxctl.aws.client import open_account
    from voxctl.aws.cloud import Cloud, place_of
    from voxctl.aws.ends import end_steps, utc
    from voxctl.aws.observed import observe
    from voxctl.cli.deploying import How, carried_out, view_for

    view, cloud = view_for(json_), Cloud(open_account(profile, region))
    place = place_of(cloud)
    seen = observe(cloud, place, name)
    if seen.endpoint is None:
        raise AwsError(f"there is no endpoint {name} in {place.region}", hint="`voxctl list` shows all of them.")
    if seen.schedule is None:
        raise UsageError(f"nothing ends {name}: it runs until it is deleted", hint="deploy it again with --ttl 4h.")
    now_s = time.time()
    at_s = max(now_s, seen.schedule.at_s) + by_s
    steps = list(end_steps(name, place, seen, seen.schedule.ttl_s, now_s, moved=True, at_s=at_s))
    carried_out(cloud, steps, How(False, True, json_, by_s), view)
    if json_:
        view.document(json.dumps({"endpoint": name, "region": place.region, "ends_at": f"{utc(at_s)}Z"}))
    view.done(f"{name} ends at {utc(at_s)} UTC, in {shown_duration(at_s - now_s)}")
