"""``voxctl bench``: latency under load, as figures that can be trusted."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxctl._version import __version__
from voxctl.cli import aws_options as aws
from voxctl.cli import bench_options as b
from voxctl.cli import options as o
from voxctl.cli.bench_targets import described
from voxctl.cli.interrupt import Interrupts, run_interruptible
from voxctl.cli.settings import UseOpt
from voxctl.cli.targets import Choice
from voxctl.connect import REALTIME_INVOCATION
from voxctl.errors import Interrupted, Untrustworthy, UsageError
from voxctl.ui.bench import BenchView
from voxctl.ui.streams import product, weather

if TYPE_CHECKING:
    from voxctl.bench.clips import Clip
    from voxctl.bench.measures import Load
    from voxctl.bench.run import Bench, Held, Level
    from voxctl.bench.trial import Now

#: A process that drives more than this is the first to be too slow.
_STREAMS_PER_PROCESS = 200
_LEVELS = "1,2,4"
_NAME = "bench"


@dataclass(frozen=True, slots=True)
class _Plan:
    levels: Sequence[int]
    n_trials: int
    slo_ms: float | None
    most: int
    usual_delay: bool
    n_processes: int | None


def bench(
    use: UseOpt = None,
    url: o.UrlOpt = None,
    endpoint: aws.EndpointOpt = None,
    region: aws.RegionOpt = None,
    profile: aws.AwsProfileOpt = None,
    model: o.ModelOpt = None,
    streams: b.StreamsOpt = None,
    find_max: b.FindMaxOpt = False,
    slo_ms: b.SloOpt = 300,
    most: b.MostOpt = 256,
    duration: b.DurationOpt = 30,
    warmup: b.WarmupOpt = 5,
    ramp: b.RampOpt = 2,
    trials: b.TrialsOpt = 3,
    audio: b.AudioOpt = None,
    chunk_ms: o.ChunkOpt = 80,
    delay_ms: b.DelayOpt = None,
    processes: b.ProcessesOpt = None,
    seed: b.SeedOpt = 0,
    json_: o.JsonOpt = False,
    csv: b.CsvOpt = None,
    report: b.ReportOpt = None,
    api_key: o.ApiKeyOpt = None,
    ca_bundle: o.CaBundleOpt = None,
    endpoint_url: aws.EndpointUrlOpt = None,
    variant: aws.VariantOpt = None,
    invocation_path: aws.InvocationPathOpt = REALTIME_INVOCATION,
) -> None:
    """Measure how late words come under load: sound is sent at the pace of speech whatever the server does.

    The client measures itself as well. When it was too slow, the figures are shown, called invalid, and the exit code
    is 6.
    """
    from voxctl.bench.measures import Load

    choice = Choice(url, api_key, ca_bundle, endpoint, region, profile, endpoint_url, variant, invocation_path)
    load = Load(1, duration, warmup, ramp, chunk_ms, (delay_ms or 0.0) / 1000, model or None, seed)
    slo = slo_ms if find_max else None
    plan = _Plan(parse_streams(streams, find_max), trials, slo, most, delay_ms is None, processes)
    with _files(csv, report) as write:
        view = BenchView(product(sys.stdout), weather(sys.stderr), os.environ)
        found = _carry_out(plan, choice, load, _clips(audio), view)
        write(found)
    _tell(found, view, json_)


@contextmanager
def _files(csv: Path | None, page: Path | None) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Judge where the figures are to be written, before anything is measured, and yield what writes them there."""
    from voxctl.bench import report
    from voxctl.cli.output import plan_output

    wanted = [(csv, ".csv", report.rows), (page, ".html", report.page)]
    with ExitStack() as kept:
        plans = [
            (kept.enter_context(plan_output(str(path), [_NAME], suffix)), make)
            for path, suffix, make in wanted
            if path is not None
        ]

        def write(found: dict[str, Any]) -> None:
            for plan, make in plans:
                plan.write(_NAME, make(found))

        yield write


def _clips(audio: Path | None) -> list[Clip]:
    from voxctl.bench.accuracy import require_jiwer
    from voxctl.bench.clips import generated, load_clips

    clips = load_clips(audio) if audio is not None else generated()
    if any(clip.text is not None for clip in clips):
        require_jiwer()
    return clips


def _carry_out(plan: _Plan, choice: Choice, load: Load, clips: Sequence[Clip], view: BenchView) -> dict[str, Any]:
    report: dict[str, Any] = {}

    async def run(_: Interrupts) -> None:
        async with described(choice) as (label, target):
            report.update(await _measured(plan, label, target, clips, load, view))

    try:
        if run_interruptible(run, view.say):
            raise Interrupted("interrupted; nothing was measured to its end")
    finally:
        view.clear()
    return report


async def _measured(
    plan: _Plan,
    label: str,
    target: dict[str, Any],
    clips: Sequence[Clip],
    load: Load,
    view: BenchView,
) -> dict[str, Any]:
    from voxctl.bench.machine import machine, without_key
    from voxctl.bench.run import Bench, delay_of

    model, delay_s = await delay_of(target, load.model)
    load = replace(load, delay_s=delay_s if plan.usual_delay else load.delay_s)

    def told(n_streams: int, number: int, now: Now) -> None:
        of = "" if plan.slo_ms is not None else f" of {plan.n_trials}"
        what = f"{n_streams} stream{'s' * (n_streams > 1)}, trial {number + 1}{of}"
        view.now(what, now.active, now.lag_ms, now.errors)

    largest = max(plan.levels) if plan.slo_ms is None else plan.most
    processes = plan.n_processes or min(os.cpu_count() or 1, -(-largest // _STREAMS_PER_PROCESS))
    levels, held = await _levels(Bench(target, clips, load, processes, told), plan)
    return {
        "target": label,
        "model": model,
        "delay_ms": round(1000 * load.delay_s, 3),
        "settings": {name: value for name, value in load.to_json().items() if name not in _NO_SETTINGS}
        | {"processes": processes},
        "version": __version__,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "command": ["voxctl", *without_key(sys.argv[1:])],
        "levels": [level.to_json() for level in levels],
        "held": held.to_json() if held else None,
        "valid": not any(trial.faults for level in levels for trial in level.trials),
    }


_NO_SETTINGS = ("n_streams", "first", "delay_s", "model")


async def _levels(bench: Bench, plan: _Plan) -> tuple[list[Level], Held | None]:
    from voxctl.bench.run import find_most
    from voxctl.bench.search import Slo

    if plan.slo_ms is None:
        return [await bench.level(n, plan.n_trials) for n in plan.levels], None
    held, levels = await find_most(bench.trial, Slo(plan.slo_ms), plan.most)
    return levels, held


def _tell(report: dict[str, Any], view: BenchView, json_: bool) -> None:
    if json_:
        view.document(json.dumps(report, ensure_ascii=False))
    else:
        view.table(report["levels"])
        if held := report["held"]:
            view.say(told_held(held))
    faults = sorted({fault for level in report["levels"] for trial in level["trials"] for fault in trial["faults"]})
    if faults:
        raise Untrustworthy(
            f"these figures are invalid: {faults[0]}",
            hint="fewer --streams, more --processes, or a machine that does nothing else.",
        )


def told_held(held: dict[str, Any]) -> str:
    """Return what a search found, in one line that says what to do with it."""
    if not held["streams"]:
        return f"not even one stream holds {held['slo_ms']:g} ms: {held['broken_by']}"
    why = held["broken_by"] or "more were not tried: --most"
    return (
        f"holds {held['streams']} streams within {held['slo_ms']:g} ms ({why}); "
        f"plan for {held['streams_per_instance']} on one such server"
    )


def parse_streams(text: str | None, find_max: bool) -> list[int]:
    """Return the numbers of streams in ``1,2,4``. Raises ``UsageError``."""
    if find_max and text is not None:
        raise UsageError("--streams and --find-max ask for different things", hint="leave one of them out.")
    try:
        numbers = [int(part) for part in (text or _LEVELS).split(",")]
    except ValueError:
        numbers = [0]
    if min(numbers) < 1:
        raise UsageError(f"--streams {text!r} is no list of numbers of streams", hint="an example: --streams 1,2,4,8")
    return numbers
