"""``voxctl list``: every endpoint that voxctl made, and what each costs."""

from __future__ import annotations

import json
import os
import sys
import time

from voxctl.cli import aws_options as aws
from voxctl.cli.options import JsonOpt
from voxctl.cli.settings import UseOpt
from voxctl.ui.endpoints import EndpointsView
from voxctl.ui.plain import show_note
from voxctl.ui.streams import product, weather


def list_(
    use: UseOpt = None, region: aws.RegionOpt = None, profile: aws.AwsProfileOpt = None, json_: JsonOpt = False
) -> None:
    """List the endpoints that voxctl made, in all regions or --region: age, price, open streams, time left.

    What they have cost is reckoned from their age and what they are now.
    """
    from voxctl.aws.client import open_account
    from voxctl.aws.cloud import Cloud
    from voxctl.aws.fleet import endpoints_in, everywhere, told
    from voxctl.cli.fleet import cells

    cloud = Cloud(open_account(profile, region or _any_region(profile)))
    found, failed = (endpoints_in(cloud), {}) if region else everywhere(cloud)
    for name, error in failed.items():
        show_note(f"{name}: {error.message}", weather(sys.stderr))
    now_s, view = time.time(), EndpointsView(product(sys.stdout), weather(sys.stderr), os.environ)
    if json_:
        documents = [dict(told(endpoint, now_s)) for endpoint in found]
        view.document(json.dumps({"endpoints": documents, "unknown_regions": sorted(failed)}, ensure_ascii=False))
    elif found:
        view.table([cells(endpoint, now_s) for endpoint in found])
    else:
        view.document(f"voxctl has no endpoint in {region or 'any region'}; `voxctl deploy` makes one")
    if failed and not found:
        raise next(iter(failed.values()))


def _any_region(profile: str | None) -> str:
    """Return where to begin: all regions of the same partition are asked anyway."""
    from voxctl.aws.client import new_session

    configured = os.environ.get("AWS_REGION") or new_session(profile).get_config_variable("region")
    return str(configured or "us-east-1")
