"""The commands in their order. Each is loaded when it is run: what they need takes longer than all of --help."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import typer
from typer.main import get_command

#: What every Typer application here is made with.
SETTINGS: dict[str, Any] = {
    "add_completion": False,
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}

#: Command → its summary. It is the function of the same name in the module of the same name; `list_` where that is
#: a name of Python's own.
SUMMARIES = {
    "transcribe": "Transcribe audio files: words appear as they are spoken.",
    "demo": "Talk to it in the browser: a page on this machine.",
    "mic": "Transcribe what you say into a microphone, while you say it.",
    "serve": "Serve the vLLM Realtime protocol on this machine.",
    "bench": "Measure latency: paced streams, each delta timed, and a client that watches itself.",
    "build": "Build the container image for SageMaker, and push it to Amazon ECR.",
    "deploy": "Make an endpoint of SageMaker that transcribes, or change it.",
    "list": "List the endpoints that voxctl made: age, price, streams, time left.",
    "status": "Show one endpoint, once or with --watch.",
    "logs": "Show what the containers of an endpoint say.",
    "extend": "Let an endpoint that was deployed with --ttl live longer.",
    "delete": "Delete an endpoint, and all that was made for it.",
    "iam": "Print the IAM policy that a deployer or a caller needs.",
    "shred": "Remove a transcript, its journal and what was recovered of it.",
    "doctor": "Check this machine and what is chosen: what is there, what is missing, what mends it.",
    "config": "Show every setting, its value, and where it came from.",
}


class Commands(Mapping[str, Any]):
    """The commands by name, each made when it is first asked for."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in SUMMARIES:
            raise KeyError(name)
        if name not in self._made:
            self._made[name] = _made(name)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(SUMMARIES)

    def __len__(self) -> int:
        return len(SUMMARIES)


def _made(name: str) -> Any:
    from voxctl.cli.layers import Configured

    alone = typer.Typer(**SETTINGS)
    module = import_module(f"voxctl.cli.{name}")
    alone.command(name, cls=Configured)(getattr(module, name, None) or getattr(module, f"{name}_"))
    return get_command(alone)
