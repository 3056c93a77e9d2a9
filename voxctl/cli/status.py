"""``voxctl status``: one endpoint, once or again and again."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Annotated

import typer

from voxctl.cli import aws_options as aws
from voxctl.cli import deploy_options as d
from voxctl.cli.options import JsonOpt
from voxctl.cli.settings import UseOpt
from voxctl.ui.endpoints import EndpointsView
from voxctl.ui.streams import product, weather

#: How often the endpoint is looked at, and what changes all the time.
_LOOK_S = 5.0
_CHANGING = ("age", "price", "left")

WatchOpt = Annotated[bool, typer.Option("--watch", "-w", help="Go on until Ctrl-C.")]


def status(
    name: d.TheNameArg,
    use: UseOpt = None,
    region: aws.RegionOpt = None,
    profile: aws.AwsProfileOpt = None,
    watch: WatchOpt = False,
    json_: JsonOpt = False,
) -> None:
    """Show an endpoint: its state, instances, open streams, errors, GPU, price, time left.

    Numbers of CloudWatch are about a minute old; "unknown" is what it does not say.
    """
    from voxctl.aws.client import open_account
    from voxctl.aws.cloud import Cloud
    from voxctl.aws.fleet import prices, running, told
    from voxctl.cli.fleet import lines

    cloud = Cloud(open_account(profile, region))
    price, view = prices(cloud), EndpointsView(product(sys.stdout), weather(sys.stderr), os.environ)
    while True:
        endpoint, now_s = running(cloud, name, price), time.time()
        if json_:
            view.document(json.dumps(dict(told(endpoint, now_s)), ensure_ascii=False))
        elif watch:
            view.watched(list(lines(endpoint, now_s)), changing=_CHANGING)
        else:
            view.lines(list(lines(endpoint, now_s)))
        if not watch:
            return
        try:
            time.sleep(_LOOK_S)
        except KeyboardInterrupt:
            view.rest()
            raise
