"""A stream to a SageMaker endpoint: HTTP/2 both ways. The only file that imports the AWS SDK.

The SDK describes the call, signs it and each event, and frames them; its C library carries the bytes. Its client class
is left out: it takes 0.3 s to load, loses the server's words, and waits for ever on a connection that broke before an
answer.
"""

from __future__ import annotations

import asyncio
import logging
import struct
import time
from collections.abc import Mapping
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any
from zlib import crc32

from aws_sdk_sagemaker_runtime_http2 import __version__ as sdk_version
from aws_sdk_sagemaker_runtime_http2.models import (
    INVOKE_ENDPOINT_WITH_BIDIRECTIONAL_STREAM,
    InvokeEndpointWithBidirectionalStreamInput,
)
from aws_sdk_signers import AsyncSigV4Signer, AWSCredentialIdentity, SigV4SigningProperties
from awscrt import http as crt
from awscrt import io as crt_io
from awscrt.exceptions import AwsCrtError
from smithy_aws_core.aio.protocols import RestJsonClientProtocol
from smithy_aws_event_stream.events import Event
from smithy_aws_event_stream.exceptions import EventError
from smithy_core import URI
from smithy_core.aio.interfaces import ProtocolSettings
from smithy_core.endpoints import Endpoint
from smithy_core.types import TypedProperties

from voxctl.transport import sagemaker_faults as faults
from voxctl.transport import sagemaker_unanswered as unanswered
from voxctl.transport.sagemaker_call import Call, hang_up, watched
from voxctl.transport.sagemaker_doubt import give_reason, look_into
from voxctl.transport.sagemaker_events import PRELUDE_BYTES, TEXT_HEADERS
from voxctl.transport.sagemaker_signature import EventSigner, encoded, text_headers
from voxctl.transport.sagemaker_stream import SageMakerTransport
from voxctl.transport.sagemaker_target import Credentials, SageMakerTarget
from voxctl.transport.tls import HTTP2, tls_context

#: A connection that takes longer, in seconds, is looked into.
_DOUBT_S = 1.0
#: How long the words of an answer that is no stream are waited for, in seconds.
_ANSWER_S = 1.0
#: What may arrive unread before the far end must wait.
_UNREAD_BYTES = 1024 * 1024
#: A far end that vanished without a word is found out after some 20 s.
_KEEP_ALIVE_S, _KEEP_ALIVE_PROBES = 5, 3
#: What the SDK raises of bytes that are no event: the others are its reader's, which trusts them.
_NO_EVENT = (EventError, ValueError, LookupError, OverflowError, struct.error)
#: How many kinds of event are told by the bytes of their headers.
_MOST_KNOWN = 16
#: What the C library raises: ``RuntimeError`` where it has no name for it.
_ERRORS = (AwsCrtError, RuntimeError, OSError)

#: To make one takes as long as a connection: file → when it was written, and what trusts it.
_trusting: dict[Path | None, tuple[int, crt_io.ClientTlsContext]] = {}

_log = logging.getLogger(__name__)


async def open_sagemaker(target: SageMakerTarget) -> SageMakerTransport:
    """Open one stream. Raises ``AwsError``, ``ConnectFailed`` or ``HandshakeRefused``.

    Credentials are asked for first, within their own deadlines. Then the connection and the answer to the call have
    theirs.
    """
    codec = _Codec(target, await target.credentials())
    request = await codec.request()
    connection = await _connection(target)
    try:
        call, headers = await _answered(target, connection, request)
    except BaseException:
        connection.close()
        raise
    request_id = headers.get("x-amzn-requestid")
    _log.debug("a stream to %s is open, request %s", target.label, request_id)
    return SageMakerTransport(target, call, codec, request_id)


async def _answered(target: SageMakerTarget, connection: Any, request: Any) -> tuple[Call, dict[str, str]]:
    """Make the call; return it with the headers of its answer once that is a stream."""
    try:
        call = Call(connection, request, _ERRORS)
    except _ERRORS as exc:
        raise unanswered.hung_up(target, unanswered.words_of(exc)) from exc
    await call.wait_for_answer(target.patience_s)
    if not call.answered.done():
        if call.over.done():
            broken = call.over.result()
            raise unanswered.hung_up(target, unanswered.words_of(broken) if broken else "the stream ended") from broken
        raise unanswered.silent(target)
    status, headers = call.answered.result()
    if status != 200:
        await asyncio.wait({call.over}, timeout=_ANSWER_S)
        raise faults.refused(faults.answer_of(status, headers, bytes(call.body)), target)
    return call, headers


async def _connection(target: SageMakerTarget) -> Any:
    """Return an open connection that speaks HTTP/2. Raises ``ConnectFailed`` with the reason within ``open_s``."""
    ends_s = asyncio.get_running_loop().time() + target.open_s
    opening, connection = None, None
    try:
        opening = crt.Http2ClientConnection.new(**_options(target))
        opened = watched(opening)
        await asyncio.wait({opened}, timeout=min(_DOUBT_S, target.open_s))
        if not opened.done():
            await look_into(target, opened, ends_s)
        if not opened.done():
            raise unanswered.slow(target)
        connection = opened.result()
    except _ERRORS as exc:
        if "TLS" in unanswered.name_of(exc):
            await give_reason(target)
        raise unanswered.connect_failed(exc, target) from exc
    finally:
        if connection is None and opening is not None:
            opening.add_done_callback(hang_up)
    return connection


def _options(target: SageMakerTarget) -> dict[str, Any]:
    tls = _tls(target.ca_bundle).new_connection_options()
    tls.set_server_name(target.host)
    tls.set_alpn_list([HTTP2])
    socket = crt_io.SocketOptions()
    socket.connect_timeout_ms = round(target.open_s * 1000)
    socket.keep_alive = True
    socket.keep_alive_timeout_secs = socket.keep_alive_interval_secs = _KEEP_ALIVE_S
    socket.keep_alive_max_probes = _KEEP_ALIVE_PROBES
    return {
        "host_name": target.host,
        "port": target.port,
        "bootstrap": _bootstrap(),
        "socket_options": socket,
        "tls_connection_options": tls,
        "proxy_options": _proxy(target),
        "manual_window_management": True,
        "initial_window_size": _UNREAD_BYTES,
    }


def _proxy(target: SageMakerTarget) -> crt.HttpProxyOptions | None:
    if (proxy := target.proxy) is None:
        return None
    options = crt.HttpProxyOptions(proxy.host, proxy.port, connection_type=crt.HttpProxyConnectionType.Tunneling)
    if proxy.username is not None:
        options.auth_type = crt.HttpProxyAuthenticationType.Basic
        options.auth_username, options.auth_password = proxy.username, proxy.password or ""
    return options


@cache
def _bootstrap() -> crt_io.ClientBootstrap:
    threads = crt_io.EventLoopGroup(1)
    return crt_io.ClientBootstrap(threads, crt_io.DefaultHostResolver(threads))


def _tls(ca_bundle: Path | None) -> crt_io.ClientTlsContext:
    """Return what trusts the certificates of a file as it is now; of one that has gone, as it was."""
    try:
        written = ca_bundle.stat().st_mtime_ns if ca_bundle else 0
    except OSError:
        written = None
    before = _trusting.get(ca_bundle)
    if before and written in (None, before[0]):
        return before[1]
    options = crt_io.TlsContextOptions()
    if ca_bundle is not None:
        tls_context(ca_bundle)  # says what is wrong with the file
        options.override_default_trust_store(ca_bundle.read_bytes())
    trusting = crt_io.ClientTlsContext(options)
    _trusting[ca_bundle] = written or 0, trusting
    return trusting


class _Codec:
    """Makes the call and its events, signed from the first to the last with the same keys; reads what comes back."""

    def __init__(self, target: SageMakerTarget, keys: Credentials) -> None:
        self._target = target
        self._keys = keys
        self._headers = text_headers(TEXT_HEADERS)
        self._known: dict[bytes, Mapping[str, object]] = {}

    async def request(self) -> Any:
        """Return the signed call."""
        target, protocol = self._target, RestJsonClientProtocol(ProtocolSettings(namespace="", service_target=""))
        call = InvokeEndpointWithBidirectionalStreamInput(
            endpoint_name=target.endpoint_name,
            target_variant=target.variant or None,
            model_invocation_path=target.invocation_path or None,
        )
        plain = protocol.serialize_request(
            operation=INVOKE_ENDPOINT_WITH_BIDIRECTIONAL_STREAM,
            input=call,
            endpoint=URI(host=""),
            context=TypedProperties(),
        )
        uri = URI(scheme="https", host=target.host, port=target.port)
        plain = protocol.set_service_endpoint(request=plain, endpoint=Endpoint(uri=uri))
        signed = await AsyncSigV4Signer().sign(
            request=plain,  # type: ignore[arg-type]  # the SDK's own pipeline does the same
            identity=AWSCredentialIdentity(
                access_key_id=self._keys.access_key_id,
                secret_access_key=self._keys.secret_access_key,
                session_token=self._keys.session_token,
            ),
            properties=SigV4SigningProperties(region=target.region, service="sagemaker"),
        )
        first = signed.fields["Authorization"].as_string().rpartition("Signature=")[2]
        self._signer = EventSigner(self._keys.secret_access_key, target.region, first)
        headers = [(field.name, value) for field in signed.fields for value in field.values]
        headers += [
            ("host", signed.destination.netloc),
            ("user-agent", f"voxctl sagemaker-runtime-http2/{sdk_version}"),
        ]
        return crt.HttpRequest("POST", signed.destination.path, crt.HttpHeaders(headers))

    def event(self, payload: bytes) -> bytes:
        """Return the next event, which carries ``payload``."""
        return self._signer.signed(encoded(self._headers, payload), time.time())

    def end(self) -> bytes:
        """Return the event that says that no more come."""
        return self._signer.signed(b"", time.time())

    def read(self, event: bytes) -> tuple[Mapping[str, object], bytes]:
        """Return the headers and the payload of one event. Raises ``ProtocolError``."""
        # Nearly all have the same headers; to read them again is most of the work.
        ends = PRELUDE_BYTES + int.from_bytes(event[4:8])
        block = event[PRELUDE_BYTES:ends]
        if (known := self._known.get(block)) and crc32(event[:-4]) == int.from_bytes(event[-4:]):
            return known, event[ends:-4]
        try:
            found = Event.decode(BytesIO(event))
        except _NO_EVENT as exc:
            raise faults.garbled(self._target) from exc
        assert found  # there are bytes
        if len(self._known) < _MOST_KNOWN:
            self._known[block] = found.message.headers
        return found.message.headers, found.message.payload
