"""A stream to SageMaker when the service, the network or the container fails: each case, and its deadline."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme
from smithy_aws_event_stream.events import EventMessage

from tests.fakes.sagemaker import QUICK, FakeSageMaker, https_without_http2, open_sagemaker, silent_listener
from tests.fakes.sockets import peer_server
from tests.transport.streams import ENDPOINT, open_stream, streaming, target_of
from voxctl.errors import AwsError, ConnectFailed, ConnectionLost, HandshakeRefused, ProtocolError, StreamError
from voxctl.serving.standin import events
from voxctl.serving.standin.folder import kept_in
from voxctl.serving.standin.signature import Key
from voxctl.session.policy import GiveUp, Retry, Verdict, verdict
from voxctl.transport.sagemaker_signature import encoded
from voxctl.transport.sagemaker_target import Credentials

#: For what takes milliseconds, on a machine with much else to do.
AT_ONCE_S = 4.0


@pytest.fixture
async def service() -> AsyncIterator[FakeSageMaker]:
    async with open_sagemaker() as service:
        yield service


@contextmanager
def within(limit_s: float) -> Iterator[None]:
    """Fail if the block takes longer."""
    started = time.monotonic()
    yield
    took_s = time.monotonic() - started
    assert took_s < limit_s, f"it took {took_s:.1f} s"


async def until(holds: Callable[[], bool], limit_s: float = 5.0) -> None:
    """Wait for something that nobody announces."""
    async with asyncio.timeout(limit_s):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def fault(service: FakeSageMaker, name: str, *arguments: Any, **moment: int) -> AbstractContextManager[None]:
    made: AbstractContextManager[None] = getattr(service, name)(*arguments, **moment)
    return made


@pytest.mark.parametrize("name", ["drops", "hangs_up", "aborts", "resets", "goes_away_at_once", "goes_away_and_stays"])
async def test_a_connection_that_breaks_before_the_answer_fails_at_once(service: FakeSageMaker, name: str) -> None:
    with fault(service, name, after=0), within(AT_ONCE_S), pytest.raises(ConnectFailed) as caught:
        await open_stream(service)
    assert caught.value.passing and caught.value.hint
    assert "hung up" in caught.value.message and "AWS_" not in caught.value.message


async def test_a_service_that_takes_no_stream_fails_at_once() -> None:
    async with open_sagemaker(limits=replace(QUICK, streams_per_connection=0)) as full:
        with within(AT_ONCE_S), pytest.raises(ConnectFailed) as caught:
            await open_stream(full)
    assert isinstance(verdict(caught.value), Retry)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("drops", None),
        ("hangs_up", None),
        ("aborts", None),
        ("resets", None),
        ("goes_away_at_once", None),
        ("goes_away_and_stays", None),
        ("ends", None),
        ("cuts_an_event", None),
        ("fails_the_model", "ModelInvocationTimeExceeded"),
        ("fails_internally", "InternalStreamFailure"),
        ("sends_unknown_exception", "BrandNewException"),
    ],
)
async def test_a_stream_that_ends_is_an_error_for_sender_receiver_and_closer_at_once(
    service: FakeSageMaker, name: str, reason: str | None
) -> None:
    with fault(service, name, after=2):
        stream = await open_stream(service)
        await stream.send("one")
        assert await stream.receive() == "one"
        await stream.send("two")
        with within(AT_ONCE_S), pytest.raises(ConnectionLost) as caught:
            while True:
                assert await stream.receive() == "two"  # what came before the end is given
        with within(AT_ONCE_S), pytest.raises(ConnectionLost):
            await stream.send("too late")
        with within(AT_ONCE_S):
            await stream.aclose()
    assert caught.value.reason == reason and caught.value.hint
    assert caught.value.code == (1000 if name == "ends" else None)
    assert ENDPOINT in caught.value.message and "request " in caught.value.message


async def test_an_answer_that_ends_with_its_headers_is_no_stream_that_went_well(service: FakeSageMaker) -> None:
    with service.ends(after=0), within(AT_ONCE_S), pytest.raises(ConnectionLost):
        await (await open_stream(service)).receive()


async def test_a_goodbye_to_later_streams_lets_this_one_go_on(service: FakeSageMaker) -> None:
    with service.goes_away(after=1):
        async with streaming(service) as stream:
            await stream.send("one")
            await stream.send("two")
            assert [await stream.receive(), await stream.receive()] == ["one", "two"]
    async with streaming(service) as later:
        await later.send("three")
        assert await later.receive() == "three"


@pytest.mark.parametrize(
    ("status", "code", "text", "kind", "judged"),
    [
        (403, "AccessDeniedException", "is not authorized to perform", AwsError, None),
        (403, "UnrecognizedClientException", "The security token is invalid", AwsError, None),
        (403, "ExpiredTokenException", "The security token has expired", AwsError, None),
        (400, "ValidationError", "Endpoint an-endpoint of account 1 not found.", AwsError, None),
        (400, "InputValidationError", "the variant does not exist", AwsError, None),
        (404, "UnknownOperationException", "no such operation", HandshakeRefused, GiveUp()),
        (424, "ModelError", "Received an error from the container", HandshakeRefused, Retry()),
        (429, "ThrottlingException", "Rate exceeded", HandshakeRefused, Retry()),
        (400, "ThrottlingException", "Rate exceeded", HandshakeRefused, Retry()),
        (500, "InternalServerError", "oops", HandshakeRefused, Retry()),
        (503, "ServiceUnavailableError", "not now", HandshakeRefused, Retry()),
    ],
)
async def test_an_answer_that_is_no_stream_keeps_status_name_text_and_request(
    service: FakeSageMaker, status: int, code: str, text: str, kind: type[Exception], judged: Verdict | None
) -> None:
    with service.refuses(status, code, text), within(AT_ONCE_S), pytest.raises(kind) as caught:
        await open_stream(service)
    error = caught.value
    assert isinstance(error, AwsError | HandshakeRefused) and error.hint
    assert (error.status, error.code) == (status, code) and error.request_id
    assert text in error.message and str(status) in error.message and error.request_id in error.message
    if isinstance(error, HandshakeRefused):
        assert verdict(error) == judged


async def test_a_request_that_aws_repeats_is_not_shown(service: FakeSageMaker) -> None:
    words = "It does not match. The Canonical String for this request should have been 'x-amz-security-token:T0P'"
    with service.refuses(403, "SignatureDoesNotMatch", words), pytest.raises(AwsError) as caught:
        await open_stream(service)
    assert "does not match" in caught.value.message and "T0P" not in f"{caught.value.message}{caught.value.hint}"


async def test_the_log_of_a_container_that_refused_is_named(service: FakeSageMaker) -> None:
    with service.refuses(424, "ModelError", "no"), pytest.raises(HandshakeRefused) as caught:
        await open_stream(service)
    assert f"/aws/sagemaker/Endpoints/{ENDPOINT}" in (caught.value.hint or "")


async def test_a_web_page_from_a_proxy_is_told_as_what_it_is(service: FakeSageMaker) -> None:
    with service.refuses_with_html(407), within(AT_ONCE_S), pytest.raises(HandshakeRefused) as caught:
        await open_stream(service)
    assert caught.value.status == 407 and "<" not in caught.value.message and "proxy" in (caught.value.hint or "")


async def test_a_port_that_takes_the_call_and_never_answers_is_named(service: FakeSageMaker) -> None:
    with service.never_answers(), within(AT_ONCE_S), pytest.raises(ConnectFailed) as caught:
        await open_stream(service, answer_s=0.5)
    assert "8443" in (caught.value.hint or "") and str(service.stand_in.endpoint_url).rpartition(":")[2] in str(caught)
    assert not caught.value.timed_out  # nobody waits 15 s for a port to change its mind


async def test_a_service_that_reads_nothing_stops_the_sender(service: FakeSageMaker) -> None:
    for name in ("stops_reading", "freezes"):
        with fault(service, name, after=1):
            stream = await open_stream(service, send_s=0.3, close_s=0.3)
            with within(5.0), pytest.raises(ConnectionLost, match="taken nothing"):
                while True:
                    await stream.send("x" * 65_536)
            with pytest.raises(ConnectionLost):
                while True:
                    await stream.receive()
            with within(AT_ONCE_S):
                await stream.aclose()


async def test_a_service_that_falls_silent_can_be_left(service: FakeSageMaker) -> None:
    with service.falls_silent():
        stream = await open_stream(service, close_s=0.2)
        await stream.send("one")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(stream.receive(), 0.2)
        with within(AT_ONCE_S):
            await stream.aclose()


async def test_a_receiver_that_does_not_read_stops_the_service() -> None:
    async with (
        peer_server() as server,
        open_sagemaker(server.url) as service,
        streaming(service, close_s=0.2) as stream,
    ):
        far = await server.accepted.get()

        async def flood() -> None:
            for _ in range(500):
                await far.send("x" * 65_536)

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(flood(), 1.0)
        assert len(await stream.receive()) == 65_536


async def test_a_stream_goes_on_for_longer_than_may_wait_unread(service: FakeSageMaker) -> None:
    async with streaming(service) as stream:
        with within(20.0):
            for _ in range(48):
                await stream.send("x" * 65_536)  # 3 MiB in all; 1 MiB may wait
                assert len(await stream.receive()) == 65_536


async def test_an_end_that_the_service_does_not_describe_is_an_end(service: FakeSageMaker) -> None:
    headers = {":message-type": "error", ":error-code": "InvalidSignatureException", ":error-message": "at event 3"}
    with service.sends(EventMessage(headers=headers, payload=b"").encode(), True, after=1):
        async with streaming(service) as stream:
            await stream.send("one")
            with within(AT_ONCE_S), pytest.raises(ConnectionLost, match="at event 3") as caught:
                while True:
                    assert await stream.receive() == "one"
    assert caught.value.reason == "InvalidSignatureException"


async def test_parts_are_joined_and_bytes_that_are_text_are_text(service: FakeSageMaker) -> None:
    parts = events.payload_part("hel", complete=False) + events.payload_part("lo ü", complete=True)
    with service.sends(parts + events.payload_part("as bytes ü".encode()), after=1):
        async with streaming(service) as stream:
            await stream.send("one")
            assert {await stream.receive() for _ in range(3)} == {"hello ü", "as bytes ü", "one"}


#: Right checksums about what is wrong, as a faulty service would make them: headers that end too soon, of a type that
#: nobody knows, that are no text, and a date in a year that has no name.
BAD_HEADERS = {
    "headers cut": b"\x05",
    "unknown header": b"\x01a\x63",
    "header no text": b"\x01a\x07\x00\x01\xff",
    "date too late": b"\x01a\x08" + b"\x7f" * 8,
}


@pytest.mark.parametrize("name", ["breaks_a_checksum", "binary", "no event at all", *BAD_HEADERS])
async def test_what_is_no_text_is_an_error(service: FakeSageMaker, name: str) -> None:
    sent = {"binary": events.payload_part(b"\xff\x00"), "no event at all": b"HTTP/1.1 200 OK\r\n\r\n"}
    sent |= {name: encoded(headers, b"payload") for name, headers in BAD_HEADERS.items()}
    struck = service.sends(sent[name], after=1) if name in sent else fault(service, name, after=1)
    with struck:
        async with streaming(service) as stream:
            await stream.send("one")
            with within(AT_ONCE_S), pytest.raises(ProtocolError):
                while True:
                    assert await stream.receive() == "one"


async def test_an_untrusted_certificate_is_named_with_its_reason(service: FakeSageMaker, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(str(stranger))
    with within(5.0), pytest.raises(ConnectFailed, match=r"not trusted: .*issuer") as caught:
        await open_stream(service, ca_bundle=stranger)
    assert "--ca-bundle" in (caught.value.hint or "")


async def test_certificates_that_were_renewed_are_read_again_and_those_that_have_gone_are_remembered(
    tmp_path: Path,
) -> None:
    bundle = tmp_path / "trusted.pem"
    async with open_sagemaker() as service:
        bundle.write_bytes(service.ca_bundle.read_bytes())
        async with streaming(service, ca_bundle=bundle):
            pass
    async with open_sagemaker() as service:
        with pytest.raises(ConnectFailed, match="not trusted"):
            await open_stream(service, ca_bundle=bundle)
        bundle.write_bytes(service.ca_bundle.read_bytes())
        async with streaming(service, ca_bundle=bundle) as stream:
            await stream.send("renewed")
            assert await stream.receive() == "renewed"
        bundle.unlink()
        async with streaming(service, ca_bundle=bundle):
            pass


async def test_python_keeps_what_it_knows_of_the_library_s_thread(service: FakeSageMaker) -> None:
    async with streaming(service) as stream:
        await stream.send("one")
        await stream.receive()
        await asyncio.sleep(0.1)  # it does not call back any more
        known = set(sys._current_exceptions()) - {thread.ident for thread in threading.enumerate()}
        assert known, "it is set up anew for each call back, which takes a third of its time"


async def test_a_port_that_speaks_no_tls_or_no_http2_or_not_at_all_is_named(
    service: FakeSageMaker, tmp_path: Path
) -> None:
    async with https_without_http2(tmp_path) as port:
        bundle = kept_in(tmp_path).authority
        with within(5.0), pytest.raises(ConnectFailed, match="does not speak HTTP/2"):
            await open_stream(service, endpoint_url=f"https://localhost:{port}", ca_bundle=bundle)
    async with silent_listener() as port:
        with within(5.0), pytest.raises(ConnectFailed, match=f"{port} takes connections and says nothing"):
            await open_stream(service, endpoint_url=f"https://localhost:{port}", open_s=2.0)
    with within(AT_ONCE_S), pytest.raises(ConnectFailed, match="nobody is listening"):  # the listener of above is gone
        await open_stream(service, endpoint_url=f"https://127.0.0.1:{port}")
    with within(5.0), pytest.raises(ConnectFailed, match="no address is known"):
        await open_stream(service, endpoint_url="https://no-such-host.invalid:8443")


async def test_each_stream_asks_for_credentials_and_keeps_them() -> None:
    found = [Credentials("FIRST", "one", "token one"), Credentials("SECOND", "two")]
    keys = [Key("FIRST", "one", session_token="token one"), Key("SECOND", "two")]

    async def next_keys() -> Credentials:
        return found.pop(0)

    async with (
        open_sagemaker(keys=keys) as service,
        streaming(service, credentials=next_keys) as first,
        streaming(service, credentials=next_keys) as second,
    ):
        for stream in (first, second, first):
            await stream.send("signed")
            assert await stream.receive() == "signed"
        assert service.counters.connections == 2


async def test_credentials_that_fail_open_no_connection(service: FakeSageMaker) -> None:
    async def none() -> Credentials:
        raise AwsError("there are none", hint="get some.")

    with pytest.raises(AwsError, match="there are none"):
        await open_stream(service, credentials=none)
    assert service.counters.connections == 0


async def test_an_opening_that_is_given_up_leaves_no_connection(service: FakeSageMaker) -> None:
    with service.never_answers():
        opening = asyncio.create_task(open_stream(service))
        await until(lambda: service.counters.open_streams == 1)
        opening.cancel()
        await until(lambda: service.counters.open_streams == 0)
    with pytest.raises(asyncio.CancelledError):
        await opening


async def test_path_and_variant_are_passed_on(service: FakeSageMaker) -> None:
    asked: list[dict[str, str]] = []

    async def see(stream: Any) -> bool:
        asked.append(dict(stream.request.headers))
        return False

    with service.strikes(see, after=0):
        for settings in ({"variant": "blue"}, {"invocation_path": ""}):
            async with streaming(service, **settings):
                pass
    path, variant = "x-amzn-sagemaker-model-invocation-path", "x-amzn-sagemaker-target-variant"
    assert asked[0][path] == "v1/realtime" and asked[0][variant] == "blue"
    assert path not in asked[1] and variant not in asked[1]


def test_secrets_are_not_shown(service: FakeSageMaker) -> None:
    keys = Credentials("AKID", "very secret", "token too")
    assert "very secret" not in repr(keys) and "token too" not in repr(keys)


async def test_a_verdict_is_given_on_every_end(service: FakeSageMaker) -> None:
    judged = {"fails_the_model": Retry(), "fails_internally": Retry(), "drops": GiveUp(), "ends": GiveUp()}
    for name, wanted in judged.items():
        with fault(service, name, after=1):
            async with streaming(service) as stream:
                await stream.send("one")
                with pytest.raises(StreamError) as caught:
                    while True:
                        await stream.receive()
        assert verdict(caught.value) == wanted, name
        assert verdict(caught.value, resuming=True) == Retry(), name


def test_a_target_names_its_endpoint(service: FakeSageMaker) -> None:
    assert target_of(service).label == f"{ENDPOINT} (us-east-1)"
