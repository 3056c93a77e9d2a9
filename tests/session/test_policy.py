"""Judgements and numbers, with lists."""

from __future__ import annotations

from itertools import islice

import pytest

from voxctl.errors import (
    ConnectFailed,
    ConnectionLost,
    HandshakeRefused,
    ModelNotFound,
    ServerFull,
    StreamError,
)
from voxctl.session.faults import SilenceTimer
from voxctl.session.policy import GiveUp, Retry, Verdict, backoff, verdict


@pytest.mark.parametrize(
    ("error", "judged"),
    [
        (ConnectFailed("refused"), GiveUp()),
        (ConnectFailed("slow", timed_out=True), Retry()),
        *((HandshakeRefused("x", status=status), GiveUp()) for status in (400, 401, 403, 404, 500)),
        *((HandshakeRefused("x", status=status), Retry()) for status in (424, 429, 503)),
        (ServerFull("x", code="server_full"), Retry()),
        (ModelNotFound("x", code="model_not_found"), GiveUp()),
        (ConnectionLost("x", code=None), GiveUp()),
        (ConnectionLost("x", code=1000), GiveUp()),
        *((ConnectionLost("x", code=code), Retry()) for code in (1012, 1013)),
    ],
)
def test_a_first_connection_is_tried_again_only_where_that_can_help(error: StreamError, judged: Verdict) -> None:
    assert verdict(error) == judged


def test_pauses_double_up_to_a_ceiling_and_never_leave_it() -> None:
    assert list(islice(backoff(lambda low, high: high), 6)) == [0.5, 1.0, 2.0, 4.0, 4.0, 4.0]
    assert list(islice(backoff(lambda low, high: low), 3)) == [0.0, 0.0, 0.0]


def test_silence_is_counted_only_while_something_is_owed() -> None:
    timer = SilenceTimer(0.0)
    assert timer.update(60.0, 5, owing=False) == 0
    assert timer.update(61.0, 5, owing=True) == 1.0
    assert timer.update(64.0, 5, owing=True) == 4.0


def test_a_delta_ends_the_silence() -> None:
    timer = SilenceTimer(0.0)
    timer.update(1.0, 5, owing=True)
    assert timer.update(4.0, 6, owing=True) == 0
    assert timer.update(5.0, 6, owing=True) == 1.0
