"""The real vLLM server: that it keeps the contract, and what it does when it is full, worn out or ended."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.request import urlopen

import psutil
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.contract.realtime_server import RealtimeServerContract
from tests.contract.wire import COMMIT, FINAL, RealtimeServerUnderTest, Wire, append, open_wire, pcm, update
from tests.vllm.make_tiny_model import TinyModel, write_tiny_model
from tests.vllm.server import VllmOptions, VllmServer, running_vllm

# The first test of a class waits for its server.
pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

SECOND = 16000
CONTEXT_TOKENS = 128
API_KEY = "open-sesame"


def _under_test(vllm: VllmServer, delay_s: float = 0.48) -> RealtimeServerUnderTest:
    headers = {"Authorization": f"Bearer {vllm.options.api_key}"} if vllm.options.api_key else {}
    return RealtimeServerUnderTest(vllm.url, vllm.options.model_name, delay_s, headers=headers)


@pytest.fixture(scope="class")
def small_vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmServer]:
    """One slot, a short context, and a key."""
    options = VllmOptions(max_model_len=CONTEXT_TOKENS, max_num_seqs=1, api_key=API_KEY)
    with running_vllm(write_tiny_model(tmp_path_factory.mktemp("small")), options) as vllm:
        yield vllm


@pytest.fixture(scope="class")
def slow_vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmServer]:
    """A checkpoint whose look-ahead is 960 ms."""
    with running_vllm(write_tiny_model(tmp_path_factory.mktemp("slow"), TinyModel(delay_ms=960))) as vllm:
        yield vllm


class TestVllmKeepsTheContract(RealtimeServerContract):
    """Every line of the contract is true of the real server."""

    @pytest.fixture
    def server(self, ordinary_vllm: VllmServer) -> RealtimeServerUnderTest:
        return _under_test(ordinary_vllm)

    async def test_a_binary_message_is_answered_by_hanging_up(self, server: RealtimeServerUnderTest) -> None:
        async with open_wire(server) as wire:
            await wire.send(b"\0\0")
            with pytest.raises(ConnectionClosed) as closed:
                await wire.receive()
            assert closed.value.rcvd is None, "not even a close message"

    async def test_an_empty_model_name_is_taken_for_the_right_one(self, server: RealtimeServerUnderTest) -> None:
        async with open_wire(server) as wire:
            await wire.send(update(""), append(pcm(SECOND)), COMMIT, FINAL)
            assert len((await wire.until_done()).deltas) == server.deltas_in_all(SECOND)

    async def test_white_space_in_base64_is_forgiven(self, server: RealtimeServerUnderTest) -> None:
        chunk = append(pcm(SECOND))
        async with open_wire(server) as wire:
            await wire.send(update(server.model), chunk | {"audio": f"\n{chunk['audio']}\n"}, COMMIT, FINAL)
            assert len((await wire.until_done()).deltas) == server.deltas_in_all(SECOND)


class TestSmallVllm:
    """One slot, a short context, and a key."""

    @pytest.fixture
    def server(self, small_vllm: VllmServer) -> RealtimeServerUnderTest:
        return _under_test(small_vllm)

    async def test_without_the_key_the_handshake_is_401(self, server: RealtimeServerUnderTest) -> None:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": API_KEY}):
            stranger = RealtimeServerUnderTest(server.url, server.model, headers=headers)
            with pytest.raises(InvalidStatus) as refused:
                async with open_wire(stranger):
                    pass
            assert refused.value.response.status_code == 401

    async def test_without_the_key_health_answers_and_models_do_not(self, server: RealtimeServerUnderTest) -> None:
        def status(path: str) -> int:
            try:
                with urlopen(server.http_url + path, timeout=10) as answer:
                    return int(answer.status)
            except HTTPError as refusal:
                refusal.close()
                return refusal.code

        paths = ("/health", "/ping", "/v1/models")
        assert [await asyncio.to_thread(status, path) for path in paths] == [200, 200, 401]

    async def test_the_end_of_the_context_is_a_done_nobody_asked_for(self, server: RealtimeServerUnderTest) -> None:
        async with open_wire(server) as wire:
            await wire.send(update(server.model), append(pcm(20 * SECOND)), COMMIT)
            utterance = await wire.until_done()
            assert len(utterance.deltas) == CONTEXT_TOKENS - server.prompt_tokens
            assert utterance.done["usage"]["total_tokens"] == CONTEXT_TOKENS
            assert await wire.stays_quiet()

    async def test_the_context_may_end_inside_the_tail(self, server: RealtimeServerUnderTest) -> None:
        n_context = CONTEXT_TOKENS - server.prompt_tokens
        n_samples = (n_context - 9) * 1280
        assert server.deltas_so_far(n_samples) < n_context < server.deltas_in_all(n_samples)
        async with open_wire(server) as wire:
            assert len((await wire.say(pcm(n_samples))).deltas) == n_context

    async def test_audio_sent_after_the_context_ended_heads_the_next_utterance(
        self, server: RealtimeServerUnderTest
    ) -> None:
        async with open_wire(server) as wire:
            await wire.send(update(server.model), append(pcm(20 * SECOND)), COMMIT)
            await wire.until_done()
            await wire.send(append(pcm(SECOND)))
            assert await wire.stays_quiet()
            assert len((await wire.say(pcm(SECOND))).deltas) == server.deltas_in_all(2 * SECOND)

    async def test_a_stream_too_many_waits_without_a_word_until_a_slot_is_free(
        self, server: RealtimeServerUnderTest
    ) -> None:
        async with open_wire(server) as first, open_wire(server) as second:
            await first.send(update(server.model), append(pcm(SECOND)), COMMIT)
            await first.deltas(server.deltas_so_far(SECOND))
            await second.send(update(server.model), append(pcm(SECOND)), COMMIT, FINAL)
            assert await second.stays_quiet(3.0)
            await first.send(FINAL)
            await first.until_done()
            assert len((await second.until_done()).deltas) == server.deltas_in_all(SECOND)

    async def test_a_connection_that_is_cut_frees_its_slot(self, server: RealtimeServerUnderTest) -> None:
        async with open_wire(server) as first:
            await first.send(update(server.model), append(pcm(SECOND)), COMMIT)
            await first.deltas(1)
            first.socket.transport.abort()
        async with open_wire(server) as second:
            assert len((await second.say(pcm(SECOND))).deltas) == server.deltas_in_all(SECOND)

    async def test_a_server_being_ended_closes_every_stream_with_1012(self, small_vllm: VllmServer) -> None:
        server = _under_test(small_vllm)
        async with open_wire(server) as busy, open_wire(server) as idle:
            await busy.send(update(server.model), append(pcm(2 * SECOND)), COMMIT)
            await busy.deltas(server.deltas_so_far(2 * SECOND))
            small_vllm.process.send_signal(signal.SIGTERM)
            assert await _closing_code(busy) == await _closing_code(idle) == 1012
        assert await asyncio.to_thread(small_vllm.process.wait, 20) == 0


class TestVllmWithAnotherDelay:
    """A checkpoint whose look-ahead is 960 ms, and the death of its engine."""

    async def test_the_delay_moves_the_deltas_but_not_their_number(self, slow_vllm: VllmServer) -> None:
        server = _under_test(slow_vllm, delay_s=0.96)
        async with open_wire(server) as wire:
            await wire.send(update(server.model), append(pcm(2 * SECOND)), COMMIT)
            early = await wire.deltas(server.deltas_so_far(2 * SECOND))
            assert await wire.stays_quiet()
            await wire.send(FINAL)
            rest = await wire.until_done()
            assert len(early) + len(rest.deltas) == server.deltas_in_all(2 * SECOND)
            assert rest.done["usage"]["prompt_tokens"] == server.prompt_tokens == 45

    async def test_when_the_engine_dies_a_stream_hears_of_it_before_all_are_closed(self, slow_vllm: VllmServer) -> None:
        server = _under_test(slow_vllm, delay_s=0.96)
        async with open_wire(server) as busy, open_wire(server) as idle:
            await busy.send(update(server.model), append(pcm(2 * SECOND)), COMMIT)
            await busy.deltas(server.deltas_so_far(2 * SECOND))
            for child in psutil.Process(slow_vllm.process.pid).children(recursive=True):
                if child.name().startswith("VLLM::"):
                    child.kill()
            assert await busy.fails_with() == "processing_error"
            assert await _closing_code(busy) == await _closing_code(idle) == 1012


async def _closing_code(wire: Wire) -> int | None:
    """The code with which the server closes, without ever saying that a stream is done.

    A busy stream may first get an empty delta, for a token that was never computed, or hear of the engine's death;
    which of them depends on what ends sooner.
    """
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            message = await wire.receive()
            assert message.get("delta") == "" or message.get("code") == "processing_error", message
    return closed.value.rcvd.code if closed.value.rcvd else None
