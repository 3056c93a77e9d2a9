"""Signature Version 4, seen from the service: of a request, and of the chain of events that hangs on it. Pure.

An event's signature covers the one before it, the first that of the request, so that none can be left out, repeated
or exchanged. Signatures are compared in constant time.
"""

from __future__ import annotations

import calendar
import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote

from voxctl.serving.standin import refusal
from voxctl.serving.standin.events import StreamEvent, date_header

SERVICE = "sagemaker"
_ALGORITHM = "AWS4-HMAC-SHA256"
_END = "aws4_request"
_DATE_FORMAT = "%Y%m%dT%H%M%SZ"
_EVENTS_HASH = "STREAMING-AWS4-HMAC-SHA256-EVENTS"
#: What a signature must at least cover.
_COVERED = {"host", "x-amz-date"}


@dataclass(frozen=True, slots=True)
class Key:
    """A key that may sign. ``session_token`` makes it temporary, until ``expires_s`` on the service's clock."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    expires_s: float | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A request as far as it is signed: ``target`` is path and query as sent, header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Gate:
    """Who may sign, for which region, and how far a date may be off, in seconds."""

    keys: Sequence[Key]
    region: str
    skew_s: float

    def admit(self, request: Request, now_s: float) -> EventChain:
        """Verify the request's signature and return the chain of its events. Raises ``Refused``."""
        claim = _Claim.of(request.headers.get("authorization", ""))
        key = self._key_of(claim, request.headers.get("x-amz-security-token"), now_s)
        self._check_scope(claim)
        amz_date = request.headers.get("x-amz-date", "")
        _check_date(amz_date, now_s, self.skew_s)
        if claim.day != amz_date[:8]:
            raise refusal.bad_signature(
                f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
                f"'{claim.day}' != '{amz_date[:8]}', from '{amz_date}'."
            )
        if missing := _COVERED - set(claim.signed):
            raise refusal.bad_signature(f"'{min(missing)}' must be a 'SignedHeader' in the AWS Authorization.")
        digest = hashlib.sha256(_canonical(request, claim.signed).encode()).hexdigest()
        wanted = _hmac(
            _signing_key(key.secret_access_key, claim.scope), f"{_ALGORITHM}\n{amz_date}\n{claim.scope}\n{digest}"
        )
        if not hmac.compare_digest(wanted.hex().encode(), claim.signature.encode()):
            raise refusal.bad_signature(
                "The request signature we calculated does not match the signature you provided. "
                "Check your AWS Secret Access Key and signing method."
            )
        return EventChain(key.secret_access_key, self.region, wanted.hex(), self.skew_s)

    def _key_of(self, claim: _Claim, token: str | None, now_s: float) -> Key:
        for key in self.keys:
            if key.access_key_id == claim.key_id and _same(key.session_token, token):
                if key.expires_s is not None and now_s >= key.expires_s:
                    raise refusal.expired_token()
                return key
        raise refusal.unknown_key()

    def _check_scope(self, claim: _Claim) -> None:
        if claim.region != self.region:
            raise refusal.bad_signature(f"Credential should be scoped to a valid region, not '{claim.region}'.")
        if claim.service != SERVICE:
            raise refusal.bad_signature(f"Credential should be scoped to correct service: '{SERVICE}'.")


@dataclass(frozen=True, slots=True)
class _Claim:
    """What the ``Authorization`` header says."""

    key_id: str
    day: str
    region: str
    service: str
    signed: list[str]
    signature: str

    @property
    def scope(self) -> str:
        return f"{self.day}/{self.region}/{self.service}/{_END}"

    @classmethod
    def of(cls, authorization: str) -> _Claim:
        """Parse the header. Raises ``Refused``."""
        algorithm, _, rest = authorization.partition(" ")
        if algorithm != _ALGORITHM:
            raise refusal.not_signed()
        parts = dict(part.strip().partition("=")[::2] for part in rest.split(","))
        for name in ("Credential", "SignedHeaders", "Signature"):
            if not parts.get(name):
                raise refusal.incomplete_signature(f"Authorization header requires '{name}' parameter.")
        credential = parts["Credential"].split("/")
        if len(credential) != 5 or credential[-1] != _END:
            raise refusal.incomplete_signature("Credential must have exactly 5 slash-delimited elements.")
        key_id, day, region, service, _ = credential
        return cls(key_id, day, region, service, parts["SignedHeaders"].split(";"), parts["Signature"])


class EventChain:
    """The signatures of one stream's events, each of which covers the one before."""

    def __init__(self, secret: str, region: str, first: str, skew_s: float) -> None:
        self._secret = secret
        self._region = region
        self._prior = first
        self._skew_s = skew_s
        self._day = ""
        self._key = b""

    def check(self, event: StreamEvent, now_s: float) -> None:
        """Verify the next event's signature. Raises ``Refused``."""
        date_ms, signature = event.headers.get(":date"), event.headers.get(":chunk-signature")
        if not isinstance(date_ms, int) or not isinstance(signature, bytes):
            raise refusal.incomplete_signature("An event requires the headers ':date' and ':chunk-signature'.")
        if abs(date_ms / 1000 - now_s) > self._skew_s:
            raise _off(str(date_ms), date_ms / 1000, now_s, self._skew_s)
        date = time.strftime(_DATE_FORMAT, time.gmtime(date_ms // 1000))
        scope = f"{date[:8]}/{self._region}/{SERVICE}/{_END}"
        if date[:8] != self._day:
            self._day, self._key = date[:8], _signing_key(self._secret, scope)
        headers = hashlib.sha256(date_header(date_ms)).hexdigest()
        payload = hashlib.sha256(event.payload).hexdigest()
        wanted = _hmac(self._key, f"{_ALGORITHM}-PAYLOAD\n{date}\n{scope}\n{self._prior}\n{headers}\n{payload}")
        if not hmac.compare_digest(wanted, signature):
            raise refusal.bad_signature("The event signature we calculated does not match the signature you provided.")
        self._prior = wanted.hex()


def _canonical(request: Request, signed: Sequence[str]) -> str:
    path, _, query = request.target.partition("?")
    pairs = sorted((quote(k, safe=""), quote(v, safe="")) for k, v in parse_qsl(query, keep_blank_values=True))
    headers = "".join(f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in signed)
    return "\n".join(
        (
            request.method,
            # What was encoded for the wire is encoded once more for the signature.
            quote(path, safe="/"),
            "&".join(f"{key}={value}" for key, value in pairs),
            headers,
            ";".join(signed),
            request.headers.get("x-amz-content-sha256", _EVENTS_HASH),
        )
    )


def _check_date(amz_date: str, now_s: float, skew_s: float) -> None:
    try:
        date_s = _seconds(amz_date)
    except ValueError as exc:
        raise refusal.incomplete_signature("The header 'x-amz-date' must be like 20260131T235959Z.") from exc
    if abs(date_s - now_s) > skew_s:
        raise _off(amz_date, date_s, now_s, skew_s)


def _seconds(amz_date: str) -> float:
    return calendar.timegm(time.strptime(amz_date, _DATE_FORMAT))


def _off(said: str, date_s: float, now_s: float, skew_s: float) -> refusal.Refused:
    what, compared = ("expired", "earlier") if date_s < now_s else ("not yet current", "later")
    now = time.strftime(_DATE_FORMAT, time.gmtime(now_s))
    minutes = f"{skew_s / 60:.0f} min."
    return refusal.bad_signature(f"Signature {what}: {said} is now {compared} than {now} by more than {minutes}")


def _signing_key(secret: str, scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def _same(one: str | None, other: str | None) -> bool:
    if one is None or other is None:
        return one is other
    return hmac.compare_digest(one.encode(), other.encode())
