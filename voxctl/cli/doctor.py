"""``voxctl doctor``: what is here, what is missing, and what mends it."""

from __future__ import annotations

import copy
import json
import os
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from voxctl.cli import aws_options as aws
from voxctl.cli import options as o
from voxctl.cli.engines import VllmOpt
from voxctl.cli.interrupt import Interrupts, run_interruptible
from voxctl.cli.settings import UseOpt, are_read, settings_of, settings_read
from voxctl.cli.targets import Choice
from voxctl.cli.variables import unknown_in, unknown_text
from voxctl.cli.wrong import elsewhere, refused
from voxctl.errors import UsageError
from voxctl.ui.checks import ChecksView, Line
from voxctl.ui.streams import product, weather

if TYPE_CHECKING:
    from voxctl.doctor.check import Check, Result

_PREFIX = "VOXCTL_"
_FAULT = "voxctl.doctor.fault"
#: How long the event loop may take to end once everything is told.
_LEAVE_S = 1.5


def _read(ctx: typer.Context, profile: str | None) -> str | None:
    """Read the files as every command does, and keep what is wrong with them for the table."""
    try:
        return str(get_args(UseOpt)[1].callback(ctx, profile) or "") or None
    except UsageError as exc:
        ctx.meta[_FAULT] = exc
        return None


def _lenient() -> Any:
    option = copy.copy(get_args(UseOpt)[1])
    option.callback = _read
    return option


ReadOpt = Annotated[str | None, _lenient()]


def doctor(
    ctx: typer.Context,
    use: ReadOpt = None,
    url: o.UrlOpt = None,
    endpoint: aws.EndpointOpt = None,
    region: aws.RegionOpt = None,
    profile: aws.AwsProfileOpt = None,
    vllm: VllmOpt = None,
    api_key: o.ApiKeyOpt = None,
    ca_bundle: o.CaBundleOpt = None,
    endpoint_url: aws.EndpointUrlOpt = None,
    json_: o.JsonOpt = False,
) -> None:
    """Check this machine, and the server or endpoint that is chosen: what is there, what is missing, what mends it.

    What is missing and not needed by what is chosen is a note. Exit code: that of the first failure, 0 without any.
    """
    from voxctl.doctor.containers import container_checks
    from voxctl.doctor.engine import engine_checks
    from voxctl.doctor.machine import machine_checks
    from voxctl.doctor.sagemaker import Asked, sagemaker_checks
    from voxctl.doctor.server import server_checks

    choice = Choice(url or None, api_key, ca_bundle, endpoint, region, profile, endpoint_url)
    asked = Asked(endpoint, region, profile, endpoint_url, ca_bundle) if choice.is_sagemaker else None
    checks = [
        *machine_checks(),
        *_configuration_checks(ctx),
        *engine_checks(needed=choice.url is None and asked is None, vllm=vllm),
        *container_checks(),
        *server_checks(choice.url, api_key, ca_bundle),
        *sagemaker_checks(asked),
    ]
    view = ChecksView(product(sys.stdout), weather(sys.stderr), os.environ)

    def show(results: Sequence[Result]) -> None:
        if json_:
            view.document(_json(results))
        else:
            view.table([Line(r.finding.status, r.check.name, r.finding.found, r.finding.cure) for r in results])

    if code := carry_out(checks, view.waiting, show):
        raise typer.Exit(code)


def carry_out(
    checks: Sequence[Check], waiting: Callable[[Sequence[str]], None], show: Callable[[Sequence[Result]], None]
) -> int:
    """Carry out all checks, ``show`` what they came to, and return the exit code, or leave the program with it.

    ``waiting`` hears the names of those that are not done, none at the end.
    """
    from voxctl.doctor.check import examined, exit_code_of

    names = [check.name for check in checks]
    leaving: threading.Timer | None = None
    code = 0

    def told(check: Check) -> None:
        names.remove(check.name)
        waiting(names)

    async def run(_: Interrupts) -> None:
        nonlocal leaving, code
        try:
            waiting(names)
            results = await examined(checks, told)
        finally:
            waiting(())
        show(results)
        code = exit_code_of(results)
        # What was too late may not let go: the event loop would wait for it for ever.
        leaving = threading.Timer(_LEAVE_S, os._exit, [code])
        leaving.daemon = True
        leaving.start()

    try:
        run_interruptible(run, lambda _: None)
    finally:
        if leaving is not None:
            leaving.cancel()
    return code


def _json(results: Sequence[Result]) -> str:
    checks = [
        {"name": r.check.name, "status": r.finding.status, "found": r.finding.found, "cure": r.finding.cure}
        for r in results
    ]
    return json.dumps({"checks": checks}, ensure_ascii=False)


def _configuration_checks(ctx: typer.Context) -> list[Check]:
    from voxctl.doctor.check import Check, Finding, Status

    async def files() -> Finding:
        if fault := ctx.meta.get(_FAULT):
            raise fault
        names = [file.name for file in settings_read(ctx).files if file.found] if are_read(ctx) else []
        return Finding(Status.OK, f"{', '.join(names)}: read" if names else "no files, which is fine")

    async def variables() -> Finding:
        for name, option in _options(ctx):
            _judge(ctx, name, option)
        group: Any = ctx.find_root().command
        unknown = unknown_in(os.environ, ctx.command, group.commands)
        if unknown:
            name, nearest = next(iter(unknown.items()))
            cure = f"did you mean {nearest}?" if nearest else f"unset {' '.join(unknown)}"
            return Finding(Status.NOTE, "; ".join(unknown_text(name, None) for name in unknown), cure)
        ours = sorted(name for name in os.environ if name.startswith(_PREFIX))
        return Finding(Status.OK, ", ".join(ours) or "none of voxctl's is set")

    return [
        Check("configuration", files, needed=True, exit_code=UsageError.exit_code),
        Check("variables", variables, needed=True, exit_code=UsageError.exit_code),
    ]


def _options(ctx: typer.Context) -> list[tuple[str, Any]]:
    """Return the variable and the option of every setting of every command."""
    commands: Any = ctx.find_root().command
    return [
        (str(option.envvar), option)
        for command in commands.commands.values()
        for option in settings_of(command).values()
    ]


def _judge(ctx: typer.Context, name: str, option: Any) -> None:
    """Raise ``UsageError`` for a variable whose value the option would not take."""
    if not (text := os.environ.get(name)):
        return
    try:
        option.process_value(ctx, text)
    except typer.BadParameter as exc:
        raise refused(option, name, text, f"{name}={{}}") from exc
    except UsageError as exc:
        raise elsewhere(exc, option.opts[0], name, name) from exc
