"""What a program does with threads that hang, and with those that do not, when it ends."""

from __future__ import annotations

import subprocess
import sys
import time

#: Ends as every command does, while a thread of the event loop is at work.
SCRIPT = """
import asyncio, sys, time
from voxctl.cli.interrupt import run_interruptible

def work():
    time.sleep(float(sys.argv[1]))
    print("worked", flush=True)

async def main(interrupts):
    asyncio.ensure_future(asyncio.to_thread(work))
    await asyncio.sleep(0.1)

run_interruptible(main, print)
print("ended", flush=True)
"""


def ended(work_s: float) -> tuple[list[str], float]:
    """Return what a program printed whose thread works for so long, and how long it took."""
    began_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(work_s)], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0 and done.stderr == "", done
    return done.stdout.split(), time.monotonic() - began_s


def test_a_thread_that_hangs_holds_up_no_end() -> None:
    printed, took_s = ended(60)
    assert printed == ["ended"] and took_s < 10


def test_a_thread_that_is_about_to_end_may() -> None:
    assert ended(0.4)[0] == ["worked", "ended"]
