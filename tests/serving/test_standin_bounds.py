"""How long, how much and how many the stand-in takes, and that it leaves nothing behind."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest

from tests.fakes.sagemaker import QUICK, FakeSageMaker, echo_model, open_sagemaker
from tests.fakes.sagemaker_sdk import Address, open_sdk
from tests.fakes.sagemaker_wire import Wire, WireStream, open_wire
from tests.fakes.sockets import Peer, peer_server
from voxctl.serving.standin.limits import Limits
from voxctl.serving.standin.stream import Stream

WORDS = "x" * 10_000


@asynccontextmanager
async def wire_of(service: FakeSageMaker) -> AsyncIterator[Wire]:
    async with open_wire(Address.of(service.stand_in)) as wire:
        yield wire


@asynccontextmanager
async def peer_and_stream(limits: Limits) -> AsyncIterator[tuple[FakeSageMaker, Peer, WireStream]]:
    """A model whose every move the test makes, and a stream to it."""
    async with peer_server() as peers, open_sagemaker(peers.url, limits=limits) as service, wire_of(service) as wire:
        stream = await wire.request()
        yield service, await peers.accepted.get(), stream


async def eventually(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not reached():  # noqa: ASYNC110  # what it waits for tells nobody
            await asyncio.sleep(0.005)


def last_words(stream: WireStream) -> tuple[str, str]:
    """Return the exception's type and its document."""
    event = stream.answer.events[-1]
    return str(event.headers[":exception-type"]), event.payload.decode()


# -- time ------------------------------------------------------------------------------------------------------


async def test_a_model_that_answers_pings_is_kept() -> None:
    async with peer_and_stream(replace(QUICK, ping_s=0.02, missed_pings=2)) as (service, _, stream):
        await eventually(lambda: service.counters.pings >= 8)
        assert service.counters.missed_pings == 0
        await stream.send("still here")


async def test_a_model_that_leaves_pings_unanswered_is_given_up_after_so_many() -> None:
    began_s = asyncio.get_running_loop().time()
    async with peer_and_stream(replace(QUICK, ping_s=0.1, missed_pings=3)) as (service, peer, stream):
        peer.connection.transport.pause_reading()
        await stream.ended()
        took_s = asyncio.get_running_loop().time() - began_s
        assert last_words(stream)[0] == "ModelStreamError" and "3 pings" in last_words(stream)[1]
        assert (service.counters.pings, service.counters.missed_pings) == (3, 3) and took_s >= 0.4


async def test_an_answer_to_a_ping_forgives_those_before() -> None:
    async with peer_and_stream(replace(QUICK, ping_s=0.1, missed_pings=3)) as (service, peer, stream):
        for n_missed in (2, 4):
            peer.connection.transport.pause_reading()
            await eventually(lambda n=n_missed: service.counters.missed_pings == n)  # type: ignore[misc]
            peer.connection.transport.resume_reading()
            n_pings = service.counters.pings
            await eventually(lambda n=n_pings: service.counters.pings >= n + 2)  # type: ignore[misc]
            assert service.counters.missed_pings == n_missed
        await stream.send("still here")
        assert await peer.receive() == "still here"


async def test_a_stream_is_cut_when_its_time_is_over() -> None:
    async with peer_and_stream(replace(QUICK, cut_s=0.2)) as (service, peer, stream):
        await stream.send("hello")
        await stream.ended()
        assert last_words(stream)[0] == "ModelStreamError" and "ModelInvocationTimeExceeded" in last_words(stream)[1]
        assert service.counters.cuts == 1
        await asyncio.wait_for(peer.connection.wait_closed(), 5)


async def test_a_client_that_does_not_stop_sending_after_the_end_is_stopped() -> None:
    async with open_sagemaker() as service, wire_of(service) as wire:
        stream = await wire.request(replaced={"authorization": None})
        await wire.until(lambda: stream.answer.reset is not None)
        assert stream.answer.ended and stream.answer.reset == 0  # NO_ERROR: the answer is complete


# -- amounts ---------------------------------------------------------------------------------------------------


async def test_what_a_model_does_not_read_waits_with_the_client() -> None:
    async with peer_and_stream(replace(QUICK, window_bytes=65_535)) as (service, peer, stream):
        peer.connection.transport.pause_reading()
        n_sent = 0
        while True:
            if stream.window() < 12_000:
                try:
                    async with asyncio.timeout(0.3):
                        await stream.wire.read()
                    continue
                except TimeoutError:
                    break
            await stream.send(WORDS)
            n_sent += len(WORDS)
        assert 100_000 < n_sent < 4_000_000
        # And nothing of it is lost.
        peer.connection.transport.resume_reading()
        received = 0
        while received < n_sent:
            received += len(await peer.receive())
        assert service.counters.messages_in == n_sent // len(WORDS)


async def test_a_model_that_does_not_read_holds_up_no_other_stream() -> None:
    limits = replace(QUICK, window_bytes=65_535, close_s=0.1)
    async with peer_server() as peers, open_sagemaker(peers.url, limits=limits) as service, wire_of(service) as wire:
        stuck = await wire.request()
        (await peers.accepted.get()).connection.transport.pause_reading()
        sending = asyncio.create_task(_flood(stuck))
        other = await wire.request()
        peer = await peers.accepted.get()
        for n in range(20):
            await other.send(f"{n} {WORDS}")
            assert (await asyncio.wait_for(peer.receive(), 5)).startswith(f"{n} ")
            while other.window() < 12_000:  # noqa: ASYNC110  # the flood reads
                await asyncio.sleep(0.001)
        assert not sending.done()
        sending.cancel()


async def _flood(stream: WireStream) -> None:
    """Send whenever there is room, and read meanwhile."""
    while True:
        while stream.window() > 12_000:
            await stream.send(WORDS)
        await stream.wire.read()


async def test_what_a_client_does_not_read_waits_with_the_model() -> None:
    async with peer_and_stream(QUICK) as (service, peer, stream):
        stream.wire.withholding = True
        n_sent = 0
        with pytest.raises(TimeoutError):
            while True:
                async with asyncio.timeout(0.5):
                    await peer.send(WORDS)
                    n_sent += 1
        assert n_sent < 2000
        delivered = service.counters.messages_out
        stream.wire.withholding = False
        connection = stream.wire.h2
        connection.increment_flow_control_window(2**24)
        connection.increment_flow_control_window(2**24, stream.id)
        await stream.wire.flush()
        await stream.texts(n_sent)
        assert delivered < n_sent <= service.counters.messages_out


async def test_a_model_that_closes_well_is_heard_out_by_a_slow_client_that_still_speaks() -> None:
    async with peer_and_stream(QUICK) as (service, peer, stream):
        stream.wire.withholding = True
        for _ in range(2):
            await peer.send("x" * 100_000)  # more than the client's window
        await peer.close(1000)
        await stream.send("too late")
        await eventually(lambda: service.counters.signed_events == 1)
        stream.wire.withholding = False
        stream.wire.h2.increment_flow_control_window(2**20)
        stream.wire.h2.increment_flow_control_window(2**20, stream.id)
        await stream.wire.flush()
        answer = await stream.ended()
        assert [event.headers[":message-type"] for event in answer.events] == ["event", "event"]
        assert service.counters.messages_in == 0


@pytest.mark.parametrize("parts", [1, 7])
async def test_a_message_that_is_too_long_ends_the_stream(parts: int) -> None:
    async with peer_and_stream(replace(QUICK, message_bytes=100_000)) as (service, _, stream):
        for _ in range(parts):
            await stream.send("x" * (110_000 // parts), CompletionState="PARTIAL")
        await stream.ended()
        assert stream.answer.events[-1].headers[":error-code"] == "ValidationException"
        assert service.counters.messages_in == 0


async def test_a_model_s_message_that_is_too_long_breaks_its_connection() -> None:
    async with peer_and_stream(replace(QUICK, message_bytes=100_000)) as (_, peer, stream):
        await peer.send("x" * 100_001)
        await stream.ended()
        assert last_words(stream)[0] == "ModelStreamError"


# -- numbers ---------------------------------------------------------------------------------------------------


async def test_more_streams_than_there_is_room_for_are_throttled() -> None:
    async with open_sagemaker(limits=replace(QUICK, streams=2)) as service, wire_of(service) as wire:
        open_ones = [await wire.request() for _ in range(2)]
        await wire.until(lambda: all(stream.answer.status == 200 for stream in open_ones))
        answer = await (await wire.request()).ended()
        assert answer.status == 429 and answer.headers["x-amzn-errortype"] == "ThrottlingException"
        await open_ones[0].write((await open_ones[0].signed(None)).encode(), end=True)
        await open_ones[0].ended()
        again = await wire.request()
        await wire.until(lambda: again.answer.status == 200)


async def test_more_connections_than_there_is_room_for_are_hung_up_on() -> None:
    async with open_sagemaker(limits=replace(QUICK, connections=1)) as service:
        async with wire_of(service) as first, wire_of(service) as second:
            await second.until(lambda: False)
            assert second.gone
            stream = await first.request()
            await first.until(lambda: stream.answer.status == 200)
        await asyncio.sleep(0.05)
        async with wire_of(service) as third:
            stream = await third.request()
            await third.until(lambda: stream.answer.status == 200)
        assert service.counters.connections == 2


# -- ends ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["reset", "aborted", "breaks HTTP/2"])
async def test_a_client_that_goes_away_leaves_nothing_behind(way: str) -> None:
    async with echo_model() as model, open_sagemaker(model.url) as service, wire_of(service) as wire:
        stream = await wire.request()
        await stream.send("hello")
        await stream.texts(1)
        assert (model.n_open, service.counters.open_streams) == (1, 1)
        match way:
            case "reset":
                wire.h2.reset_stream(stream.id)
                await wire.flush()
            case "aborted":
                wire.writer.transport.abort()
            case _:
                wire.writer.write(b"\x00\x00\x00\x00\x00\x00\x00\x00\x07" * 3)
        await eventually(lambda: (model.n_open, service.counters.open_streams) == (0, 0))
        # Others are served as before.
        async with wire_of(service) as again:
            stream = await again.request()
            await stream.send("hello")
            assert await stream.texts(1) == ["hello"]


async def test_leaving_ends_everything_with_clients_in_every_state() -> None:
    loop, before = asyncio.get_running_loop(), asyncio.all_tasks()
    async with echo_model() as model, AsyncExitStack() as clients:
        async with open_sagemaker(model.url) as service:
            port = service.stand_in.port
            wire, stuck = [await clients.enter_async_context(wire_of(service)) for _ in range(2)]
            sdk = await clients.enter_async_context(open_sdk(Address.of(service.stand_in)))
            stream = await wire.request()
            await stream.send("hello")
            await stream.texts(1)
            with service.freezes(after=0):
                await stuck.request()
                await eventually(lambda: service.counters.open_streams == 2)
            await (await sdk.stream()).opened()
            assert model.n_open == 2
            left_s = loop.time()
        assert loop.time() - left_s < 3 and service.counters.open_streams == 0
        await wire.until(lambda: False)
        await eventually(lambda: model.n_open == 0)
        with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            pass
        assert not [task for task in asyncio.all_tasks() - before if task.get_name().startswith("voxctl")]


@pytest.mark.parametrize("after", [0, 1])
async def test_a_bug_of_the_service_is_an_internal_failure_and_of_one_stream_only(
    after: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def bug(_: Stream) -> bool:
        raise RuntimeError("a bug")

    async with open_sagemaker() as service, wire_of(service) as wire:
        other = await wire.request()
        await wire.until(lambda: other.answer.status == 200)
        with service.strikes(bug, after=after, times=1), caplog.at_level(logging.CRITICAL):
            stream = await wire.request()
            await stream.send("hello")
            answer = await stream.ended()
        if after:
            assert answer.events[-1].headers[":exception-type"] == "InternalStreamFailure"
        else:
            assert answer.status == 500 and answer.headers["x-amzn-errortype"] == "InternalServerError"
        await other.send("hello")
        assert await other.texts(1) == ["hello"]
        await eventually(lambda: service.counters.open_streams == 1)


async def test_what_goes_wrong_is_told_to_whoever_runs_it() -> None:
    said: list[str] = []
    async with open_sagemaker(say=said.append) as service, wire_of(service) as wire:
        await (await wire.request(replaced={"authorization": None})).ended()
    assert said == [
        "stream to 'my-endpoint' refused: 403 MissingAuthenticationTokenException: Missing Authentication Token"
    ]
