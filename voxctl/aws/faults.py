"""The border where botocore's errors become ours. Secrets are in none of their messages."""

from __future__ import annotations

from collections.abc import Mapping

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from voxctl.errors import AwsError

#: What botocore raises when AWS says no, is not reached, or somebody else answers in its place, as a proxy may.
FAILURES = (boto.BotoCoreError, boto.ClientError, ResponseParserError)

_CREDENTIALS_HINT = "`aws configure` or `aws sso login` sets keys up; --profile or AWS_PROFILE chooses among them."
_LOGIN_HINT = "sign in again with `aws sso login`, with --profile if it is not the default one."
_NETWORK_HINT = "check --region and your network; behind a proxy, set HTTPS_PROXY."
_KEYS_HINT = "`aws sts get-caller-identity` says who you are; choose other keys with --profile or AWS_PROFILE."

#: botocore's exception → what to do. The first that fits is taken: the special ones come before their parents.
_HINTS: tuple[tuple[type[Exception], str], ...] = (
    (boto.ProfileNotFound, "`aws configure list-profiles` lists them."),
    (boto.ConfigParseError, "mend the file, or name another with AWS_CONFIG_FILE."),
    (boto.ConfigNotFound, "check AWS_CONFIG_FILE."),
    (boto.UnauthorizedSSOTokenError, _LOGIN_HINT),
    (boto.SSOError, _LOGIN_HINT),
    (boto.TokenRetrievalError, _LOGIN_HINT),
    (boto.NoAuthTokenError, _LOGIN_HINT),
    (boto.ConnectionError, _NETWORK_HINT),
    (boto.HTTPClientError, _NETWORK_HINT),
    (boto.NoCredentialsError, _CREDENTIALS_HINT),
    (boto.PartialCredentialsError, _CREDENTIALS_HINT),
    (boto.CredentialRetrievalError, _CREDENTIALS_HINT),
    (boto.BotoCoreError, "check ~/.aws/config; `aws configure list` shows what is used."),
)
#: The name AWS gives to an error → what to do.
_CODE_HINTS: Mapping[str, str] = {
    "AccessDenied": "have the action allowed for you, or choose other keys with --profile.",
    "AccessDeniedException": "have the action allowed for you, or choose other keys with --profile.",
    "ExpiredToken": "sign in again: `aws sso login`, or renew the keys in the environment.",
    "ExpiredTokenException": "sign in again: `aws sso login`, or renew the keys in the environment.",
    "InvalidClientTokenId": _KEYS_HINT,
    "ResourceLimitExceeded": "ask AWS for more in Service Quotas, or choose another --instance-type.",
    "RequestTimeTooSkewed": "set this machine's clock: AWS refuses requests that are more than 5 minutes off.",
    "SignatureDoesNotMatch": _KEYS_HINT,
    "Throttling": "AWS asks for patience; try again in a moment.",
    "ThrottlingException": "AWS asks for patience; try again in a moment.",
    "UnrecognizedClientException": _KEYS_HINT,
}


def without_request(text: str) -> str:
    """Return AWS's words without the request that it repeats where a signature is wrong: its token is in there."""
    return text.partition("The Canonical String")[0].rstrip()


def renamed(exc: Exception, what: str) -> AwsError:
    """Return our error for one of botocore's, met while doing ``what``."""
    if isinstance(exc, boto.ClientError):
        error, metadata = exc.response.get("Error", {}), exc.response.get("ResponseMetadata", {})
        code, text = str(error.get("Code", "")), without_request(str(error.get("Message", "")))
        return AwsError(
            f"{what}: {code}: {text}" if text else f"{what}: {code}",
            hint=_CODE_HINTS.get(code, "`aws sts get-caller-identity` says who you are."),
            status=metadata.get("HTTPStatusCode"),
            code=code,
            request_id=metadata.get("RequestId"),
        )
    hint = next((hint for kind, hint in _HINTS if isinstance(exc, kind)), "check the AWS configuration.")
    return AwsError(f"{what}: {' '.join(str(exc).split())}", hint=hint)


#: What AWS answers when the same call may be answered well a little later.
_PASSING = frozenset(
    {
        "InternalFailure",
        "InternalServerError",
        "InternalServerException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)


def unanswered(error: BaseException | None) -> bool:
    """Return whether nobody answered, so that nobody knows whether the call was carried out."""
    cause = error.__cause__ if isinstance(error, AwsError) else error
    return isinstance(cause, boto.HTTPClientError | boto.ConnectionError)


def passes(error: AwsError) -> bool:
    """Return whether the same call may be answered well a little later."""
    return unanswered(error) or error.code in _PASSING or (error.status or 0) >= 500
