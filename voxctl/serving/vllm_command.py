"""The command line of ``vllm serve``: a pure function of model, release and GPU."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from voxctl.errors import EngineUnavailable, UsageError
from voxctl.serving.vllm_models import TESTED, VllmModel

#: Until vLLM answers: time for a download of 9 GB at 5 MB/s.
START_TIMEOUT_S = 1800.0
#: vLLM's own share of the GPU's memory, unless less is free.
DEFAULT_UTILIZATION = 0.92
#: Kept free beside what others already use, as a share of the whole.
SPARE = 0.02
#: What vLLM holds besides weights and cache (CUDA, graphs, buffers), in GiB; an estimate.
RUNTIME_GIB = 1.0
#: More streams than this were never tried on one GPU, and each costs time on the host too.
MOST_STREAMS = 32
#: Streams when nothing is known of the memory.
FEW_STREAMS = 4
KIB_PER_GIB = 2**20
MIB_PER_GIB = 2**10

#: Flags that voxctl sets itself → what to say instead.
_OURS = {
    "--host": "--host before the --",
    "--port": "--port before the --",
    "--model": "--model before the --",
    "--api-key": "VOXCTL_API_KEY: a command line can be seen by others",
    "--max-num-seqs": "--max-streams before the --",
    "--max-model-len": "--max-model-len before the --",
    "--gpu-memory-utilization": "--gpu-memory-utilization before the --",
}


@dataclass(frozen=True, slots=True)
class VllmVersion:
    """A version such as ``0.32.0+cpu``."""

    text: str

    @property
    def release(self) -> tuple[int, int]:
        """Its first two numbers; (0, 0) if there are none."""
        found = re.match(r"v?(\d+)\.(\d+)", self.text)
        return (int(found[1]), int(found[2])) if found else (0, 0)

    @property
    def for_cpu(self) -> bool:
        """Whether it was built for processors only."""
        return bool(re.search(r"\+.*cpu", self.text))

    @property
    def for_nvidia(self) -> bool:
        """Whether it was built for NVIDIA's GPUs, as the one on the package index is."""
        return not re.search(r"\+.*(cpu|rocm|xpu|tpu|neuron|gaudi|hpu|metal)", self.text)


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU and its memory in GiB."""

    name: str
    total_gib: float
    free_gib: float


@dataclass(frozen=True, slots=True)
class VllmSettings:
    """What the user asked for; ``None`` leaves the choice to us. ``extra`` goes to vLLM word for word."""

    model: str
    max_streams: int | None = None
    max_model_len: int | None = None
    gpu_memory_utilization: float | None = None
    extra: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VllmPlan:
    """The arguments of ``vllm serve``, without host and port, and ``notes`` on the choices made."""

    arguments: tuple[str, ...]
    max_streams: int
    notes: tuple[str, ...] = ()

    def command(self, executable: str, host: str, port: int) -> list[str]:
        """Return the whole command line."""
        model, *flags = self.arguments
        return [executable, "serve", model, "--host", host, "--port", str(port), *flags]


def check_extra(extra: Sequence[str]) -> None:
    """Raise ``UsageError`` for an argument to vLLM that would contradict one of voxctl's."""
    for argument in extra:
        flag = argument.split("=")[0].replace("_", "-")
        if flag in _OURS:
            raise UsageError(f"{flag} is not for vllm serve directly: voxctl sets it", hint=f"{_OURS[flag]}.")


def wants_cpu(extra: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Return whether the user said that vLLM is to do without a GPU, in words that vLLM itself takes."""
    target = environment.get("VLLM_TARGET_DEVICE", "")
    pairs = {" ".join(pair) for pair in pairwise(extra)}
    return target == "cpu" or "--device=cpu" in extra or "--device cpu" in pairs


def check_build(version: VllmVersion, gpu: Gpu | None, gpu_seen: bool) -> None:
    """Raise ``EngineUnavailable`` where vLLM could only fail, and later: no GPU for a build that needs one."""
    if version.for_nvidia and gpu is None and not gpu_seen:
        raise EngineUnavailable(
            f"vLLM {version.text} needs an NVIDIA GPU, and this machine shows none",
            hint="voxctl serve --engine pocketsphinx, which needs none; or a machine where nvidia-smi lists a GPU; "
            "or VLLM_TARGET_DEVICE=cpu if this vLLM runs on processors.",
        )


def plan_for(
    settings: VllmSettings, model: VllmModel | None, version: VllmVersion, gpu: Gpu | None, served_name: str
) -> VllmPlan:
    """Choose the flags. ``model`` is ``None`` for a model we know nothing of, which gets vLLM's own defaults.

    Raises ``EngineUnavailable`` for a release that is too old.
    """
    if model is not None:
        _check_release(model, version)
    context = settings.max_model_len or (_context(model, gpu) if model else None)
    streams = settings.max_streams or _streams(model, gpu, context, settings)
    utilization = settings.gpu_memory_utilization or _utilization(gpu)
    flags = ["--max-num-seqs", str(streams)]
    if context:
        flags += ["--max-model-len", str(context)]
    if utilization:
        flags += ["--gpu-memory-utilization", f"{utilization:g}"]
    if served_name != settings.model:
        flags += ["--served-model-name", served_name]
    if model:
        flags += [
            *model.flags,
            *(word for before, words in model.older_flags for word in words if _older(version, before)),
        ]
    notes = tuple(_notes(settings, model, version, gpu, context))
    return VllmPlan((settings.model, *flags, *settings.extra), streams, notes)


def _older(version: VllmVersion, release: tuple[int, int]) -> bool:
    return version.release < release


def _check_release(model: VllmModel, version: VllmVersion) -> None:
    if _older(version, model.oldest):
        oldest = ".".join(map(str, model.oldest))
        raise EngineUnavailable(
            f"vLLM {version.text} is too old: it has no realtime {model.family}, which needs {oldest} or newer",
            hint="pip install --upgrade vllm, in the environment of that vllm; or name another with --vllm.",
        )


def _context(model: VllmModel, gpu: Gpu | None) -> int:
    gib = gpu.total_gib if gpu else 0.0
    return next(tokens for from_gib, tokens in model.contexts if gib >= from_gib)


def _streams(model: VllmModel | None, gpu: Gpu | None, context: int | None, settings: VllmSettings) -> int:
    """Return for how many long sessions the memory that is left is enough."""
    if model is None or gpu is None:
        return FEW_STREAMS
    left_mib = _left_gib(model, gpu, context, settings) * MIB_PER_GIB
    return max(1, min(MOST_STREAMS, int(left_mib / model.stream_mib)))


def _left_gib(model: VllmModel, gpu: Gpu, context: int | None, settings: VllmSettings) -> float:
    """Return the memory that is left for sessions, below zero where not even the model fits."""
    share = settings.gpu_memory_utilization or _utilization(gpu) or DEFAULT_UTILIZATION
    trial_gib = (context or 0) * model.context_kib / KIB_PER_GIB
    return gpu.total_gib * share - model.weights_gib_of(settings.model) - RUNTIME_GIB - trial_gib


def _utilization(gpu: Gpu | None) -> float | None:
    """Return the share of the memory to take where vLLM's own choice is not free, else ``None``.

    vLLM refuses to start when others use more than it leaves them.
    """
    if gpu is None or gpu.free_gib >= DEFAULT_UTILIZATION * gpu.total_gib:
        return None
    return max(0.01, int(100 * (gpu.free_gib / gpu.total_gib - SPARE)) / 100)


def _notes(
    settings: VllmSettings, model: VllmModel | None, version: VllmVersion, gpu: Gpu | None, context: int | None
) -> list[str]:
    notes = []
    if model is None:
        notes.append(f"{settings.model} is no realtime model that voxctl knows: it gets vLLM's own defaults")
    elif model.dies_of_more and context:
        minutes = context / model.tokens_per_s / 60
        notes.append(
            f"a session of more than {context} tokens, {minutes:.0f} minutes of dense speech, ends vLLM for everybody"
        )
    if model and gpu and _left_gib(model, gpu, context, settings) < model.stream_mib / MIB_PER_GIB:
        notes.append(f"the memory of this GPU ({gpu.total_gib:.0f} GiB) is probably not enough for {settings.model}")
    if _older(version, TESTED):
        tested = ".".join(map(str, TESTED))
        notes.append(f"vLLM {version.text} is older than {tested}, the release that voxctl is tested with")
    if version.for_cpu:
        notes.append("this vLLM is built for processors: expect it to be slower than speech")
    elif gpu and not settings.gpu_memory_utilization and (share := _utilization(gpu)):
        notes.append(
            f"{gpu.free_gib:.1f} of {gpu.total_gib:.1f} GiB of the GPU's memory are free: vLLM gets {share:.0%} of it"
        )
    return notes
