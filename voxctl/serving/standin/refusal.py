"""How the service says no: a status, an error type and a JSON document."""

from __future__ import annotations

import json
from http import HTTPStatus

#: Errors of the gate before the service name the member in lower case, the service's own in upper case.
_GATE = "message"
_SERVICE = "Message"


class Refused(Exception):
    """A request that is answered with an error instead of a stream."""

    def __init__(self, status: int, error_type: str, document: dict[str, object]) -> None:
        self.message = str(document.get(_SERVICE) or document.get(_GATE) or "")
        super().__init__(f"{status} {error_type}: {self.message}")
        self.status = status
        self.error_type = error_type
        self.headers = (("content-type", "application/json"), ("x-amzn-errortype", error_type))
        self.body = json.dumps(document).encode()


def not_signed() -> Refused:
    """Say that the request carries no signature."""
    return _at_the_gate("MissingAuthenticationTokenException", "Missing Authentication Token")


def incomplete_signature(what: str) -> Refused:
    """Say that the ``Authorization`` header cannot be read."""
    return _at_the_gate("IncompleteSignatureException", what)


def unknown_key() -> Refused:
    """Say that nobody has this key, or the session token is not the key's."""
    return _at_the_gate("UnrecognizedClientException", "The security token included in the request is invalid.")


def expired_token() -> Refused:
    """Say that temporary credentials are over."""
    return _at_the_gate("ExpiredTokenException", "The security token included in the request is expired")


def bad_signature(why: str) -> Refused:
    """Say that the signature is for something else: another secret, date, region or request."""
    return _at_the_gate("InvalidSignatureException", why)


def no_such_operation() -> Refused:
    """Say that this is not the one operation there is."""
    return Refused(HTTPStatus.NOT_FOUND, "UnknownOperationException", {})


def bad_input(what: str) -> Refused:
    """Say that the request breaks a rule of the operation."""
    return Refused(HTTPStatus.BAD_REQUEST, "InputValidationError", {_SERVICE: what, "ErrorCode": "ValidationError"})


def internal_error(what: str) -> Refused:
    """Say that something broke in the service itself."""
    return Refused(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalServerError", {_SERVICE: what})


def too_many_streams(most: int) -> Refused:
    """Say that there is no room."""
    return Refused(HTTPStatus.TOO_MANY_REQUESTS, "ThrottlingException", {_SERVICE: f"{most} streams are open"})


def model_refused(endpoint: str, region: str, status: int | None, what: str) -> Refused:
    """Say that there is no WebSocket to the model. ``status`` is its HTTP answer, if it gave one; its words are in the
    log that is named, and nowhere else.
    """
    log = f"arn:aws:logs:{region}:000000000000:log-group:/aws/sagemaker/Endpoints/{endpoint}"
    document: dict[str, object] = {_SERVICE: what, "LogStreamArn": log}
    if status is not None:
        document["OriginalStatusCode"] = status
    return Refused(HTTPStatus.FAILED_DEPENDENCY, "ModelError", document)


def _at_the_gate(error_type: str, message: str) -> Refused:
    return Refused(HTTPStatus.FORBIDDEN, error_type, {_GATE: message})
