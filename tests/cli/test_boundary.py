"""The one place where errors become two lines and an exit code."""

from __future__ import annotations

import io

import pytest
import typer
from typer.testing import CliRunner

from voxctl import errors
from voxctl.cli.app import ErrorBoundary
from voxctl.events import Reconnecting
from voxctl.ui.plain import PlainView, show_error


def failing(error: BaseException) -> typer.Typer:
    app = typer.Typer(cls=ErrorBoundary, pretty_exceptions_enable=False)

    @app.command()
    def fail() -> None:
        raise error

    @app.command()
    def other() -> None:
        pass

    return app


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UsageError("m", hint="h"), 2),
        (errors.AudioError("m", hint="h"), 3),
        (errors.ConnectFailed("m", hint="h"), 4),
        (errors.HandshakeRefused("m", status=401, hint="h"), 4),
        (errors.ConnectionLost("m", code=1006, hint="h"), 4),
        (errors.Stalled("m", hint="h"), 4),
        (errors.ContextFull("m", n_deltas=3, hint="h"), 4),
        (errors.ProtocolError("m", hint="h"), 4),
        (errors.EngineUnavailable("m", hint="h"), 4),
        (errors.ServerFull("m", code="server_full", hint="h"), 4),
        (errors.AwsError("m", hint="h"), 5),
        (errors.Incomplete("m", hint="h"), 6),
        (errors.OutputError("m", hint="h"), 6),
        (errors.Interrupted("m", hint="h"), 130),
        (KeyboardInterrupt(), 130),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_every_error_has_its_exit_code_and_its_two_lines(error: BaseException, code: int) -> None:
    result = CliRunner().invoke(failing(error), ["fail"])
    assert result.exit_code == code
    if isinstance(error, KeyboardInterrupt):
        expected = "interrupted\n"
    else:
        expected = "m\n  try: h\n" if isinstance(error, errors.Interrupted) else "error: m\n  try: h\n"
    assert result.stderr == expected and result.stdout == ""


def test_a_reader_that_has_seen_enough_is_no_failure() -> None:
    result = CliRunner().invoke(failing(errors.OutputClosed("m")), ["fail"])
    assert (result.exit_code, result.stderr, result.stdout) == (0, "", "")


def test_a_reader_that_has_seen_enough_hides_no_failure() -> None:
    error = errors.OutputClosed("m")
    error.__context__ = errors.Stalled("first", hint="h")
    result = CliRunner().invoke(failing(error), ["fail"])
    assert (result.exit_code, result.stderr) == (4, "error: first\n  try: h\n")


def test_a_bug_keeps_its_traceback() -> None:
    result = CliRunner().invoke(failing(ZeroDivisionError("ours")), ["fail"])
    assert result.exit_code == 1 and isinstance(result.exception, ZeroDivisionError)


def test_the_same_failure_is_said_once_until_it_is_another_or_begins_anew() -> None:
    err = io.StringIO()
    view = PlainView(io.StringIO(), err, live=True)
    for attempt, delay_s, reason in (
        (2, 0.04, "full."),
        (3, 1.26, "full."),
        (3, 1.26, "gone"),
        (4, 2, "full."),
        (1, 3, "full."),
    ):
        view.show(Reconnecting(attempt, delay_s, reason))
    assert err.getvalue().splitlines() == [
        "full; attempt 2 in a moment",
        "gone; attempt 3 in 1.3 s",
        "full; attempt 1 in 3.0 s",
    ]


def test_the_words_of_a_server_cannot_command_the_terminal() -> None:
    err = io.StringIO()
    show_error(errors.StreamError("a\x1b]0;title\x07\nb\x9b2J\u202ec", hint="x\ty"), err)
    assert err.getvalue() == "error: a\ufffd]0;title\ufffd b\ufffd2J\ufffdc\n  try: x y\n"
