"""What a session survives over a WebSocket it survives over SageMaker's streams."""

from __future__ import annotations

import asyncio

import pytest

from tests.fakes.oracle import OracleServer
from tests.fakes.sagemaker import open_sagemaker
from tests.fakes.schedule import SURVIVABLE, Schedule
from tests.fakes.tones import judge, script
from tests.session.survival import Outcome, listened
from tests.transport.streams import open_stream
from voxctl.transport.base import Transport

#: At a time: client, service and server share one process, and each frame is signed, verified and encrypted.
_AT_ONCE = 8


async def over_sagemaker(schedule: Schedule) -> Outcome:
    """Run a schedule over the real SDK and the stand-in for the service, twice as fast as speech."""
    server = OracleServer(faults=schedule.strikes, split=True)
    spoken = script(schedule.seed, schedule.script_s)
    async with server.on_a_port() as url, open_sagemaker(upstream=url) as service, asyncio.timeout(150):

        async def connect() -> Transport:
            return await open_stream(service, invocation_path="")

        events, error = await listened(connect, spoken, pace=2.0)
    return Outcome(server, events, error, judge(spoken, events))


@pytest.mark.real
@pytest.mark.timeout(600)
async def test_every_word_survives_fifty_schedules_over_sagemaker() -> None:
    places = asyncio.Semaphore(_AT_ONCE)

    async def struck(schedule: Schedule) -> str:
        async with places:
            outcome = await over_sagemaker(schedule)
        return "" if outcome.perfect else f"{schedule}\n{outcome}\n{schedule!r}"

    wrong = list(filter(None, await asyncio.gather(*map(struck, SURVIVABLE[:50]))))
    assert not wrong, "\n".join(wrong)
