"""A Realtime server of one's own, named by its address: well, new enough, and answering where streams are opened."""

from __future__ import annotations

import asyncio
import json
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPSHandler, OpenerDirector, ProxyHandler, build_opener

from voxctl.connect import websocket
from voxctl.doctor.check import Check, Finding, NotLookedAt, Status
from voxctl.doctor.engine import NEWER_VLLM, OLD_VLLM
from voxctl.errors import ConnectFailed, ProtocolError, StreamError
from voxctl.realtime.codec import decode
from voxctl.realtime.messages import ErrorMessage, SessionCreated
from voxctl.serving.vllm_command import VllmVersion
from voxctl.serving.vllm_models import TESTED
from voxctl.transport.base import Connector
from voxctl.transport.tls import tls_context
from voxctl.transport.websocket import public_url, realtime_url

_LIMIT_S = 6.0
_ANSWER_S = 4.0
_MOST_BYTES = 1 << 16
_LOCAL = ("localhost", "127.0.0.1", "::1")


def server_checks(url: str | None, api_key: str | None = None, ca_bundle: Path | None = None) -> list[Check]:
    """Return the checks of the server at ``url``. Raises ``UsageError`` for what is no address.

    The key is sent where streams are opened, and nowhere else.
    """
    if url is None:
        return [Check("server", _not_asked_for)]
    complete = realtime_url(url)
    late = "is the address right, and does a firewall let you through? Check --url."

    async def health() -> Finding:
        return await asyncio.to_thread(_health, complete, ca_bundle)

    async def stream() -> Finding:
        return await _stream(complete, api_key, ca_bundle)

    return [
        Check("server", health, needed=True, limit_s=_LIMIT_S, late=late),
        Check("realtime", stream, needed=True, limit_s=_LIMIT_S, late=late),
    ]


async def _not_asked_for() -> Finding:
    raise NotLookedAt("not asked for: --url checks it")


def _health(url: str, ca_bundle: Path | None) -> Finding:
    parts = urlsplit(url)
    base = f"{'https' if parts.scheme == 'wss' else 'http'}://{parts.netloc}"
    opener = _opener(parts.hostname or "", ca_bundle if parts.scheme == "wss" else None)
    status, _ = _get(opener, f"{base}/health")
    if status >= 500:
        raise StreamError(f"{base}/health says HTTP {status}: it is not well", hint="see the log of the server.")
    well = "healthy" if status == 200 else f"it answers, /health with HTTP {status}"
    version = _version(_get(opener, f"{base}/version"))
    if version is None:
        return Finding(Status.OK, f"{base}: {well}")
    found = f"{base}: {well}, vLLM {version.text}"
    if version.release < TESTED:
        return Finding(Status.FAILED, f"{found}: {OLD_VLLM}", f"on the server: {NEWER_VLLM}")
    return Finding(Status.OK, found)


def _opener(host: str, ca_bundle: Path | None) -> OpenerDirector:
    # This machine itself is never asked through a proxy, as for the stream.
    return build_opener(HTTPSHandler(context=tls_context(ca_bundle)), ProxyHandler({} if host in _LOCAL else None))


def _get(opener: OpenerDirector, url: str) -> tuple[int, bytes]:
    try:
        with opener.open(url, timeout=_ANSWER_S) as answer:
            return int(answer.status), answer.read(_MOST_BYTES)
    except HTTPError as exc:
        with exc:
            return exc.code, b""
    except (OSError, HTTPException) as exc:  # URLError and TimeoutError are OSErrors
        why = getattr(exc, "reason", None) or exc
        said = getattr(why, "strerror", None) or str(why) or type(why).__name__
        raise ConnectFailed(f"{url} cannot be had: {said}", hint="does the server run there? Check --url.") from exc


def _version(answer: tuple[int, bytes]) -> VllmVersion | None:
    """Return what vLLM says of itself; other servers have no such path."""
    try:
        said = json.loads(answer[1]) if answer[0] == 200 else None
    except ValueError:
        return None
    version = VllmVersion(str(said.get("version", "")) if isinstance(said, dict) else "")
    return version if version.release != (0, 0) else None


async def _stream(url: str, api_key: str | None, ca_bundle: Path | None) -> Finding:
    return await opened(websocket(url, api_key=api_key, ca_bundle=ca_bundle), public_url(url))


async def opened(connect: Connector, where: str) -> Finding:
    """Open a stream and wait for the server's first message; no sound is sent, so it costs the server nothing.

    Raises ``StreamError`` and what ``connect`` raises.
    """
    transport = await connect()
    try:
        first = decode(await transport.receive())
    finally:
        await transport.aclose()
    match first:
        case SessionCreated():
            return Finding(Status.OK, f"{where} opens a session")
        case ErrorMessage(error, code):
            raise StreamError(f"{where} refuses: {error} ({code or 'no code'})", hint="see the log of the server.")
        case _:
            raise ProtocolError(f"{where} does not open a session", hint="is a vLLM Realtime server there?")
