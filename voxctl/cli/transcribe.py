"""``voxctl transcribe``: files to text, while they play or as fast as the server can."""

from __future__ import annotations

import sys
import time
from contextlib import AsyncExitStack, ExitStack, aclosing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voxctl.cli.interrupt import Interrupts, run_interruptible
from voxctl.cli.options import ApiKeyOpt, CaBundleOpt, ModelOpt, UrlOpt, parse_speed
from voxctl.cli.targets import Target, open_target
from voxctl.errors import AudioError, Interrupted, UsageError
from voxctl.ui.plain import PlainView, show_error

if TYPE_CHECKING:
    from voxctl.audio.decode import AudioFile

STDIN = "-"


class Format(StrEnum):
    """What is written to stdout."""

    TXT = "txt"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Job:
    """What was asked for, the target apart. ``speed`` is a multiple of real time, ``None`` without a limit."""

    files: list[str]
    model: str | None
    speed: float | None
    chunk_ms: int
    format: Format


def transcribe(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE", show_default=False, help="Audio files; - is standard input.")
    ],
    url: UrlOpt = None,
    model: ModelOpt = None,
    speed: Annotated[
        str | None,
        typer.Option(
            metavar="PACE",
            help="max: as fast as the server transcribes (the default); or a multiple of real time: 1, 4 …",
        ),
    ] = None,
    realtime: Annotated[bool, typer.Option("--realtime", help="Play files at the pace of speech: --speed 1.")] = False,
    chunk_ms: Annotated[int, typer.Option(min=10, max=1000, help="Length of the chunks sent, in milliseconds.")] = 80,
    format_: Annotated[
        Format,
        typer.Option("--format", help="txt: words as they are committed. json: one document a file, at its end."),
    ] = Format.TXT,
    api_key: ApiKeyOpt = None,
    ca_bundle: CaBundleOpt = None,
) -> None:
    """Transcribe audio files: words appear on stdout as they are committed, everything else on stderr."""
    if files.count(STDIN) > 1:
        raise UsageError("standard input can be read once", hint="name - a single time.")
    job = Job(files, model, parse_speed(speed, realtime), chunk_ms, format_)
    view = PlainView(sys.stdout, sys.stderr, live=format_ is Format.TXT)

    with ExitStack() as kept:
        # Before any server is started or asked, and outside the event loop: a silent pipe must not hold up Ctrl-C.
        audios = _check(job, kept)

        async def run(interrupts: Interrupts) -> None:
            async with open_target(url, api_key, ca_bundle) as target:
                await _transcribe_all(job, audios, target, view, interrupts)

        if run_interruptible(run, view.say):
            raise Interrupted("interrupted; what was heard before is in the transcript")


def _check(job: Job, kept: ExitStack) -> dict[str, AudioFile]:
    """Open every file and decode its first block; return those that cannot be opened twice, still open."""
    from voxctl.audio.decode import open_audio

    audios = {}
    for name in job.files:
        audio = open_audio(name, chunk_ms=job.chunk_ms)
        if name != STDIN and Path(name).is_file():
            audio.close()
        else:
            audios[name] = kept.enter_context(audio)
    return audios


async def _transcribe_all(
    job: Job, audios: dict[str, AudioFile], target: Target, view: PlainView, interrupts: Interrupts
) -> None:
    from voxctl.audio.decode import open_audio

    several = len(job.files) > 1
    failed: AudioError | None = None
    for name in job.files:
        if interrupts.pressed:
            return
        try:
            with audios.pop(name, None) or open_audio(name, chunk_ms=job.chunk_ms) as audio:
                await _transcribe_one(job, audio, audio.name if several else None, target, view, interrupts)
        except AudioError as exc:
            if not several:
                raise
            show_error(exc, sys.stderr)  # the other files are not to blame
            failed = failed or exc
    if failed:
        raise typer.Exit(failed.exit_code)


async def _transcribe_one(
    job: Job, audio: AudioFile, title: str | None, target: Target, view: PlainView, interrupts: Interrupts
) -> None:
    from voxctl.audio.pace import paced
    from voxctl.events import Opened
    from voxctl.realtime.models import facts_for
    from voxctl.session.session import open_session
    from voxctl.transcript.export import export_json
    from voxctl.transcript.transcript import Transcript

    transcript = Transcript()
    started_s = time.monotonic()
    view.begin(title)
    try:
        async with AsyncExitStack() as stack:
            source = await stack.enter_async_context(aclosing(paced(audio.chunks(), job.speed)))
            session = await stack.enter_async_context(open_session(target.connect, source, model=job.model))
            stack.enter_context(interrupts.ending(session.finish, "finishing with what was heard"))
            async for event in session:
                transcript.apply(event)
                view.show(event)
                if isinstance(event, Opened) and facts_for(event.model).low_accuracy:
                    view.say_once(_LOW_ACCURACY.format(engine=event.engine or event.model))
    finally:
        view.end(transcript.complete)
        if job.format is Format.JSON and (transcript.words or transcript.complete):
            view.document(export_json(transcript, target=target.label))
    view.summary(transcript, time.monotonic() - started_s)


_LOW_ACCURACY = (
    "note: {engine} is a low-accuracy recogniser for trials and self-tests; name a vLLM server with --url for more"
)
