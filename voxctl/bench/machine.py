"""What a measurement was made with."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

_CPU_NAMES = Path("/proc/cpuinfo")
_KEY = "--api-key"


def machine() -> dict[str, str]:
    """Return the client's machine in a few words; nothing that names it."""
    facts = {"python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    facts["processor"] = f"{os.cpu_count()} × {_processor()}"
    if sys.platform != "win32":
        facts["load average"] = f"{os.getloadavg()[0]:.2f}"
    return facts


def _processor() -> str:
    try:
        lines = _CPU_NAMES.read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def without_key(arguments: Sequence[str]) -> list[str]:
    """Return a command line with every key left out: a report is there to be shown."""
    kept: list[str] = []
    for argument in arguments:
        if kept and kept[-1] == _KEY:
            kept.append("…")
        else:
            kept.append(f"{_KEY}=…" if argument.startswith(f"{_KEY}=") else argument)
    return kept
