"""The faults that tests of clients are made of do what their names say, seen from the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.sagemaker import (
    QUICK,
    FakeSageMaker,
    Fault,
    https_without_http2,
    open_sagemaker,
    silent_listener,
)
from tests.fakes.sagemaker_sdk import Address, open_sdk
from tests.fakes.sagemaker_wire import Wire, WireStream, open_wire
from voxctl.serving.standin import events
from voxctl.serving.standin.events import EventBroken


@asynccontextmanager
async def faulty(fault: Callable[[FakeSageMaker], Fault]) -> AsyncIterator[tuple[Wire, WireStream]]:
    """A stream that was begun while the fault holds, and on which one message was sent."""
    async with open_sagemaker() as service, open_wire(Address.of(service.stand_in)) as wire:
        with fault(service):
            stream = await wire.request()
            await stream.send("hello")
            yield wire, stream


async def silence(wire: Wire, limit_s: float = 0.2) -> bool:
    """Whether nothing that matters comes for a while."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(limit_s):
            await wire.until(lambda: False)
    return not wire.gone


async def test_refusals_are_in_the_service_s_form_or_a_proxy_s() -> None:
    async with faulty(lambda service: service.refuses(429, "ThrottlingException", "slow down")) as (_, stream):
        answer = await stream.ended()
        assert (answer.status, answer.headers["x-amzn-errortype"]) == (429, "ThrottlingException")
        assert answer.document == {"Message": "slow down"}
    async with faulty(lambda service: service.refuses_with_html(502)) as (_, stream):
        answer = await stream.ended()
        assert answer.status == 502 and answer.body.startswith(b"<html>")


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("way", ["aborts", "drops", "hangs_up", "goes_away_at_once"])
async def test_connections_end(way: str, after: int) -> None:
    async with faulty(lambda service: getattr(service, way)(after=after)) as (wire, stream):
        await wire.until(lambda: False)
        assert wire.gone and not stream.answer.ended and bool(stream.answer.status) == bool(after)


@pytest.mark.parametrize("after", [0, 1])
async def test_streams_are_reset(after: int) -> None:
    async with faulty(lambda service: service.resets(8, after=after)) as (_, stream):
        answer = await stream.ended()
        assert answer.reset == 8 and bool(answer.status) == bool(after)


async def test_a_goaway_lets_the_stream_go_on() -> None:
    async with open_sagemaker() as service, open_sdk(Address.of(service.stand_in)) as sdk:
        with service.goes_away(after=1):
            stream = await (await sdk.stream()).opened()
            for _ in range(2):
                await stream.send("hello")
                assert await stream.receive() == "hello"


async def test_silences() -> None:
    async with faulty(lambda service: service.never_answers()) as (wire, stream):
        assert await silence(wire) and not stream.answer.status
    async with faulty(lambda service: service.falls_silent()) as (wire, stream):
        assert await silence(wire) and stream.answer.status == 200 and not stream.answer.events
    async with faulty(lambda service: service.freezes(after=1)) as (wire, stream):
        assert await silence(wire) and not stream.answer.events


async def test_reading_stops_at_the_window() -> None:
    async with faulty(lambda service: service.stops_reading(after=1)) as (wire, stream):
        before = stream.window()
        while stream.window() > 20_000:
            await stream.send("x" * 10_000)
        assert await silence(wire) and stream.window() <= 20_000 < before
        assert len(stream.answer.events) > 1  # what came in is answered


@pytest.mark.parametrize("after", [0, 1])
async def test_ends_and_events(after: int) -> None:
    async with faulty(lambda service: service.ends(after=after)) as (_, stream):
        assert (await stream.ended()).status == 200
    for fault, kind in (
        ("sends_unknown_exception", "BrandNewException"),
        ("fails_the_model", "ModelStreamError"),
        ("fails_internally", "InternalStreamFailure"),
    ):
        async with faulty(lambda service, fault=fault: getattr(service, fault)(after=after)) as (_, stream):  # type: ignore[misc]
            assert (await stream.ended()).events[-1].headers[":exception-type"] == kind
    async with faulty(lambda service: service.cuts_an_event(after=after)) as (_, stream):
        assert (await stream.ended()).reader.in_event
    async with faulty(lambda service: service.breaks_a_checksum(after=after)) as (_, stream):
        with pytest.raises(EventBroken, match="checksum"):
            await stream.ended()


async def test_any_bytes_and_the_stream_goes_on() -> None:
    data = events.payload_part("he", complete=False) + events.payload_part("llo")
    async with faulty(lambda service: service.sends(data, before_reply=1)) as (_, stream):
        assert await stream.texts(3) == ["he", "llo", "hello"]


async def test_a_fault_strikes_as_often_as_it_was_told() -> None:
    async with open_sagemaker() as service, open_wire(Address.of(service.stand_in)) as wire:
        with service.refuses(503, "ServiceUnavailableError", "later", after=0, times=1):
            assert (await (await wire.request()).ended()).status == 503
            stream = await wire.request()
            await stream.send("hello")
            assert await stream.texts(1) == ["hello"]


async def test_a_connection_on_which_no_stream_may_be_opened() -> None:
    limits = replace(QUICK, streams_per_connection=0)
    async with open_sagemaker(limits=limits) as service, open_wire(Address.of(service.stand_in)) as wire:
        assert wire.h2.remote_settings.max_concurrent_streams == 0


async def test_listeners_that_speak_no_http_2(tmp_path: Path) -> None:
    async with silent_listener() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"hello")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.1)
        writer.close()
    async with open_sagemaker(folder=tmp_path) as service, https_without_http2(tmp_path) as port:
        other = replace(Address.of(service.stand_in), endpoint_url=f"https://localhost:{port}")
        async with open_wire(other) as wire:
            assert wire.writer.get_extra_info("ssl_object").selected_alpn_protocol() is None
