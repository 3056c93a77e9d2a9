"""What the stand-in for SageMaker refuses to take for a signature, of a request and of its events."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from smithy_aws_event_stream.events import EventMessage

from tests.fakes.sagemaker import FakeSageMaker, open_sagemaker
from tests.fakes.sagemaker_sdk import Address, open_sdk
from tests.fakes.sagemaker_wire import PATH, Answer, Wire, WireStream, open_wire
from voxctl.serving.standin.signature import Key

TEMPORARY = Key("AKID", "s3cret", session_token="t0ken", expires_s=2_000_000_000)
INVALID = "InvalidSignatureException"


@asynccontextmanager
async def wire_of(service: FakeSageMaker) -> AsyncIterator[Wire]:
    async with open_wire(Address.of(service.stand_in)) as wire:
        yield wire


def refusal(answer: Answer) -> str:
    """Return the error type, having seen that the refusal is complete."""
    assert answer.status == 403 and answer.headers["x-amzn-requestid"] and answer.ended
    assert set(answer.document) == {"message"} and answer.document["message"]
    return answer.headers["x-amzn-errortype"]


# -- requests --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("replaced", "error_type"),
    [
        ({"authorization": None}, "MissingAuthenticationTokenException"),
        ({"authorization": "Bearer s3cret"}, "MissingAuthenticationTokenException"),
        ({"authorization": "AWS4-HMAC-SHA256 Credential=a/b"}, "IncompleteSignatureException"),
        (
            {"authorization": "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=00"},
            "IncompleteSignatureException",
        ),
        ({"x-amz-date": "yesterday"}, "IncompleteSignatureException"),
        ({"x-amz-date": None}, "IncompleteSignatureException"),
        ({"x-custom": "another value"}, INVALID),
        ({"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}, INVALID),
        ({"x-amz-security-token": "not ours"}, "UnrecognizedClientException"),
    ],
)
async def test_a_request_that_was_changed_after_signing_is_refused(
    replaced: dict[str, str | None], error_type: str
) -> None:
    async with open_sagemaker() as service, wire_of(service) as wire:
        stream = await wire.request(headers={"x-custom": "a value"}, replaced=replaced)
        assert refusal(await stream.ended()) == error_type
        assert service.counters.refused == 1


async def test_the_wrong_secret_the_wrong_id_the_wrong_region_and_service_are_refused() -> None:
    async with open_sagemaker() as service, wire_of(service) as wire:
        own = wire.address.key
        streams = [
            await wire.request(key=replace(own, secret_access_key="wrong")),
            await wire.request(key=replace(own, access_key_id="AKIAWRONG")),
            await wire.request(region="eu-west-1"),
            await wire.request(service="s3"),
        ]
        answers = [await stream.ended() for stream in streams]
    assert [refusal(answer) for answer in answers] == [INVALID, "UnrecognizedClientException", INVALID, INVALID]
    messages = [answer.document["message"] for answer in answers]
    assert "does not match" in messages[0] and "eu-west-1" in messages[2] and "sagemaker" in messages[3]


@pytest.mark.parametrize(("off_s", "error"), [(-299, ""), (299, ""), (-301, "expired"), (301, "not yet current")])
async def test_a_clock_may_be_five_minutes_off_and_no_more(off_s: float, error: str) -> None:
    now_s = float(int(time.time()))
    async with open_sagemaker(clock=lambda: now_s) as service, wire_of(service) as wire:
        date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_s + off_s))
        stream = await wire.request(date=date)
        await wire.until(lambda: stream.answer.headers and (not error or stream.answer.ended))
        if error:
            assert refusal(stream.answer) == INVALID and error in stream.answer.document["message"]
        else:
            assert stream.answer.status == 200


async def test_temporary_keys_need_their_token_and_expire() -> None:
    clock = [time.time()]
    key = replace(TEMPORARY, expires_s=clock[0] + 60)
    async with open_sagemaker(keys=[key], clock=lambda: clock[0]) as service, wire_of(service) as wire:
        good = await wire.request(key=key)
        await good.send("hello")
        assert await good.texts(1) == ["hello"]
        for wrong in (replace(key, session_token=None), replace(key, session_token="another")):
            assert refusal(await (await wire.request(key=wrong)).ended()) == "UnrecognizedClientException"
        clock[0] += 61
        assert refusal(await (await wire.request(key=key)).ended()) == "ExpiredTokenException"
        # What was open stays open: the key was good when it was asked.
        await good.send("still here")
        assert await good.texts(2) == ["hello", "still here"]


async def test_what_the_sdk_says_of_a_refusal() -> None:
    async with open_sagemaker() as service:
        wrong = Key(service.stand_in.access_key_id, "wrong")
        async with open_sdk(Address.of(service.stand_in, wrong)) as sdk:
            with pytest.raises(Exception, match="403"):
                await (await sdk.stream()).opened()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/endpoints/a/invocations", 404),
        ("POST", "/", 404),
        ("GET", PATH, 404),
        ("POST", f"{PATH}/more", 404),
        ("POST", "/endpoints/a%2Fb/invocations-bidirectional-stream", 200),
        ("POST", f"{PATH}?b=2&a=%20x&a", 200),
    ],
)
async def test_there_is_one_operation(method: str, path: str, status: int) -> None:
    async with open_sagemaker() as service, wire_of(service) as wire:
        stream = await wire.request(path, method=method)
        await wire.until(lambda: stream.answer.headers)
        assert stream.answer.status == status and stream.answer.headers["x-amzn-requestid"]


@pytest.mark.parametrize("value", ["a b", "a#b", "a?b", "é"])
async def test_a_path_that_is_none_is_refused(value: str) -> None:
    name = "x-amzn-sagemaker-model-invocation-path"
    async with open_sagemaker() as service, wire_of(service) as wire:
        stream = await wire.request(headers={name: value})
        answer = await stream.ended()
    assert answer.headers["x-amzn-errortype"] in ("InputValidationError", INVALID) and answer.status in (400, 403)
    assert service.counters.open_streams == 0


# -- events ----------------------------------------------------------------------------------------------------


async def forged(stream: WireStream, way: str) -> bytes:
    """Return an event that is not, or no longer, signed as it must be."""
    event = await stream.signed(b"second", DataType="UTF8")
    match way:
        case "payload":
            inner = bytearray(event.payload)
            inner[-5] ^= 1
            return EventMessage(headers=event.headers, payload=bytes(inner)).encode()
        case "signature":
            return EventMessage(
                headers=dict(event.headers) | {":chunk-signature": bytes(32)}, payload=event.payload
            ).encode()
        case "unsigned":
            return event.payload
        case "left out":
            return (await stream.signed(b"third", DataType="UTF8")).encode()
        case "repeated":
            return event.encode() * 2
    return b""


@pytest.mark.parametrize("way", ["payload", "signature", "unsigned", "left out", "repeated"])
async def test_an_event_that_was_changed_left_out_or_repeated_ends_the_stream(way: str) -> None:
    async with open_sagemaker() as service, wire_of(service) as wire:
        stream = await wire.request()
        await stream.send("first")
        assert await stream.texts(1) == ["first"]
        await stream.write(await forged(stream, way))
        answer = await stream.ended()
        last = answer.events[-1].headers
        assert last[":message-type"] == "error"
        assert last[":error-code"] == ("IncompleteSignatureException" if way == "unsigned" else INVALID)
        genuine = 2 if way == "repeated" else 1
        assert service.counters.signed_events == service.counters.messages_in == genuine


async def test_an_event_from_another_time_ends_the_stream() -> None:
    clock = [time.time()]
    async with open_sagemaker(clock=lambda: clock[0]) as service, wire_of(service) as wire:
        stream = await wire.request()
        await stream.send("first")
        assert await stream.texts(1) == ["first"]
        clock[0] += 301
        await stream.send("second")
        assert (await stream.ended()).events[-1].headers[":error-code"] == INVALID


async def test_the_first_event_hangs_on_its_own_request() -> None:
    async with open_sagemaker() as service, wire_of(service) as wire:
        one, other = await wire.request(), await wire.request("/endpoints/b/invocations-bidirectional-stream")
        await other.write((await one.signed(b"hello")).encode())
        assert (await other.ended()).events[-1].headers[":error-code"] == INVALID


@pytest.mark.parametrize("way", ["checksum", "prelude", "length", "headers", "not inside", "cut off", "another kind"])
async def test_bytes_that_are_no_event_end_the_stream(way: str) -> None:
    async with open_sagemaker() as service, wire_of(service) as wire:
        stream = await wire.request()
        headers = {":event-type": "Surprise"} if way == "another kind" else {}
        event = bytearray((await stream.signed(b"hello", **headers)).encode())
        match way:
            case "checksum":
                event[-1] ^= 1
            case "prelude":
                event[8] ^= 1
            case "length":
                event[0:8] = b"\x7f\xff\xff\xff\x00\x00\x00\x10"
            case "headers":
                event = bytearray(EventMessage(headers={"a": "b"}, payload=b"x").encode())
            case "cut off":
                event = event[:-3]
        await stream.write(bytes(event), end=way == "cut off")
        if way == "not inside":
            await stream.write(await _signed_nonsense(stream))
        last = (await stream.ended()).events[-1].headers
        assert last[":error-code"] == ("IncompleteSignatureException" if way == "headers" else "ValidationException")


async def _signed_nonsense(stream: WireStream) -> bytes:
    """Return a signed event around an event and more."""
    signed = await stream._signer._sign_payload(
        event=EventMessage(),
        payload=EventMessage(headers={":event-type": "PayloadPart"}, payload=b"x").encode() + b"more",
        identity=stream._identity,
        properties={"region": stream.wire.address.region, "service": "sagemaker"},
    )
    return signed.encode()
