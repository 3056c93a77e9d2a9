"""The border where the answers of SageMaker's runtime, and the SDK's errors, become ours. Pure: no SDK is imported.

The SDK's classes are known by name; a test walks them all and fails on one that no table here has.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from voxctl.errors import (
    AwsError,
    ConnectionLost,
    HandshakeRefused,
    ProtocolError,
    VoxError,
)
from voxctl.transport.sagemaker_target import SageMakerTarget

#: Characters of a server's own words that are passed on.
_MOST_WORDS = 300

_KEYS_HINT = "`aws sts get-caller-identity` says who you are; choose other keys with --profile or AWS_PROFILE."
_PERMISSION_HINT = (
    "have sagemaker:InvokeEndpointWithBidirectionalStream and sagemaker:InvokeEndpoint allowed for this endpoint."
)
_EXPIRED_HINT = "sign in again: `aws sso login`, or renew the keys in the environment."
_CLOCK_HINT = "set this machine's clock: AWS refuses requests that are more than 5 minutes off."
_LATER_HINT = "try again later; the endpoint's metrics in CloudWatch say whether it is full."

#: The name of an answer → what to do about it. All of these are exit code 5: the stream never began, and AWS says why.
DENIED: Mapping[str, str] = {
    "AccessDenied": _PERMISSION_HINT,
    "AccessDeniedException": _PERMISSION_HINT,
    "OptInRequired": _PERMISSION_HINT,
    "ExpiredToken": _EXPIRED_HINT,
    "ExpiredTokenException": _EXPIRED_HINT,
    "RequestExpired": _CLOCK_HINT,
    "RequestTimeTooSkewed": _CLOCK_HINT,
    "IncompleteSignature": _KEYS_HINT,
    "IncompleteSignatureException": _KEYS_HINT,
    "InvalidClientTokenId": _KEYS_HINT,
    "InvalidSignatureException": _KEYS_HINT,
    "MissingAuthenticationToken": _KEYS_HINT,
    "MissingAuthenticationTokenException": _KEYS_HINT,
    "SignatureDoesNotMatch": _KEYS_HINT,
    "UnrecognizedClient": _KEYS_HINT,
    "UnrecognizedClientException": _KEYS_HINT,
}
#: What SageMaker says of a request it understood and cannot carry out: no such endpoint, not in service, no variant.
INVALID = frozenset({"InputValidationError", "ResourceNotFound", "ValidationError", "ValidationException"})
#: Answers that a later attempt need not get, and what in-stream ends are called. The session knows them by name too.
PASSING: Mapping[str, str] = {
    "InternalFailure": _LATER_HINT,
    "InternalServerError": _LATER_HINT,
    "InternalServerException": _LATER_HINT,
    "ServiceUnavailable": _LATER_HINT,
    "ServiceUnavailableError": _LATER_HINT,
    "ServiceUnavailableException": _LATER_HINT,
    "Throttling": _LATER_HINT,
    "ThrottlingException": _LATER_HINT,
    "TooManyRequestsException": _LATER_HINT,
}
#: The container would not have the WebSocket. Its own words are in its log only.
MODEL_ERROR = "ModelError"
#: The ends that arrive inside an open stream.
MODEL_STREAM_ERROR, INTERNAL_STREAM_FAILURE = "ModelStreamError", "InternalStreamFailure"
#: Every answer and every end that the SDK has a class for.
KNOWN = frozenset({*DENIED, *INVALID, *PASSING, MODEL_ERROR, MODEL_STREAM_ERROR, INTERNAL_STREAM_FAILURE})


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer that is no stream. ``code`` is its machine-readable name, ``text`` the server's words."""

    status: int
    code: str | None
    text: str
    request_id: str | None


def answer_of(status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    """Return what an answer says, whatever it is made of. ``headers`` have lower-case names."""
    try:
        document = json.loads(body)
    except ValueError:  # UnicodeDecodeError is one
        document = None
    document = document if isinstance(document, dict) else {}
    name = str(headers.get("x-amzn-errortype") or document.get("__type") or document.get("code") or "")
    text = document.get("message") or document.get("Message") or document.get("OriginalMessage")
    if text is None and not document and "html" not in headers.get("content-type", ""):
        text = body.decode("utf-8", "replace")
    code = name.partition(":")[0].rpartition("#")[2] or None
    return Answer(status, code, _one_line(str(text or "")), headers.get("x-amzn-requestid"))


def _one_line(text: str) -> str:
    # Where a signature is wrong AWS may repeat the request as it was signed; the session's token is in there.
    text = text.partition("The Canonical String")[0]
    words = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return words if len(words) <= _MOST_WORDS else f"{words[:_MOST_WORDS]}…"


def refused(answer: Answer, target: SageMakerTarget) -> VoxError:
    """Return our error for an answer that is no stream."""
    named = f"HTTP {answer.status}" + (f", {answer.code}" if answer.code else "")
    said = f"{target.label} answered {named}" + (f": {answer.text}" if answer.text else "")
    said += f" (request {answer.request_id})" if answer.request_id else ""
    if (hint := _denied(answer, target)) is not None:
        return AwsError(said, hint=hint, status=answer.status, code=answer.code, request_id=answer.request_id)
    hint = _refusal_hint(answer, target)
    return HandshakeRefused(said, status=answer.status, hint=hint, code=answer.code, request_id=answer.request_id)


def _denied(answer: Answer, target: SageMakerTarget) -> str | None:
    """Return what to do about an answer that is AWS's no, ``None`` if it is none."""
    text = answer.text.lower()
    if "signature expired" in text or "signature not yet current" in text:
        return _CLOCK_HINT
    if answer.code in DENIED and "credential should be scoped" in text:
        return f"the request was signed for {target.region}; give the region of the endpoint's address with --region."
    if answer.code is not None and answer.code in DENIED:
        return DENIED[answer.code]
    if answer.code in INVALID or (answer.status == 400 and answer.code is None and "endpoint" in text):
        return f"`aws sagemaker list-endpoints --region {target.region}` lists what there is, and its state."
    if answer.status in (401, 403) and answer.code not in PASSING:
        return _PERMISSION_HINT
    return None


def _refusal_hint(answer: Answer, target: SageMakerTarget) -> str:
    if answer.status == 424 or answer.code == MODEL_ERROR:
        return f"the container refused; its reason is in the log group {log_group(target.endpoint_name)}."
    if answer.code in PASSING or answer.status in (429, 500, 502, 503, 504):
        return _LATER_HINT
    if answer.code is None:
        return f"is {target.host}:{target.port} SageMaker's runtime, or a proxy on the way? Check --endpoint-url."
    return "check --endpoint, --region and --endpoint-url."


def log_group(endpoint_name: str) -> str:
    """Return where an endpoint's containers write."""
    return f"/aws/sagemaker/Endpoints/{endpoint_name}"


def ended(name: str, code: str | None, text: str, target: SageMakerTarget, request_id: str | None) -> ConnectionLost:
    """Return our error for an end that SageMaker announced inside the stream: ``name`` is its kind."""
    what = f"{name}, {code}" if code else name
    said = f"{target.label} ended the stream ({what})" + (f": {_one_line(text)}" if text else "")
    said += f" (request {request_id})" if request_id else ""
    hint = f"the container's side of it is in the log group {log_group(target.endpoint_name)}."
    return ConnectionLost(said, hint=_LATER_HINT if name == INTERNAL_STREAM_FAILURE else hint, reason=code or name)


def dropped(target: SageMakerTarget, request_id: str | None, how: str, *, clean: bool = False) -> ConnectionLost:
    """Return our error for an open stream that is over; ``clean``: the far end said that it sends no more."""
    said = f"{target.label} {how}" + (f" (request {request_id})" if request_id else "")
    hint = f"the container's side of it is in the log group {log_group(target.endpoint_name)}."
    return ConnectionLost(said, code=1000 if clean else None, hint=hint)


def garbled(target: SageMakerTarget, what: str = "something that is no event") -> ProtocolError:
    """Return our error for something in the stream that is no text."""
    return ProtocolError(f"{target.label} sent {what}", hint="is the model behind it a vLLM Realtime server?")


#: The SDK's own exceptions: bytes that are no event, and a wire that broke.
GARBLED = frozenset(
    {
        "ChecksumMismatch",
        "DuplicateHeader",
        "EventError",
        "InvalidEventBytes",
        "InvalidHeaderValue",
        "InvalidHeaderValueLength",
        "InvalidHeadersLength",
        "InvalidIntegerValue",
        "InvalidPayloadLength",
        "MissingInitialResponse",
        "UnmodeledEventError",
    }
)
BROKEN = frozenset({"AwsCrtError"})
#: Those that only a mistake of ours would meet, or that come from parts of the SDK that are not used: its client, its
#: configuration, its credentials, its retries.
UNMET = frozenset(
    {
        "AWSSDKWarning",
        "AsyncBodyError",
        "BaseAWSSDKException",
        "CallError",
        "ClientTimeoutError",
        "ConfigError",
        "ConfigParseError",
        "ConfigValidationError",
        "DiscriminatorError",
        "EndpointResolutionError",
        "ExpectationNotMetError",
        "IdentityChainConfigurationError",
        "IdentityChainError",
        "JSONTokenError",
        "MissingDependencyError",
        "MissingExpectedParameterException",
        "ModeledError",
        "ProcessConfigurationError",
        "ProfileNotFoundError",
        "RetryError",
        "SerializationError",
        "ServiceError",
        "SmithyError",
        "SmithyHTTPError",
        "SmithyIdentityError",
        "UnsupportedStreamError",
        "UnsupportedTransportError",
        "_CRTTimeoutError",
    }
)
