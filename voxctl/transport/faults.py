"""The border where the WebSocket library's errors, and the system's, become ours.

Nothing of a foreign message is passed on where it may hold a header or a proxy's address: both carry secrets.
"""

from __future__ import annotations

import errno
import ssl
from urllib.request import getproxies

from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidMessage,
    InvalidProxy,
    InvalidStatus,
    InvalidURI,
    ProxyError,
    WebSocketException,
)
from websockets.frames import CloseCode

from voxctl.errors import ConnectFailed, ConnectionLost, HandshakeRefused, StreamError

REALTIME_PATH = "/v1/realtime"

_PROXY_HINT = "check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY, or name this host in NO_PROXY."
_LOG_HINT = "look at the server's log for the reason."


def renamed(exc: Exception, where: str) -> StreamError:
    """Return our error for one met while connecting to ``where``, an address without secrets."""
    match exc:
        case ConnectionClosed():
            return lost(exc, where)
        case InvalidStatus():
            return _refused(exc.response.status_code, where)
        case InvalidMessage():
            # HTTP/1.0 is what simple file servers speak; the library names it in the cause.
            http = "HTTP/1.0" in str(exc.__cause__)
            what = "is a web server, not a WebSocket server" if http else "does not speak HTTP"
            return ConnectFailed(f"{where} {what}", hint="check the port in --url.")
        case InvalidProxy() | ProxyError():
            return ConnectFailed(f"the proxy did not let us through to {where}", hint=_PROXY_HINT)
        case ImportError():  # the library's way to say that it lacks python-socks
            return ConnectFailed(
                f"the way to {where} leads through a SOCKS proxy, which is not supported yet", hint=_PROXY_HINT
            )
        case InvalidURI():
            return ConnectFailed(f"{where} is not a WebSocket address", hint="check --url.")
        case InvalidHandshake() | WebSocketException():
            return ConnectFailed(
                f"{where} did not complete a WebSocket handshake ({type(exc).__name__})",
                hint="is something between you and the server that does not pass WebSockets?",
            )
        case TimeoutError():
            return ConnectFailed(
                f"{where} did not answer in time",
                hint="is the server up, and do firewalls let you through?",
                timed_out=True,
            )
        case ssl.SSLError():
            return ConnectFailed(
                f"no secure connection to {where}: {getattr(exc, 'reason', None) or exc}",
                hint="name the certificate authority with --ca-bundle, or use ws:// if the server has no TLS.",
            )
        case _:
            return _unreachable(exc, where)


def _unreachable(exc: Exception, where: str) -> ConnectFailed:
    # With several addresses to one name the numbers are in the text only.
    if isinstance(exc, ConnectionRefusedError) or f"[Errno {errno.ECONNREFUSED}]" in str(exc):
        if getproxies() and "127.0.0.1" not in where and "localhost" not in where:
            return ConnectFailed(f"nobody is listening at {where}, or at the proxy before it", hint=_PROXY_HINT)
        return ConnectFailed(
            f"nobody is listening at {where}",
            hint="start a server (`voxctl serve`, or `vllm serve …`), or check --url.",
        )
    number = getattr(exc, "errno", None)
    reasons = {errno.ENETUNREACH: "no route to its network", errno.EHOSTUNREACH: "no route to it"}
    reason = reasons.get(number or 0) or getattr(exc, "strerror", None) or type(exc).__name__
    return ConnectFailed(f"{where} cannot be reached: {reason}", hint="check the host name and port in --url.")


_STATUS_HINTS = {
    401: "give the server's key with VOXCTL_API_KEY or --api-key.",
    # What a server of this protocol says to a path that it does not have.
    403: f"if the path is not {REALTIME_PATH}, leave it out of --url; else check VOXCTL_API_KEY.",
    404: f"the path is wrong: vLLM serves {REALTIME_PATH}; leave the path out of --url to use it.",
    429: "the server asks for patience; try again later.",
    503: "the server is not ready yet; try again in a moment.",
}


def _refused(status: int, where: str) -> HandshakeRefused:
    hint = _STATUS_HINTS.get(status, _LOG_HINT)
    return HandshakeRefused(f"{where} answered HTTP {status}, not a WebSocket", status=status, hint=hint)


def lost(exc: ConnectionClosed, where: str) -> ConnectionLost:
    """Return our error for a connection that has ended."""
    code = exc.rcvd.code if exc.rcvd else None
    match code:
        case None if exc.sent and exc.sent.code == CloseCode.INTERNAL_ERROR:  # the library's own keepalive
            how = "did not answer a ping in time"
        case None:
            how = "dropped the connection"
        case CloseCode.SERVICE_RESTART | CloseCode.GOING_AWAY:
            how = f"closed the connection (code {code:d}): it is shutting down or restarting"
        case _:
            how = f"closed the connection (code {code:d})"
    reason = f": {exc.rcvd.reason}" if exc.rcvd and exc.rcvd.reason else ""
    return ConnectionLost(f"{where} {how}{reason}", code=code, hint=_LOG_HINT)
