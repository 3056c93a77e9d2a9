"""Who is let in: a page of ours, at an address of ours, with the token of this run; and what its answers forbid."""

from __future__ import annotations

import hmac
from collections.abc import Collection
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Nothing but what comes from this address may run, be shown, be loaded or be spoken to; nobody may frame the page.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; worker-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Guard:
    """ASGI middleware. ``names`` are the host names, beside addresses, under which this server may be spoken to; what
    is in ``public`` needs no token."""

    def __init__(self, app: ASGIApp, *, token: str, names: Collection[str], public: Collection[str]) -> None:
        self._app = app
        self._token = token.encode()
        self._names = frozenset(names)
        self._public = frozenset(public)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let it through, or refuse it in words; a WebSocket is refused in its handshake."""

        async def send_guarded(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        refusal = self._refusal(scope) if scope["type"] in ("http", "websocket") else None
        if refusal:
            answer = PlainTextResponse(refusal + "\n", HTTPStatus.FORBIDDEN, {"Cache-Control": "no-store"})
            await answer(scope, receive, send_guarded)
        else:
            await self._app(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> str | None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        # A foreign name that was made to point at this machine would make a foreign page's requests look like ours.
        if not is_ours(host, self._names):
            return f"{host!r} is not where this page is served; open the address that voxctl demo printed."
        if origin is None:
            if scope["type"] == "websocket":
                return "This is for the page of voxctl demo only."
        elif urlsplit(origin).netloc != host:
            return f"A page of {origin} may not speak to voxctl demo."
        if scope["path"] not in self._public and not self._has_token(scope, headers):
            return "The token is missing or of an earlier run; open the address that voxctl demo printed."
        return None

    def _has_token(self, scope: Scope, headers: Headers) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self._token)


def is_ours(host: str, names: Collection[str]) -> bool:
    """Whether a ``Host`` header names this server: by an address, which nobody can make point elsewhere, or by one of
    its ``names``. Its port may be another: that of a tunnel."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    try:
        ip_address(name)
    except ValueError:
        return name in names
    return True
