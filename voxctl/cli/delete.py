"""``voxctl delete``: an endpoint and all that was made for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from voxctl.cli import aws_options as aws
from voxctl.cli import deploy_options as d
from voxctl.cli.durations import parse_duration
from voxctl.cli.options import JsonOpt
from voxctl.cli.settings import UseOpt

if TYPE_CHECKING:
    from voxctl.aws.cloud import Cloud
    from voxctl.ui.deploying import DeployingView

_LIMIT_S = 3600
#: How often the streams are counted that are waited for.
_COUNT_S = 10.0

ForceOpt = Annotated[bool, typer.Option("--force", help="Do not wait for open streams: they are cut off.")]
LogsOpt = Annotated[bool, typer.Option("--logs", help="Delete its log too.")]


def delete(
    name: d.TheNameArg,
    use: UseOpt = None,
    region: aws.RegionOpt = None,
    profile: aws.AwsProfileOpt = None,
    force: ForceOpt = False,
    logs: LogsOpt = False,
    timeout: Annotated[
        str | None, typer.Option("--timeout", metavar="TIME", show_default="1h", help="Wait this long at most.")
    ] = None,
    dry_run: d.DryRunOpt = False,
    yes: d.YesOpt = False,
    json_: JsonOpt = False,
) -> None:
    """Delete an endpoint that voxctl made, and all that was made for it: configurations, models, roles, schedule.

    A second run finishes what a first could not. Nothing of anybody else is touched.
    """
    limit_s = parse_duration(timeout, "--timeout") if timeout else _LIMIT_S
    from voxctl.aws.client import open_account
    from voxctl.aws.cloud import Cloud, place_of
    from voxctl.aws.observed import observe
    from voxctl.aws.plan import delete_plan
    from voxctl.cli.deploying import How, carried_out, confirmed, steps_document, view_for

    view, cloud = view_for(json_), Cloud(open_account(profile, region))
    place = place_of(cloud)
    seen = observe(cloud, place, name)
    steps = delete_plan(name, place, seen, logs=logs)
    done = "planned" if steps else "nothing"
    view.plan("to be done:" if steps else f"there is nothing of {name} in {place.region}", [s.does for s in steps])
    if steps and not dry_run:
        how = How(dry_run, yes, json_, limit_s)
        confirmed(how, f"delete {name} in {place.region}?")
        if not force and seen.endpoint is not None:
            _await_streams(cloud, name, limit_s, view)
        carried_out(cloud, steps, how, view)
        done = "deleted"
        view.done(f"{name} is deleted, and all that was made for it")
    if json_:
        document = {"endpoint": name, "region": place.region, "status": done, "steps": steps_document(steps)}
        view.document(json.dumps(document, ensure_ascii=False))


def _await_streams(cloud: Cloud, name: str, limit_s: float, view: DeployingView) -> None:
    """Wait until nobody streams any longer, as far as that is known. Raises ``AwsError`` if it takes too long."""
    import time

    from voxctl.aws.metrics import open_streams
    from voxctl.errors import AwsError
    from voxctl.ui.text import counted

    began_s = time.monotonic()
    while n_streams := open_streams(cloud, name):
        view.waiting(f"waiting for {counted(n_streams, 'open stream')}; --force cuts them off", "streams")
        if time.monotonic() - began_s > limit_s:
            raise AwsError(f"{name} still has {counted(n_streams, 'open stream')}", hint="--force cuts them off.")
        time.sleep(min(_COUNT_S, limit_s))
    view.rest()
