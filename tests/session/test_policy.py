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
from voxctl.session.policy import GiveUp, Policy, Retry, Verdict, backoff, verdict
from voxctl.session.rotation import Rotation
from voxctl.transport import sagemaker_faults


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
        (ConnectFailed("broke off before it answered", passing=True), Retry()),
        *((HandshakeRefused("x", status=400, code=name), GiveUp()) for name in ("ValidationError", None)),
        *((HandshakeRefused("x", status=400, code=name), Retry()) for name in ("ThrottlingException", "ModelError")),
        *((HandshakeRefused("x", status=500, code=name), Retry()) for name in ("InternalServerError",)),
        (HandshakeRefused("x", status=503, code="ServiceUnavailableError"), Retry()),
        (ConnectionLost("the container broke off", reason="StreamBroken"), Retry()),
        (ConnectionLost("30 minutes are over", reason="ModelInvocationTimeExceeded"), Retry()),
        (ConnectionLost("x", reason="InternalStreamFailure"), Retry()),
        (ConnectionLost("x", reason="BrandNewException"), GiveUp()),
    ],
)
def test_a_first_connection_is_tried_again_only_where_that_can_help(error: StreamError, judged: Verdict) -> None:
    assert verdict(error) == judged


@pytest.mark.parametrize(
    ("error", "judged"),
    [
        *((ConnectionLost("x", reason=name), Retry()) for name in ("StreamBroken", "BrandNewException", None)),
        (ConnectionLost("the end of a stream that nobody asked to end", code=1000), Retry()),
        (ConnectFailed("x", passing=True), Retry()),
        *((HandshakeRefused("x", status=status, code="x"), Retry()) for status in (424, 429, 503)),
        (HandshakeRefused("x", status=500, code="InternalServerError"), Retry()),
        (HandshakeRefused("x", status=404, code="UnknownOperationException"), GiveUp()),
    ],
)
def test_a_stream_that_worked_is_gone_on_with_unless_it_is_refused_for_good(
    error: StreamError, judged: Verdict
) -> None:
    assert verdict(error, resuming=True) == judged


def test_every_end_and_every_passing_answer_of_sagemaker_is_tried_again() -> None:
    for name in sagemaker_faults.PASSING:
        assert verdict(HandshakeRefused("x", status=400, code=name)) == Retry(), name
    for name in (sagemaker_faults.MODEL_STREAM_ERROR, sagemaker_faults.INTERNAL_STREAM_FAILURE):
        assert verdict(ConnectionLost("x", reason=name), resuming=True) == Retry(), name


def test_a_connection_is_handed_over_before_sagemaker_cuts_it_at_30_minutes() -> None:
    policy = Policy()
    rotation = Rotation(policy)
    assert rotation.due(1_700.0, audio_s=0.0, age_s=policy.connection_s, model_s=None)
    assert policy.connection_s + policy.admit_s + policy.drain_s < 30 * 60


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
