"""What we rely on in the AWS SDK: a new version that changes it must be noticed here, by its number."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from datetime import datetime
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import cast

import pytest
from aws_sdk_sagemaker_runtime_http2 import models
from aws_sdk_signers import AsyncEventSigner, AWSCredentialIdentity, SigV4SigningProperties
from awscrt import http as crt
from smithy_aws_core.aio.protocols import RestJsonClientProtocol
from smithy_aws_event_stream._private.deserializers import EventDeserializer
from smithy_aws_event_stream._private.serializers import EventSerializer
from smithy_aws_event_stream.events import Event, EventHeaderEncoder, EventMessage
from smithy_aws_event_stream.exceptions import EventError
from smithy_core.aio.interfaces import ProtocolSettings

from voxctl.serving.standin.events import EventReader
from voxctl.serving.standin.signature import EventChain
from voxctl.transport import sagemaker_faults
from voxctl.transport.sagemaker_events import PARTIAL, TEXT_HEADERS, UTF8
from voxctl.transport.sagemaker_signature import EventSigner, encoded, text_headers

SDK = "aws-sdk-sagemaker-runtime-http2"
INSTALLED = ", ".join(f"{name} {version(name)}" for name in (SDK, "awscrt", "smithy-core", "aws-sdk-signers"))
#: The packages whose exceptions could reach us, less the parts for other services and for tests.
PACKAGES = (
    "aws_sdk_sagemaker_runtime_http2",
    "aws_sdk_signers",
    "awscrt",
    "smithy_aws_core",
    "smithy_aws_event_stream",
    "smithy_core",
    "smithy_http",
    "smithy_json",
)
ELSEWHERE = ("awscrt.mqtt", "awscrt.mqtt5", "awscrt.s3", "smithy_http.testing")

#: What is used of the SDK's C library beyond its imports: a class, and the attributes or parameters of it.
ATTRIBUTES = {
    crt.Http2ClientConnection: ("new", "request", "close"),
    crt.Http2ClientStream: (
        "activate",
        "completion_future",
        "remote_end_stream_future",
        "update_window",
        "write_data",
    ),
    crt.HttpProxyConnectionType: ("Tunneling",),
    crt.HttpProxyAuthenticationType: ("Basic",),
}
PARAMETERS = {
    crt.Http2ClientConnection.new: (
        "bootstrap",
        "host_name",
        "initial_window_size",
        "manual_window_management",
        "port",
        "proxy_options",
        "socket_options",
        "tls_connection_options",
    ),
    crt.Http2ClientConnection.request: ("request", "on_response", "on_body", "manual_write"),
    crt.Http2ClientStream.write_data: ("data_stream", "end_stream"),
}


def modules() -> Iterator[ModuleType]:
    for name in PACKAGES:
        package = importlib.import_module(name)
        yield package
        for found in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not found.name.startswith(ELSEWHERE):
                yield importlib.import_module(found.name)


def exceptions() -> set[type[BaseException]]:
    return {
        kind
        for module in modules()
        for kind in vars(module).values()
        if inspect.isclass(kind) and issubclass(kind, BaseException) and kind.__module__ == module.__name__
    }


def test_every_exception_of_the_sdk_has_its_place() -> None:
    faults = sagemaker_faults
    placed = faults.KNOWN | faults.GARBLED | faults.BROKEN | faults.UNMET
    found = exceptions()
    assert len(found) > 30, f"where are the exceptions of {INSTALLED}?"
    strangers = sorted(kind.__name__ for kind in found if kind.__name__ not in placed)
    assert not strangers, f"{INSTALLED}: say in transport/sagemaker_faults.py what {strangers} mean"
    garbled = {kind.__name__ for kind in found if issubclass(kind, EventError)}
    assert garbled == faults.GARBLED, f"{INSTALLED}: the errors of its event streams are others now"
    modelled = {kind.__name__ for kind in found if issubclass(kind, models.ServiceError)} - {"ServiceError"}
    assert modelled <= faults.KNOWN, f"{INSTALLED}: say what {modelled - faults.KNOWN} mean"


def test_every_name_we_import_is_there() -> None:
    tree = ast.parse(Path(sagemaker_faults.__file__).with_name("sagemaker.py").read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGES):
            module = importlib.import_module(node.module or "")
            for alias in node.names:
                assert hasattr(module, alias.name), f"{INSTALLED}: {node.module} has no {alias.name} any more"
                assert alias.name == "__version__" or alias.name[0] != "_", (
                    f"{alias.name} is private; say here why it must be used"
                )


@pytest.mark.parametrize("owner", ATTRIBUTES, ids=lambda owner: owner.__name__)
def test_every_attribute_we_use_is_there(owner: type) -> None:
    for name in ATTRIBUTES[owner]:
        assert hasattr(owner, name), f"{INSTALLED}: {owner.__name__} has no {name} any more"


@pytest.mark.parametrize("function", PARAMETERS, ids=lambda function: function.__qualname__)
def test_every_parameter_we_give_is_there(function: object) -> None:
    found = inspect.signature(function).parameters  # type: ignore[arg-type]
    missing = [name for name in PARAMETERS[function] if name not in found]
    assert not missing, f"{INSTALLED}: {function} takes no {missing} any more"


def test_our_events_are_those_the_sdk_itself_would_send() -> None:
    codec = RestJsonClientProtocol(ProtocolSettings(namespace="", service_target="")).payload_codec
    theirs = EventSerializer(payload_codec=codec)  # type: ignore[abstract]  # it is what the SDK makes too
    part = models.RequestPayloadPart(bytes_=b"text", data_type="UTF8", completion_state="COMPLETE")
    models.RequestStreamEventPayloadPart(part).serialize(theirs)
    ours = EventMessage(headers=TEXT_HEADERS, payload=b"text")
    assert theirs.get_result() == ours, f"{INSTALLED} sends other headers with an event"


async def test_our_signatures_are_those_the_sdk_itself_would_make() -> None:
    first, secret = "ab" * 32, "wJalrXUtnFEMI/K7MDENG"
    theirs = AsyncEventSigner(initial_signature=first.encode(), event_encoder_cls=EventHeaderEncoder)
    ours = EventSigner(secret, "eu-west-1", first)
    headers = text_headers(TEXT_HEADERS)
    identity = AWSCredentialIdentity(access_key_id="AKID", secret_access_key=secret)

    async def made(payload: bytes | None) -> bytes:
        properties = SigV4SigningProperties(region="eu-west-1", service="sagemaker")
        if payload is None:
            end = await theirs.sign_empty(event=EventMessage(), identity=identity, properties=properties)
            return bytes(end.encode())
        event = EventMessage(headers=TEXT_HEADERS, payload=payload)
        return bytes((await theirs.sign(event=event, identity=identity, properties=properties)).encode())

    for payload in (b"one", "zwei \u00fc".encode(), b"x" * 200_000, b"", None):
        wanted = await made(payload)
        found = Event.decode(BytesIO(wanted))
        assert found
        at_s = cast(datetime, found.message.headers[":date"]).timestamp() + 0.000_1  # it has whole milliseconds
        event = b"" if payload is None else encoded(headers, payload)
        assert ours.signed(event, at_s) == wanted, f"{INSTALLED} signs events in another way"


def test_a_stream_that_goes_on_past_midnight_is_signed_with_the_key_of_its_day() -> None:
    midnight_s, first = 1_767_225_600.0, "cd" * 32
    signer, chain = EventSigner("secret", "us-east-1", first), EventChain("secret", "us-east-1", first, 300)
    for at_s in (midnight_s - 0.5, midnight_s + 0.5, midnight_s + 1):
        (event,) = EventReader(1000).feed(signer.signed(b"payload", at_s))
        chain.check(event, at_s)


def test_the_events_we_read_mean_the_same_to_the_sdk() -> None:
    codec = RestJsonClientProtocol(ProtocolSettings(namespace="", service_target="")).payload_codec
    headers = {":message-type": "event", ":event-type": "PayloadPart", "DataType": UTF8, "CompletionState": PARTIAL}
    sent = EventMessage(headers=headers, payload=b"half").encode()

    event = Event.decode(BytesIO(sent))
    assert event
    read = models._ResponseStreamEventDeserializer().deserialize(EventDeserializer(event=event, payload_codec=codec))
    assert isinstance(read, models.ResponseStreamEventPayloadPart)
    assert (read.value.data_type, read.value.completion_state, read.value.bytes_) == (UTF8, PARTIAL, b"half")
