"""The options of `voxctl serve`: which recogniser, and how vLLM is started."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from voxctl.errors import UsageError


class EngineName(StrEnum):
    """The recogniser behind the server."""

    POCKETSPHINX = "pocketsphinx"
    VLLM = "vllm"
    AUTO = "auto"


EngineOpt = Annotated[
    EngineName,
    typer.Option(
        envvar="VOXCTL_ENGINE",
        help="pocketsphinx: bundled, offline, low accuracy; for trying things out. vllm: starts `vllm serve`, which "
        "downloads the model once (9 GB) and takes the GPU. auto: vllm where there are both, else pocketsphinx.",
    ),
]
MaxStreamsOpt = Annotated[
    int | None,
    typer.Option(
        envvar="VOXCTL_MAX_STREAMS",
        show_envvar=False,
        min=1,
        show_default="4 per CPU core; vllm: by GPU memory",
        help="Streams at a time; more are refused, or wait.",
    ),
]
ServedModelOpt = Annotated[
    str,
    typer.Option(
        "--model",
        envvar="VOXCTL_MODEL",
        metavar="NAME",
        show_default="Voxtral-Mini-4B-Realtime-2602",
        help="vllm: a name on the Hugging Face Hub, or a folder.",
    ),
]
VllmOpt = Annotated[
    Path | None,
    typer.Option(
        "--vllm",
        envvar="VOXCTL_VLLM",
        metavar="PATH",
        help="The vllm command. Default: the one installed beside voxctl, else the one on PATH.",
    ),
]
MaxModelLenOpt = Annotated[
    int | None,
    typer.Option(
        envvar="VOXCTL_MAX_MODEL_LEN",
        min=64,
        metavar="TOKENS",
        show_default="by GPU memory",
        help="vllm: the longest session; a token of Voxtral is 80 ms.",
    ),
]
UtilizationOpt = Annotated[
    float | None,
    typer.Option(
        envvar="VOXCTL_GPU_MEMORY_UTILIZATION",
        min=0.01,
        max=1.0,
        metavar="SHARE",
        show_default="what is free",
        help="vllm: the share of the GPU's memory that it may take.",
    ),
]
StartTimeoutOpt = Annotated[
    float,
    typer.Option(
        envvar="VOXCTL_START_TIMEOUT", min=1, metavar="SECONDS", help="vllm: until it answers, the download included."
    ),
]
ExtraArg = Annotated[
    list[str] | None,
    typer.Argument(metavar="[-- ARGUMENTS]", show_default=False, help="Passed to `vllm serve` as they are."),
]

#: Options that concern nobody but vLLM, by the name of their parameter.
_FOR_VLLM = ("model", "vllm", "max_model_len", "gpu_memory_utilization", "start_timeout")


def check_for_vllm(ctx: typer.Context, extra: tuple[str, ...]) -> None:
    """Raise ``UsageError`` for what was typed for a vLLM that is not started; variables and files may say it all."""
    typed = [
        option.opts[0]
        for option in ctx.command.params
        if option.name in _FOR_VLLM and getattr(ctx.get_parameter_source(str(option.name)), "name", "") == "COMMANDLINE"
    ]
    if typed or extra:
        raise UsageError(
            f"{typed[0] if typed else repr(extra[0])} is for vLLM, which is not started", hint="add --engine vllm."
        )
