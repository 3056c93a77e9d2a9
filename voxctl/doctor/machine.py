"""What is installed: Python, voxctl and its extras, PortAudio and the microphones."""

from __future__ import annotations

import asyncio
import importlib
import importlib.metadata
import json
import platform
import sys
from dataclasses import dataclass

from voxctl._version import __version__
from voxctl.audio.portaudio import install_line
from voxctl.doctor.check import Check, Finding, Status
from voxctl.doctor.programs import ran

#: As `requires-python` has it: the bundled recogniser has no wheels past the last.
_OLDEST, _NEWEST = (3, 12), (3, 13)
_SHOWN_DEVICES = 3

#: Asked in a process of its own: libraries of sound hang, write to the terminal, and end programs.
_ASK_SOUNDDEVICE = """
import json
try:
    import sounddevice as sd
except ImportError:
    said = {"missing": True}
except OSError as exc:
    said = {"library": str(exc)}
else:
    said = {"names": [d["name"] for d in sd.query_devices() if d["max_input_channels"] > 0]}
print(json.dumps(said))
"""


@dataclass(frozen=True, slots=True)
class Extra:
    """A part of voxctl that needs more packages. ``module`` is one of ours that loads them all."""

    name: str
    module: str
    packages: tuple[str, ...]
    purpose: str


EXTRAS = (
    Extra("media", "voxctl.audio.media", ("av",), "M4A, WebM and the sound of videos"),
    Extra("stand-in", "voxctl.serving.standin.server", ("cryptography", "h2"), "`voxctl serve --sagemaker`"),
)


def machine_checks() -> list[Check]:
    """Return the checks of what is installed."""
    return [
        Check("Python", _python, needed=True),
        Check("voxctl", _voxctl, needed=True),
        # The first time they are read from a cold disk.
        *(Check(f"extra {extra.name}", lambda extra=extra: _extra(extra), limit_s=10.0) for extra in EXTRAS),  # type: ignore[misc]
        Check("microphone", microphone, late="does the sound server answer? Restart it, or unplug what it waits for."),
    ]


async def _python() -> Finding:
    found = f"{platform.python_version()} ({sys.executable})"
    if _OLDEST <= sys.version_info[:2] <= _NEWEST:
        return Finding(Status.OK, found)
    return Finding(Status.FAILED, found, "install voxctl with Python 3.12 or 3.13.")


async def _voxctl() -> Finding:
    return Finding(Status.OK, __version__)


async def _extra(extra: Extra) -> Finding:
    install = f"pip install 'voxctl[{extra.name}]'"
    try:
        versions = [f"{package} {importlib.metadata.version(package)}" for package in extra.packages]
    except importlib.metadata.PackageNotFoundError as exc:
        return Finding(Status.NOTE, f"{exc.name} is not installed; it is for {extra.purpose}", install)
    try:
        await asyncio.to_thread(importlib.import_module, extra.module)
    except (ImportError, OSError) as exc:
        again = f"pip install --force-reinstall {' '.join(extra.packages)}"
        return Finding(Status.NOTE, f"{', '.join(versions)} cannot be loaded: {exc}", again)
    return Finding(Status.OK, ", ".join(versions))


async def microphone() -> Finding:
    """Look for PortAudio and for devices that hear. Nothing is recorded."""
    # Safe path: a file of such a name in this folder is not run.
    done = await ran([sys.executable, "-P", "-c", _ASK_SOUNDDEVICE])
    try:
        said = json.loads(done.out.splitlines()[-1]) if done else {}
    except (IndexError, ValueError):
        said = {}
    if said.get("missing"):
        return Finding(Status.NOTE, "sounddevice is not installed; it is for microphones", "pip install 'voxctl[mic]'")
    if "library" in said:
        return Finding(Status.NOTE, f"PortAudio cannot be loaded: {said['library']}", install_line())
    if "names" not in said:
        lines = done.err.splitlines() if done else []
        return Finding(Status.NOTE, f"PortAudio fails: {lines[-1] if lines else 'no reason given'}", install_line())
    if names := [str(name) for name in said["names"]]:
        more = f" and {len(names) - _SHOWN_DEVICES} more" if len(names) > _SHOWN_DEVICES else ""
        return Finding(Status.OK, ", ".join(names[:_SHOWN_DEVICES]) + more)
    return Finding(Status.NOTE, "PortAudio finds no device that hears", "plug a microphone in, and allow its use.")
