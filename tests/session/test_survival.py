"""A session loses no word and doubles none, whatever servers and networks do. Seeds are printed: rerun one of them."""

from __future__ import annotations

import asyncio
import re

import pytest

from tests.fakes.oracle import OracleServer
from tests.fakes.schedule import SURVIVABLE, Fault, Strike, schedule
from tests.fakes.tones import script
from tests.fakes.virtual import run_virtual
from tests.session.survival import Outcome, listened, over_a_socket, struck, survived
from voxctl.errors import ConnectFailed, ConnectionLost, ContextFull, StreamError
from voxctl.events import Done, Gap, Notice, Progress, Reconnecting, Resumed, Rotated, Seam
from voxctl.session.policy import Policy
from voxctl.transport.base import Transport

_BATCH = 25


@pytest.mark.parametrize("first", range(0, 1_000, _BATCH))
def test_every_word_survives_every_schedule(first: int) -> None:
    for faults in SURVIVABLE[first : first + _BATCH]:
        outcome = struck(faults)
        assert outcome.perfect, f"{faults}\n{outcome}\n{faults!r}"


@pytest.mark.real
@pytest.mark.parametrize("first", range(0, 50, _BATCH))
def test_as_fast_as_the_server_can_it_is_no_different(first: int) -> None:
    for faults in SURVIVABLE[first : first + _BATCH]:
        outcome = struck(faults, pace=None)
        assert outcome.perfect, f"{faults}\n{outcome}\n{faults!r}"


@pytest.mark.real
def test_a_recogniser_with_faults_of_its_own_is_joined_all_the_same() -> None:
    """Jitter of three ticks, words in pieces, groups, a wrong first word: at most one error in 200 seams, and told."""
    n_seams = n_wrong = 0
    for faults in SURVIVABLE[:75]:
        outcome = struck(faults, realistic=True)
        n_seams += outcome.count(Seam)
        verdict = outcome.verdict
        wrong = len(verdict.lost) + len(verdict.doubled) + len(verdict.reordered)
        cuts_words = any(strike.fault.kind == "blank" for strike in faults.strikes)
        assert not wrong or outcome.n_uncertain or cuts_words, f"{faults}\n{outcome}\n{faults!r}"
        n_wrong += 0 if cuts_words else wrong
    assert n_seams > 80 and n_wrong <= 1


@pytest.mark.real
@pytest.mark.parametrize("first", range(0, 100, _BATCH))
def test_what_cannot_be_survived_ends_with_one_error_and_never_hangs(first: int) -> None:
    for seed in range(first, first + _BATCH):
        faults = schedule(seed)
        outcome = struck(faults)
        verdict = outcome.verdict
        cuts_words = any(strike.fault.kind == "blank" for strike in faults.strikes)
        assert not (verdict.doubled or verdict.reordered), f"{faults}\n{outcome}"
        assert cuts_words or not verdict.faults, f"{faults}\n{outcome}"
        if outcome.error:
            assert isinstance(outcome.error, StreamError) and outcome.error.hint, faults
        else:
            assert isinstance(outcome.events[-1], Done)


def rotated(outcome: Outcome, least: int) -> bool:
    return outcome.perfect and outcome.count(Rotated) >= least and not outcome.n_uncertain


@pytest.mark.real
@pytest.mark.parametrize("pace", [1.0, None], ids=["live", "as fast as it can"])
@pytest.mark.parametrize("pauseless_s", [0.0, 60.0], ids=["with pauses", "without a pause"])
def test_rotation_costs_no_word(pace: float | None, pauseless_s: float) -> None:
    spoken = script(7, 300, pauseless_s=pauseless_s)
    outcome = survived(
        lambda: OracleServer(split=True, tick_cost_s=0.01), spoken, policy=Policy(rotate_s=20.0), pace=pace
    )
    assert rotated(outcome, 8), str(outcome)
    *old, last = [line.ended for line in outcome.server.lines]
    assert last == "done" and set(old) <= {"done", "left"} and old.count("done") >= 8, "each is ended by its done"


def test_a_bug_beside_the_session_is_raised() -> None:
    server, spoken = OracleServer(tick_cost_s=0.01), script(7, 60)

    async def work() -> None:
        async with server.listening() as connect:

            async def broken() -> Transport:
                if server.lines:
                    raise ZeroDivisionError("a bug of a transport")
                return await connect()

            await listened(broken, spoken, policy=Policy(rotate_s=10.0), pace=None)

    with pytest.raises(ZeroDivisionError):
        run_virtual(work, limit_s=300)
    assert len(server.lines) == 1


def test_a_context_that_ends_is_learnt_and_not_met_again() -> None:
    outcome = survived(lambda: OracleServer(split=True, max_deltas=217, tick_cost_s=0.001), script(2, 120))
    assert outcome.perfect, str(outcome)
    assert outcome.count(Resumed) <= 5 and outcome.count(Rotated) >= 4
    assert not outcome.count(Reconnecting), "nobody has to be told"


@pytest.mark.real
@pytest.mark.parametrize("pace", [1.0, None])
def test_a_server_with_one_place_is_not_robbed_of_it(pace: float | None) -> None:
    outcome = survived(
        lambda: OracleServer(slots=1, tick_cost_s=0.01), script(3, 200), policy=Policy(rotate_s=20.0), pace=pace
    )
    assert outcome.perfect and not outcome.count(Rotated), str(outcome)
    ended = survived(lambda: OracleServer(slots=1, max_deltas=217, tick_cost_s=0.01), script(3, 100), pace=pace)
    assert ended.perfect, str(ended)


def test_a_blank_rut_is_left_and_what_was_said_in_it_is_heard() -> None:
    faults = (Strike(Fault("blank"), 5.0),)
    outcome = survived(lambda: OracleServer(faults=faults), script(11, 60))
    assert outcome.perfect and outcome.count(Resumed) == 1, str(outcome)


def test_a_rut_that_does_not_end_is_told_once_and_speech_without_a_word_is_a_gap() -> None:
    # More than one for the second connection: the first may still be there when it begins.
    rut = tuple(Strike(Fault("blank", n=10_000), at_s) for at_s in (0.0, 16.2, 16.4, 16.6))
    outcome = survived(lambda: OracleServer(faults=rut), script(11, 90))
    assert outcome.error is None and outcome.count(Notice) == 1 and outcome.count(Resumed) == 1
    gaps = [event for event in outcome.events if isinstance(event, Gap)]
    assert len(gaps) == 1 and gaps[0].start_s == 0 and gaps[0].end_s > 89 and not outcome.verdict.lost


def test_a_live_source_that_nobody_hears_for_long_says_what_is_gone() -> None:
    faults = (Strike(Fault("drop"), 20.0), Strike(Fault("away", s=50.0)))
    policy = Policy(keep_s=20.0)
    spoken = script(5, 120)
    outcome = survived(lambda: OracleServer(faults=faults), spoken, policy=policy, live=True)
    gaps = [event for event in outcome.events if isinstance(event, Gap)]
    assert outcome.error is None and len(gaps) == 1 and 25 < gaps[0].end_s - gaps[0].start_s < 45, str(outcome)
    assert outcome.verdict.told and not outcome.verdict.lost and not outcome.verdict.doubled
    waited = survived(lambda: OracleServer(faults=faults), spoken, policy=policy)
    assert waited.perfect, "a source that can wait loses nothing"


def test_a_server_behind_the_speaker_is_told_once_and_at_the_end_and_loses_no_word() -> None:
    slow = (Strike(Fault("slow_delta", s=0.5, n=60), 5.0),)
    outcome = survived(lambda: OracleServer(faults=slow), script(5, 90), live=True)
    warning, worst = [e.text for e in outcome.events if isinstance(e, Notice)]
    assert outcome.perfect and "slower than the speaker" in warning, str(outcome)
    lag_s = max(e.source_s - e.acked_s for e in outcome.events if isinstance(e, Progress))
    told = re.fullmatch(r"at worst the server was (\d+) s behind", worst)
    assert told and abs(int(told[1]) + 0.48 - lag_s) < 1.5
    assert 10 < lag_s < 40


def test_without_resume_the_first_failure_is_the_last() -> None:
    faults = (Strike(Fault("drop"), 8.0),)
    outcome = survived(lambda: OracleServer(faults=faults), script(5, 30), policy=Policy(resume=False))
    assert isinstance(outcome.error, ConnectionLost) and not outcome.count(Seam) and len(outcome.server.lines) == 1
    assert outcome.verdict.n_heard > 5 and not outcome.verdict.doubled
    full = survived(lambda: OracleServer(max_deltas=100), script(5, 30), policy=Policy(resume=False))
    assert isinstance(full.error, ContextFull) and len(full.server.lines) == 1


def test_a_server_that_stays_away_is_given_up_in_time() -> None:
    faults = (Strike(Fault("drop"), 8.0), Strike(Fault("away", s=500.0)))
    outcome = survived(lambda: OracleServer(faults=faults), script(5, 300))
    assert isinstance(outcome.error, ConnectFailed) and 10 < outcome.count(Reconnecting) < 200
    assert outcome.verdict.n_heard > 5


def test_five_connections_without_progress_are_enough() -> None:
    faults = (Strike(Fault("drop"), 8.0), *(Strike(Fault("drop"), 0.0) for _ in range(20)))
    outcome = survived(lambda: OracleServer(faults=faults), script(5, 60))
    assert isinstance(outcome.error, ConnectionLost) and len(outcome.server.lines) <= 7


@pytest.mark.real
def test_a_fault_a_minute_for_twenty_minutes_costs_no_word() -> None:
    """``test_memory.py`` does the same for ten hours."""
    spoken = script(99, 1_200.0, pause_rate=0.2)
    usual = (Fault("drop"), Fault("reset"), Fault("stall", s=10.0), Fault("unasked_done"), Fault("error", code=1012))
    faults = [Strike(usual[minute % len(usual)], 60.0 * minute) for minute in range(1, 20)]
    outcome = survived(lambda: OracleServer(faults=tuple(faults)), spoken, chunk_ms=480)
    assert outcome.perfect and outcome.count(Seam) >= 16, str(outcome)


@pytest.mark.real
@pytest.mark.timeout(300)
async def test_every_word_survives_fifty_schedules_over_real_sockets() -> None:
    outcomes = await asyncio.gather(*(over_a_socket(faults) for faults in SURVIVABLE[:50]))
    wrong = [
        f"{faults}\n{outcome}\n{faults!r}"
        for faults, outcome in zip(SURVIVABLE, outcomes, strict=False)
        if not outcome.perfect
    ]
    assert not wrong, "\n".join(wrong)
