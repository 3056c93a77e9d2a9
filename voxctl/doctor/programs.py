"""Runs the commands of others: no input, and nothing of theirs is left running."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended: its exit code and what it wrote."""

    code: int
    out: str
    err: str


async def ran(command: Sequence[str]) -> Ran | None:
    """Run a command to its end, ``None`` if it cannot be run. When this is cancelled, all its processes are killed."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            # Its children too can then be told to end.
            start_new_session=True,
        )
    except OSError:
        return None
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            # To the end of what it wrote: asyncio lets go of its pipes then, and not before.
            await process.communicate()
    return Ran(process.returncode or 0, out.decode(errors="replace").strip(), err.decode(errors="replace").strip())
