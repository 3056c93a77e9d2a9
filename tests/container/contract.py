"""What SageMaker asks of a container, asked of the one on port 8080: `/ping`, and a stream that is accepted soon."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.error
import urllib.request

from websockets.asyncio.client import connect

HOST = "127.0.0.1:8080"
#: SageMaker gives up a socket that is not accepted by then. A busy machine is given several tries.
ACCEPT_S, TRIES = 0.25, 5


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


async def hold_a_stream() -> float:
    """Open a stream as SageMaker does, see that it is the model's, and return how long it took to be accepted."""
    began_s = time.monotonic()
    async with connect(f"ws://{HOST}/invocations-bidirectional-stream", compression=None) as socket:
        took_s = time.monotonic() - began_s
        first = json.loads(await asyncio.wait_for(socket.recv(), 10))
        assert first["type"] == "session.created", first
    return took_s


if __name__ == "__main__":
    wait_for_ping()
    fastest_s = min(asyncio.run(hold_a_stream()) for _ in range(TRIES))
    assert fastest_s < ACCEPT_S, f"accepted after {fastest_s:.3f} s"
