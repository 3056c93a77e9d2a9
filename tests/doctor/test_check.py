"""Checks run side by side, each against its deadline; nothing that hangs holds them up."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

import pytest

from voxctl.doctor.check import Check, Finding, NotLookedAt, Status, examined, exit_code_of
from voxctl.errors import AwsError

FINE = Finding(Status.OK, "fine")


async def fine() -> Finding:
    return FINE


async def denied() -> Finding:
    raise AwsError("AWS said no", hint="ask nicely.")


async def hangs() -> Finding:
    await asyncio.Event().wait()
    return FINE


async def test_findings_come_in_the_order_of_the_checks() -> None:
    async def later() -> Finding:
        await asyncio.sleep(0.05)
        return Finding(Status.OK, "later")

    told: list[str] = []
    results = await examined([Check("a", later), Check("b", fine)], lambda check: told.append(check.name))
    assert [r.finding.found for r in results] == ["later", "fine"] and told == ["b", "a"]


async def test_an_error_is_a_finding_with_its_hint_as_cure() -> None:
    (result,) = await examined([Check("a", denied, needed=True)])
    assert result.finding == Finding(Status.FAILED, "AWS said no", "ask nicely.")


async def test_what_nothing_needs_is_a_note_when_it_fails_or_hangs() -> None:
    results = await examined([Check("a", denied), Check("b", hangs, limit_s=0.1)])
    assert [r.finding.status for r in results] == [Status.NOTE, Status.NOTE]
    assert exit_code_of(results) == 0


async def test_a_check_that_needs_another_is_skipped() -> None:
    async def without() -> Finding:
        raise NotLookedAt("needs a key")

    (result,) = await examined([Check("a", without, needed=True)])
    assert result.finding == Finding(Status.SKIPPED, "needs a key") and exit_code_of([result]) == 0


async def test_the_exit_code_is_that_of_the_first_failure() -> None:
    async def failed() -> Finding:
        return Finding(Status.FAILED, "it is broken")

    wrong = Check("wrong", failed, needed=True, exit_code=2)
    late = Check("late", hangs, needed=True, exit_code=4, limit_s=0.1)
    refused = Check("refused", denied, needed=True, exit_code=2)  # an error has a code of its own
    before = [Check("fine", fine, needed=True), Check("not needed", denied, exit_code=3)]
    assert exit_code_of(await examined([*before, wrong, refused])) == 2
    assert exit_code_of(await examined([*before, late, wrong])) == 4
    assert exit_code_of(await examined([*before, refused, late])) == 5
    assert exit_code_of(await examined(before)) == 0


async def test_a_bug_is_no_finding() -> None:
    async def broken() -> Finding:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await examined([Check("a", broken), Check("b", fine)])


async def test_what_hangs_is_a_finding_within_its_deadline() -> None:
    began = time.monotonic()
    stuck, well = await examined([Check("a", hangs, needed=True, limit_s=0.2, late="restart it."), Check("b", fine)])
    assert time.monotonic() - began < 5
    assert stuck.finding == Finding(Status.FAILED, "no answer within 0.2 s", "restart it.")
    assert well.finding is FINE


async def test_a_check_that_does_not_let_go_is_left_behind() -> None:
    over = asyncio.Event()

    async def holds_on() -> Finding:
        try:
            await asyncio.Event().wait()
        finally:
            await over.wait()
        return FINE

    began = time.monotonic()
    (result,) = await examined([Check("a", holds_on, needed=True, limit_s=0.1)])
    assert result.finding.status is Status.FAILED and time.monotonic() - began < 5
    over.set()


@pytest.mark.real
@pytest.mark.parametrize("stuck", ["holds_on", "hangs_in_a_thread"])
def test_the_program_ends_though_a_check_never_lets_go(stuck: str) -> None:
    script = f"""
import asyncio, time
from voxctl.cli.doctor import carry_out
from voxctl.doctor.check import Check

async def holds_on():
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass

async def hangs_in_a_thread():
    await asyncio.to_thread(time.sleep, 60)

checks = [Check("stuck", {stuck}, needed=True, exit_code=5, limit_s=0.1)]
raise SystemExit(
    carry_out(checks, lambda names: None, lambda results: print(*(r.finding.found for r in results), flush=True))
)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 5 and done.stdout == "no answer within 0.1 s\n" and done.stderr == ""


async def test_a_thread_gives_its_error_to_who_awaits_it() -> None:
    async def fails() -> Finding:
        return await asyncio.to_thread(_no)

    (result,) = await examined([Check("a", fails, needed=True)])
    assert result.finding.found == "no"


def _no() -> Finding:
    raise AwsError("no")
