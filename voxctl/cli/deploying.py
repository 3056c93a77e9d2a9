"""What deploy and delete do once they know what is wanted: look, show, ask, carry out, say what came of it."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import typer

from voxctl.aws.apply import Application
from voxctl.aws.causes import likely_cause
from voxctl.aws.client import Account
from voxctl.aws.cloud import Cloud
from voxctl.aws.ends import utc
from voxctl.aws.plan import deploy_plan
from voxctl.aws.preflight import FAILED, Preflight, looked_ahead
from voxctl.aws.spec import Spec
from voxctl.aws.steps import Step
from voxctl.aws.tail import Tail
from voxctl.cli.durations import shown_duration
from voxctl.errors import AwsError, EndpointFailed, Interrupted, UsageError
from voxctl.ui.checks import Line
from voxctl.ui.deploying import DeployingView
from voxctl.ui.streams import product, weather

#: Lines of a container that are shown when its endpoint fails, and how often its log is looked at, in seconds.
_LAST_LINES, _LOOK_S = 8, 3.0


@dataclass(frozen=True, slots=True)
class How:
    """How a plan is carried out. ``limit_s`` bounds its waits; ``waits``: until the endpoint is in service."""

    dry_run: bool
    yes: bool
    as_json: bool
    limit_s: float
    waits: bool = True
    keep: bool = False


def view_for(as_json: bool) -> DeployingView:
    """Return what shows a plan and how it is carried out."""
    return DeployingView(product(sys.stdout), weather(sys.stderr), os.environ, quiet=as_json)


def deployed(account: Account, spec: Spec, ttl_s: int | None, how: How) -> None:
    """Make the endpoint what ``spec`` says. Raises ``VoxError``."""
    view = view_for(how.as_json)
    cloud = Cloud(account)
    before = looked_ahead(cloud, spec, ttl_s)
    view.found([Line(f.status, f.name, f.found, f.cure) for f in before.findings])
    for finding in before.findings:
        if finding.status == FAILED:
            raise finding.error or AwsError(finding.found, hint=finding.cure)
    steps = deploy_plan(before.spec, before.place, before.observed, ttl_s, time.time())
    title = "to be done:" if steps else "unchanged: nothing is to be done"
    view.plan(title, [step.does for step in steps], list(_rights(steps)))
    if not how.waits:
        n_waits = [n for n, step in enumerate(steps) if step.until]
        steps = steps[: n_waits[-1]] if n_waits else steps
    done = "unchanged" if not steps else "planned"
    if steps and not how.dry_run:
        confirmed(how, f"make it so in {before.place.region}?")
        watching = Watching(view, Tail(cloud, spec.name, round(time.time() * 1000)), len(steps))
        _applied(Application(cloud, watching, how.limit_s, how.keep), steps, watching)
        done = "deployed" if how.waits else "begun"
    if how.as_json:
        view.document(json.dumps(_document(before, steps, ttl_s, done), ensure_ascii=False))
    elif not how.dry_run:
        name, region = spec.name, before.place.region
        view.done(f"the endpoint {name} is in service" if how.waits else f"the endpoint {name} is being made")
        view.done(f"  try: voxctl transcribe FILE --endpoint {name} --region {region}; `voxctl delete {name}` ends it")


def carried_out(cloud: Cloud, steps: Sequence[Step], how: How, view: DeployingView) -> None:
    """Carry out a plan that takes away. Raises ``VoxError``."""
    watching = Watching(view, None, len(steps))
    _applied(Application(cloud, watching, how.limit_s, keep=True), steps, watching)


def steps_document(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Return a plan as others read it."""
    return [
        {"does": s.does, "service": s.service, "call": s.call, "parameters": s.parameters, "until": s.until or None}
        for s in steps
    ]


class Watching:
    """Tells a person what happens, the container's words among it."""

    def __init__(self, view: DeployingView, tail: Tail | None, n_steps: int) -> None:
        self._view, self._tail, self._n_steps = view, tail, n_steps
        self._n = 0
        self._looked_s = 0.0
        self.last: list[str] = []

    def begun(self, step: Step) -> None:
        """Say that a step begins."""
        self._n += 1
        self._view.rest()
        self._view.step(f"[{self._n}/{self._n_steps}] {step.does}")

    def waiting(self, step: Step, status: str, elapsed_s: float) -> None:
        """Show what is waited for, and what the container says meanwhile."""
        self._view.waiting(f"{status or 'waiting'}, {shown_duration(elapsed_s)}", status)
        if step.until and time.monotonic() - self._looked_s > _LOOK_S:
            self.listen()

    def listen(self) -> None:
        """Show what the container has said since; a log that cannot be read is none."""
        self._looked_s = time.monotonic()
        try:
            lines = self._tail.lines() if self._tail else []
        except AwsError:
            self._tail = None
            return
        for line in lines:
            self._view.heard(line.text)
        self.last = [*self.last, *(line.text for line in lines)][-_LAST_LINES:]

    def undoing(self, step: Step) -> None:
        """Say that something is taken back."""
        self._view.undo(step.does)

    def rest(self) -> None:
        """Show nothing any longer."""
        self._view.rest()


def _applied(application: Application, steps: Sequence[Step], watching: Watching) -> None:
    try:
        with _ended_as_by_ctrl_c():
            application.run(steps)
    except EndpointFailed as exc:
        watching.listen()
        cause = likely_cause(exc.reason, watching.last)
        exc.hint = f"likely cause: {cause.cause}; {cause.cure}{f' {exc.hint}' if exc.hint else ''}"
        raise
    finally:
        watching.rest()


@contextmanager
def _ended_as_by_ctrl_c() -> Iterator[None]:
    """While open, SIGTERM and SIGHUP end what is done as Ctrl-C does: what was made is taken back."""

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    # What is ignored, as SIGHUP is under `nohup`, stays so.
    heard = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is not signal.SIG_IGN]
    before = [(number, signal.signal(number, end)) for number in heard]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def confirmed(how: How, question: str) -> None:
    """Return when it is to be done. Raises ``UsageError`` if it is not, or nobody can be asked."""
    if how.yes:
        return
    if how.as_json or not sys.stdin.isatty():
        raise UsageError("nobody can be asked whether this is to be done", hint="add --yes, or --dry-run to only look.")
    try:
        agreed = typer.confirm(question, err=True)
    except typer.Abort as exc:
        raise Interrupted("interrupted") from exc
    if not agreed:
        raise UsageError("nothing was done", hint="--dry-run shows the same without asking.")


def _rights(steps: Sequence[Step]) -> Iterator[str]:
    """Yield what the roles that are to be made may do."""
    for step in steps:
        if step.call == "PutRolePolicy":
            yield f"  the role {step.parameters['RoleName']} may:"
            for statement in json.loads(step.parameters["PolicyDocument"])["Statement"]:
                yield f"    {_listed(statement['Action'])} on {_listed(statement['Resource'])}"


def _listed(value: str | list[str]) -> str:
    return value if isinstance(value, str) else ", ".join(value)


def _document(before: Preflight, steps: Sequence[Step], ttl_s: int | None, done: str) -> Mapping[str, Any]:
    spec, place = before.spec, before.place
    schedule = next((s.parameters["ScheduleExpression"][3:-1] + "Z" for s in steps if s.service == "scheduler"), None)
    there = before.observed.schedule
    if schedule is None and there is not None:
        schedule = f"{utc(there.at_s)}Z"
    return {
        "endpoint": spec.name,
        "region": place.region,
        "arn": place.arn("sagemaker", f"endpoint/{spec.name}"),
        "status": done,
        "image": spec.image,
        "instance_type": spec.instance_type,
        "instances": spec.instances,
        "usd_per_hour": before.hourly_usd,
        "ends_at": schedule,
        "checks": [{"name": f.name, "status": f.status, "found": f.found, "cure": f.cure} for f in before.findings],
        "steps": steps_document(steps),
    }
