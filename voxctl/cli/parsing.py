"""What was typed, to what it means. Raises ``UsageError`` for what means nothing."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from voxctl.audio.raw import Encoding, RawFormat
from voxctl.cli.wrong import elsewhere
from voxctl.errors import UsageError
from voxctl.session.policy import Policy
from voxctl.transcript.export import Format

#: Two connections hear the same sound for some seconds at each turn.
_LEAST_ROTATE_S = 15.0


def judged_by(check: Callable[[Any], object]) -> Callable[..., Any]:
    """Return an option's callback that lets a value pass if ``check`` does not raise ``UsageError``.

    Rules that hold for every value of an option belong here, so that one in a file is judged where it stands.
    """

    def judge(ctx: typer.Context, param: typer.CallbackParam, value: Any) -> Any:
        try:
            if value is not None:
                check(value)
        except UsageError as exc:
            if getattr(ctx.get_parameter_source(str(param.name)), "name", "") != "ENVIRONMENT":
                raise
            variable = str(param.envvar)
            raise elsewhere(exc, param.opts[0], variable, variable) from exc
        return value

    return judge


def format_named_by(output: str | None) -> Format | None:
    """Return the format that the suffix of ``--output`` names; a folder and any other suffix name none."""
    if not output or output.endswith(os.sep) or Path(output).is_dir():
        return None
    suffix = Path(output).suffix.lower()
    return next((form for form in Format if form.suffix == suffix), None)


def parse_raw(raw: bool, encoding: Encoding | None, rate: int | None, channels: int | None) -> RawFormat | None:
    """Return what headerless input is, ``None`` for input with a header."""
    if raw:
        return RawFormat(encoding or Encoding.PCM16, rate or 16_000, channels or 1)
    if (encoding, rate, channels) != (None, None, None):
        raise UsageError(
            "--encoding, --rate and --channels describe input without a header",
            hint="add --raw, or leave them out: files say themselves what they are.",
        )
    return None


def parse_policy(no_resume: bool, rotate_s: float | None) -> Policy:
    """Return how a session treats its connections."""
    if rotate_s is not None and rotate_s != 0 and not _LEAST_ROTATE_S <= rotate_s < math.inf:
        raise UsageError(
            f"--rotate-every {rotate_s:g} is no sensible time",
            hint=f"choose {_LEAST_ROTATE_S:g} s or more, or 0 for never.",
        )
    return Policy(resume=not no_resume, rotate_s=rotate_s)


def checked_format(format_: Format | None, timestamps: bool) -> Format:
    """Return the format of the documents, txt unless another one was named."""
    if timestamps and format_ not in (None, Format.TXT):
        raise UsageError(
            f"--timestamps is for --format txt, and this is {format_}",
            hint=f"leave --timestamps out: {format_} has times of its own.",
        )
    return format_ or Format.TXT


def parse_speed(speed: str | None, realtime: bool) -> float | None:
    """Return the pace as a multiple of real time, ``None`` for as fast as the server transcribes."""
    if realtime:
        if speed is not None:
            raise UsageError("--realtime and --speed contradict each other", hint="--realtime means --speed 1.")
        return 1.0
    if speed is None or speed == "max":
        return None
    try:
        factor = float(speed)
    except ValueError:
        factor = 0.0
    if not 0.01 <= factor <= 1000:
        raise UsageError(f"--speed {speed!r} is no pace", hint="--speed takes max, or a number from 0.01 to 1000.")
    return factor
