"""``python -m benchmarks.standin [UPSTREAM]``: the stand-in for SageMaker in front of a server, or of an echo.

It prints where it is and its keys as one line of JSON; the end of its standard input ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import tempfile
from pathlib import Path

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from voxctl.serving.standin.limits import Limits
from voxctl.serving.standin.server import open_stand_in

#: It is not to refuse what it can do, nor what a trial before has left behind.
_LIMITS = Limits(accept_s=10.0, streams=10_000, connections=10_000)


async def _echo(connection: ServerConnection) -> None:
    with contextlib.suppress(ConnectionClosed):  # clients leave without closing hundreds of streams in good form
        async for message in connection:
            await connection.send(message)


async def main(upstream: str | None) -> None:
    """Serve until standard input ends."""
    async with serve(_echo, "127.0.0.1", 0, compression=None, max_size=None) as echo:
        port = next(iter(echo.sockets)).getsockname()[1]
        url = upstream or f"ws://127.0.0.1:{port}/"
        with tempfile.TemporaryDirectory() as folder:
            async with open_stand_in(url, folder=Path(folder), limits=_LIMITS) as service:
                told = {
                    "upstream": url,
                    "endpoint_url": service.endpoint_url,
                    "ca_bundle": str(service.ca_bundle),
                    "region": service.region,
                    "access_key_id": service.access_key_id,
                    "secret_access_key": service.secret_access_key,
                }
                sys.stdout.write(json.dumps(told) + "\n")
                sys.stdout.flush()
                await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else None))
