"""Our server is held to what the real vLLM server was measured to do."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contract.realtime_server import RealtimeServerContract
from tests.contract.wire import RealtimeServerUnderTest, open_wire
from tests.fakes.scripted import ScriptedEngine, a_word_every
from voxctl.serving.server import open_server


@pytest.fixture
async def server() -> AsyncIterator[RealtimeServerUnderTest]:
    engine = ScriptedEngine(a_word_every(0.3, until_s=90.0))
    async with open_server(engine) as running:
        yield RealtimeServerUnderTest(f"{running.url}/v1/realtime", engine.model)
    assert not engine.open_streams
    assert not engine.is_running


class TestOurServerIsLikeVllm(RealtimeServerContract):
    """Every line of the contract; the greeting has one more field."""

    async def test_the_greeting_names_the_engine_and_its_model(self, server: RealtimeServerUnderTest) -> None:
        async with open_wire(server) as wire:
            assert wire.greeting["voxctl"] == {"engine": "scripted", "model": server.model}
