"""Options that several commands share, declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voxctl.errors import UsageError

UrlOpt = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar="VOXCTL_URL",
        metavar="URL",
        help="A vLLM Realtime server: ws://host:port, wss://… Used as it is when it has a path, else /v1/realtime "
        "is appended. Without it the recogniser bundled with voxctl is started.",
    ),
]
ModelOpt = Annotated[
    str | None,
    typer.Option(
        "--model",
        envvar="VOXCTL_MODEL",
        metavar="NAME",
        help="The served model's name. Default: the server's own if it names one, "
        "else mistralai/Voxtral-Mini-4B-Realtime-2602.",
    ),
]
ApiKeyOpt = Annotated[
    str | None,
    typer.Option(
        "--api-key",
        envvar="VOXCTL_API_KEY",
        metavar="KEY",
        help="The server's key. Prefer the environment variable: a command line can be seen by others.",
    ),
]
CaBundleOpt = Annotated[
    Path | None,
    typer.Option(
        "--ca-bundle", envvar="VOXCTL_CA_BUNDLE", metavar="PEM", help="Certificates to trust instead of the system's."
    ),
]
ServerKeyOpt = Annotated[
    str | None,
    typer.Option(
        "--api-key", envvar="VOXCTL_API_KEY", metavar="KEY", help="The key that clients must give; prefer the variable."
    ),
]
JsonOpt = Annotated[bool, typer.Option("--json", help="Write results to stdout as JSON.")]


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
        raise UsageError(f"--speed {speed!r} is no pace", hint="--speed takes max, or a number such as 1 or 4.")
    return factor
