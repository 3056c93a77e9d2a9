"""Our server is held to what the real vLLM server was measured to do."""

from __future__ import annotations

import time
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
    """Every line of the contract, but for the greeting, to which ours adds one field."""

    async def test_it_greets_at_once_with_a_session_of_its_own(self, server: RealtimeServerUnderTest) -> None:
        async with open_wire(server) as one, open_wire(server) as other:
            assert one.greeting.keys() == {"type", "id", "created", "voxctl"}
            assert one.greeting["voxctl"] == {"engine": "scripted", "model": server.model}
            assert one.greeting["type"] == "session.created"
            assert one.greeting["id"].startswith("sess-")
            assert one.greeting["id"] != other.greeting["id"]
            assert abs(one.greeting["created"] - time.time()) < 60
            assert await one.stays_quiet()
