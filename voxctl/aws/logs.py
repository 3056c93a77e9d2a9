"""The last words of an endpoint's container, as CloudWatch has them. Blocking."""

from __future__ import annotations

import time
from typing import Any

from voxctl.aws.client import LOGS, Account
from voxctl.aws.faults import FAILURES
from voxctl.errors import AwsError

#: How far back is looked, and how much of a line is shown.
_LAST_S, _MOST_LETTERS = 900, 200


def last_lines(account: Account, group: str, *, n_lines: int = 3, limit_s: float = 3.0) -> list[str]:
    """Return the last lines of the newest stream of a log group, oldest first; none where they cannot be read.

    Never raises: it is asked while a failure is told, and must not hide it. Two requests share ``limit_s``.
    """
    try:
        client = account.client(LOGS, limit_s=limit_s / 4, attempts=1)
        return _read(client, group, n_lines)
    except (*FAILURES, AwsError):
        return []


def _read(client: Any, group: str, n_lines: int) -> list[str]:
    streams = client.describe_log_streams(logGroupName=group, orderBy="LastEventTime", descending=True, limit=1)
    if not streams["logStreams"]:
        return []
    found = client.get_log_events(
        logGroupName=group,
        logStreamName=streams["logStreams"][0]["logStreamName"],
        startTime=round((time.time() - _LAST_S) * 1000),
        startFromHead=False,
        limit=n_lines * 4,
    )
    lines = [_shown(event["message"]) for event in found["events"]]
    return [line for line in lines if line][-n_lines:]


def _shown(line: str) -> str:
    words = " ".join("".join(letter if letter.isprintable() else " " for letter in line).split())
    return words if len(words) <= _MOST_LETTERS else f"{words[:_MOST_LETTERS]}…"
