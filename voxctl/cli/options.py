"""Options that several commands share, declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voxctl.audio.raw import MOST_CHANNELS, RATE_HZ_RANGE, Encoding
from voxctl.cli.parsing import judged_by, parse_policy, parse_speed
from voxctl.realtime.models import DEFAULT_MODEL, EMBEDDED
from voxctl.transcript.export import Format


def _models(incomplete: str) -> list[str]:
    return [name for name in (DEFAULT_MODEL, EMBEDDED.family) if name.startswith(incomplete)]


def _paces(incomplete: str) -> list[str]:
    return [pace for pace in ("max", "1") if pace.startswith(incomplete)]


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
        autocompletion=_models,
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
FilesArg = Annotated[
    list[str], typer.Argument(metavar="FILE", show_default=False, help="Audio files; - is standard input.")
]
SpeedOpt = Annotated[
    str | None,
    typer.Option(
        metavar="PACE",
        envvar="VOXCTL_SPEED",
        show_envvar=False,
        callback=judged_by(lambda speed: parse_speed(speed, False)),
        autocompletion=_paces,
        help="max: as fast as the server transcribes; or a multiple of real time: 1, 4 …",
        show_default="max",
    ),
]
EventsOpt = Annotated[
    str | None,
    typer.Option("--events", metavar="FILE", help="Write what happens, a line of JSON each, while it happens."),
]
NoResumeOpt = Annotated[
    bool,
    typer.Option(
        "--no-resume/--resume",
        envvar="VOXCTL_NO_RESUME",
        show_envvar=False,
        help="End at the first failure; do not go on over a new connection.",
    ),
]
RotateOpt = Annotated[
    float | None,
    typer.Option(
        "--rotate-every",
        metavar="S",
        envvar="VOXCTL_ROTATE_EVERY",
        show_envvar=False,
        callback=judged_by(lambda seconds: parse_policy(False, seconds)),
        help="Let a new connection take over after so many seconds of audio, 0 for never. "
        "Default: what suits the model.",
    ),
]
RealtimeOpt = Annotated[bool, typer.Option("--realtime", help="Play files at the pace of speech: --speed 1.")]
ChunkOpt = Annotated[
    int,
    typer.Option(
        min=10,
        max=1000,
        metavar="MS",
        envvar="VOXCTL_CHUNK_MS",
        show_envvar=False,
        help="Length of the chunks sent, in milliseconds.",
    ),
]
FormatOpt = Annotated[
    Format | None,
    typer.Option(
        "--format",
        envvar="VOXCTL_FORMAT",
        show_envvar=False,
        show_default="by the suffix of --output, else txt",
        help="txt: words as they are committed. The others: a document a file, at its end.",
    ),
]
TimestampsOpt = Annotated[
    bool,
    typer.Option(
        "--timestamps/--no-timestamps",
        envvar="VOXCTL_TIMESTAMPS",
        show_envvar=False,
        help="Begin each line of txt with its time.",
    ),
]
OutputOpt = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="PATH",
        help="Write to this file, or into this folder, one document for each input; whole or not at all.",
    ),
]
RawOpt = Annotated[
    bool,
    typer.Option(
        "--raw/--no-raw",
        envvar="VOXCTL_RAW",
        show_envvar=False,
        help="The input has no header; --encoding, --rate and --channels say what it is.",
    ),
]
EncodingOpt = Annotated[
    Encoding | None,
    typer.Option(envvar="VOXCTL_ENCODING", show_envvar=False, help="How --raw sound is written.", show_default="pcm16"),
]
RateOpt = Annotated[
    int | None,
    typer.Option(
        min=RATE_HZ_RANGE[0],
        max=RATE_HZ_RANGE[1],
        metavar="HZ",
        envvar="VOXCTL_RATE",
        show_envvar=False,
        help="The sample rate of --raw sound; a telephone's is 8000.",
        show_default="16000",
    ),
]
ChannelsOpt = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MOST_CHANNELS,
        metavar="N",
        envvar="VOXCTL_CHANNELS",
        show_envvar=False,
        help="How many channels --raw sound has; 2 are both sides of a call.",
        show_default="1",
    ),
]
HostOpt = Annotated[
    str,
    typer.Option(
        "--host",
        envvar="VOXCTL_HOST",
        show_envvar=False,
        help="Address to listen on; a public one needs --api-key.",
    ),
]
ServerKeyOpt = Annotated[
    str | None,
    typer.Option(
        "--api-key", envvar="VOXCTL_API_KEY", metavar="KEY", help="The key that clients must give; prefer the variable."
    ),
]
JsonOpt = Annotated[bool, typer.Option("--json", help="Write results to stdout as JSON.")]
