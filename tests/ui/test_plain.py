"""What plain output says again and what it does not."""

from __future__ import annotations

import io

from voxctl.events import Reconnecting
from voxctl.ui.plain import PlainView


def test_the_same_failure_is_said_once_whatever_aws_calls_each_attempt() -> None:
    err = io.StringIO()
    view = PlainView(io.StringIO(), err, live=True)
    for attempt in range(2, 6):
        view.show(Reconnecting(attempt, 0.0, f"it answered HTTP 424 (request {attempt}{attempt})"))
    view.show(Reconnecting(6, 0.0, "it answered HTTP 500 (request 66)"))
    said = err.getvalue().splitlines()
    assert [line.partition(";")[0] for line in said] == [
        "it answered HTTP 424 (request 22)",
        "it answered HTTP 500 (request 66)",
    ]
