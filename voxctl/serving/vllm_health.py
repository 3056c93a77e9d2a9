"""The two questions asked of a vLLM that starts: is it well, and what does it serve. No proxy is ever in between."""

from __future__ import annotations

import asyncio
import contextlib
import json

ANSWER_S = 3.0
MOST_BYTES = 1 << 20


async def answers(address: str) -> bool:
    """Return whether ``host:port`` says that it is healthy."""
    answer = await _get(address, "/health", None)
    return answer is not None and answer[0] == 200


async def served_model(address: str, api_key: str | None) -> str | None:
    """Return the name of the first model that ``host:port`` serves, ``None`` if it does not say."""
    answer = await _get(address, "/v1/models", api_key)
    if answer is None or answer[0] != 200:
        return None
    with contextlib.suppress(ValueError, LookupError, TypeError):
        return str(json.loads(answer[1])["data"][0]["id"])
    return None


async def _get(address: str, path: str, api_key: str | None) -> tuple[int, bytes] | None:
    """Return the status and body of an answer, ``None`` if none came in time."""
    host, _, port = address.rpartition(":")
    key = f"Authorization: Bearer {api_key}\r\n" if api_key else ""
    request = f"GET {path} HTTP/1.0\r\nHost: {address}\r\n{key}\r\n".encode()
    with contextlib.suppress(OSError, TimeoutError, ValueError, IndexError):
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
            try:
                writer.write(request)
                head, _, body = (await reader.read(MOST_BYTES)).partition(b"\r\n\r\n")
                # Some servers send the body in a packet of its own.
                while more := await reader.read(MOST_BYTES):
                    body += more
                return int(head.split(b" ", 2)[1]), body
            finally:
                writer.close()
    return None
