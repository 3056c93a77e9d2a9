"""Checks as data: what is looked at, what was found, what mends it. They run side by side, each against a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from voxctl.errors import StreamError, VoxError

#: How long a check that is too late may take to let go of what it holds.
_LET_GO_S = 1.0


class Status(StrEnum):
    """``note``: worth knowing, and nothing that was asked for needs it. ``skipped``: it was not looked at."""

    OK = "ok"
    NOTE = "note"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check came to. ``cure`` is what to type or change next, empty where nothing needs mending."""

    status: Status
    found: str
    cure: str = ""


class NotLookedAt(Exception):
    """A check cannot be carried out, because of what another one has found or was not asked for."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at. ``look`` returns a finding, or raises the ``VoxError`` that a user would meet.

    ``needed``: what was chosen does not work without it; else a failure is no more than a note. ``exit_code`` is what
    a failure means that is not an error with a code of its own. ``late`` is the cure where there is no finding within
    ``limit_s``.
    """

    name: str
    look: Callable[[], Awaitable[Finding]]
    needed: bool = False
    exit_code: int = StreamError.exit_code
    limit_s: float = 5.0
    late: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """A check and its finding. ``exit_code`` is that of a command that meets the same failure, 0 where none would."""

    check: Check
    finding: Finding
    exit_code: int = 0


async def examined(checks: Sequence[Check], told: Callable[[Check], None] = lambda check: None) -> list[Result]:
    """Carry out all checks at once and return their results in order. ``told`` hears of each that is done.

    Takes as long as the longest deadline, ``_LET_GO_S`` added. What hangs in a thread is left behind there. Raises
    nothing but bugs.
    """

    async def carried_out(check: Check) -> Result:
        result = await _looked(check)
        told(check)
        return result

    under_way = [asyncio.ensure_future(carried_out(check)) for check in checks]
    try:
        return list(await asyncio.gather(*under_way))
    except asyncio.CancelledError:
        # Each is letting go; to be told so again would keep it from ending what it has started.
        await asyncio.wait(under_way)
        raise


def exit_code_of(results: Sequence[Result]) -> int:
    """Return the exit code of the first check that failed, 0 if none did."""
    return next((result.exit_code for result in results if result.exit_code), 0)


async def _looked(check: Check) -> Result:
    task = asyncio.ensure_future(check.look())
    try:
        await asyncio.wait({task}, timeout=check.limit_s)
        if task.done():
            return _judged(check, *_found(task))
        return _judged(check, Finding(Status.FAILED, f"no answer within {check.limit_s:g} s", check.late))
    finally:
        if not task.done():
            task.cancel()
            # Programs it has started are ended before the event loop is.
            await asyncio.wait({task}, timeout=_LET_GO_S)
        if task.done() and not task.cancelled():
            task.exception()  # of one that nobody waits for any more, asyncio would tell at the terminal


def _judged(check: Check, finding: Finding, exit_code: int | None = None) -> Result:
    if finding.status is not Status.FAILED:
        return Result(check, finding)
    if not check.needed:
        return Result(check, replace(finding, status=Status.NOTE))
    return Result(check, finding, exit_code or check.exit_code)


def _found(task: asyncio.Future[Finding]) -> tuple[Finding, int | None]:
    try:
        return task.result(), None
    except NotLookedAt as exc:
        return Finding(Status.SKIPPED, str(exc)), None
    except VoxError as exc:
        return Finding(Status.FAILED, exc.message, exc.hint or ""), exc.exit_code
