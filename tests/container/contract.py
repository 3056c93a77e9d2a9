"""What SageMaker asks of a container, asked of the one on port 8080: `/ping`, a stream, a binary frame."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.error
import urllib.request

from websockets.asyncio.client import connect

HOST = "127.0.0.1:8080"
#: SageMaker gives up a socket that is not accepted by then.
ACCEPT_S = 0.25


def wait_for_ping(limit_s: float = 30) -> None:
    """Wait until the container says that it is ready."""
    deadline_s = time.monotonic() + limit_s
    while True:
        try:
            with urllib.request.urlopen(f"http://{HOST}/ping", timeout=2) as answer:
                assert answer.status == 200
                return
        except OSError as exc:
            assert time.monotonic() < deadline_s, f"/ping: {exc}"
            time.sleep(0.1)


async def hold_a_stream() -> None:
    """Open a stream as SageMaker does and see that it is the model's."""
    began_s = time.monotonic()
    async with connect(f"ws://{HOST}/invocations-bidirectional-stream", compression=None) as socket:
        took_s = time.monotonic() - began_s
        assert took_s < ACCEPT_S, f"accepted after {took_s:.3f} s"
        first = json.loads(await asyncio.wait_for(socket.recv(), 5))
        assert first["type"] == "session.created", first


if __name__ == "__main__":
    wait_for_ping()
    asyncio.run(hold_a_stream())
