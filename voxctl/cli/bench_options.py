"""The options of ``voxctl bench``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

StreamsOpt = Annotated[
    str | None,
    typer.Option("--streams", metavar="N,…", help="Numbers of streams at once, one after another.  [default: 1,2,4]"),
]
FindMaxOpt = Annotated[bool, typer.Option("--find-max", help="Find out how many streams the server holds.")]
SloOpt = Annotated[
    float, typer.Option("--slo-ms", metavar="MS", min=1, help="With --find-max: 95 % of the deltas come within this.")
]
MostOpt = Annotated[int, typer.Option("--most", metavar="N", min=1, help="With --find-max: never try more streams.")]
DurationOpt = Annotated[
    float, typer.Option("--duration", metavar="SECONDS", min=1, help="How long each trial counts what it sees.")
]
WarmupOpt = Annotated[
    float, typer.Option("--warmup", metavar="SECONDS", min=0, help="How long each trial runs before it counts.")
]
RampOpt = Annotated[
    float, typer.Option("--ramp", metavar="SECONDS", min=0, help="Over how long the streams of a trial begin.")
]
TrialsOpt = Annotated[int, typer.Option("--trials", metavar="N", min=1, help="Trials for each number of streams.")]
AudioOpt = Annotated[
    Path | None,
    typer.Option(
        "--audio",
        metavar="PATH",
        help="A sound file, a folder of them, or a JSONL manifest as NeMo's; with texts (talk.txt beside talk.wav) the "
        "word error rate is measured too. Without it a voice without words is made.",
    ),
]
DelayOpt = Annotated[
    float | None,
    typer.Option("--delay-ms", metavar="MS", min=0, help="The server's transcription delay, if not its model's usual."),
]
ProcessesOpt = Annotated[
    int | None, typer.Option("--processes", metavar="N", min=1, help="Processes that share the streams.")
]
SeedOpt = Annotated[int, typer.Option("--seed", metavar="N", help="Another one begins the streams elsewhere.")]
ReportOpt = Annotated[
    Path | None,
    typer.Option("--report", metavar="HTML", help="Write a page of figures and plots that needs nothing else."),
]
CsvOpt = Annotated[
    Path | None, typer.Option("--csv", metavar="FILE", help="Write a row of figures for each trial as CSV.")
]
