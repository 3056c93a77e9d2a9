"""What the log of ``vllm serve`` says: how far it has come, and of what it died. Pure: lines in, words out."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

#: Lines shown when it fails; each is cut to a length that a person may read.
TAIL_LINES = 20
LINE_CHARS = 300

_FREE_MEMORY = "nvidia-smi shows who uses the GPU; end that, or give --max-streams 2 --max-model-len 8192."
_DENIED = "the Hugging Face Hub does not give the model to this account"
_LOGIN = "accept the model's terms on its page, then `hf auth login` or set HF_TOKEN."

#: How far a progress bar is.
_BAR = r"\b(\d{1,3}%)(?: Completed)? ?\|"

#: Pattern → the stage it begins, in words that fit after "vLLM is".
_STAGES = (
    (r"non-default args: ", "reading the model's configuration"),
    (r"Fetching \d+ files|\.safetensors:\s+\d+%|Downloading", "downloading the model"),
    (r"Initializing a V1 LLM engine", "starting its engine"),
    (r"Starting to load model|Loading safetensors checkpoint|Loading weights", "loading the model"),
    (r"Starting torch\.compile|for vLLM's torch\.compile|Dynamo bytecode transform|Compiling a graph", "compiling"),
    (r"Capturing .*CUDA graphs", "capturing CUDA graphs"),
    (r"Starting vLLM .*server|Available routes", "opening its port"),
)


@dataclass(frozen=True, slots=True)
class Cause:
    """Of what vLLM died, and what to do about it. ``key`` names the kind."""

    key: str
    message: str
    cure: str


@dataclass(frozen=True, slots=True)
class _Sign:
    key: str
    pattern: str
    message: str
    cure: str

    def found_in(self, line: str) -> Cause | None:
        found = re.search(self.pattern, line)
        if found is None:
            return None
        words = {key: (value or "").strip() for key, value in found.groupdict().items()}
        return Cause(self.key, self.message.format(**words), self.cure.format(**words))


#: The first sign in this order wins, wherever in the log it stands: what comes last there is seldom the cause.
_SIGNS = (
    _Sign(
        "port",
        r"[Aa]ddress already in use",
        "its port is in use by another program",
        "choose another --port, or 0 for a free one.",
    ),
    _Sign(
        "arguments",
        r"error: (?P<what>unrecognized arguments: .*|argument .*)",
        "it does not understand its command line: {what}",
        "correct what stands after --; `vllm serve --help=all` lists what vLLM takes.",
    ),
    _Sign(
        "disk",
        r"No space left on device|Disk quota exceeded|Not enough free disk space",
        "the disk is full",
        "make room, or point HF_HOME at a disk with room for the model.",
    ),
    _Sign(
        "busy",
        r"Free memory on device .*?\((?P<free>[\d.]+)/(?P<all>[\d.]+) GiB\) on startup is less",
        "other programs use the GPU: only {free} of its {all} GiB are free",
        "nvidia-smi shows who; end that, or give a lower --gpu-memory-utilization.",
    ),
    _Sign(
        "context",
        r"larger than the available KV cache.*?estimated maximum model length is (?P<tokens>\d+)",
        "the GPU's memory is not enough for so long a session",
        "--max-model-len {tokens}",
    ),
    _Sign(
        "context",
        r"max seq len .*larger than the (?:maximum number of tokens|available KV cache)",
        "the GPU's memory is not enough for so long a session",
        "a smaller --max-model-len, such as 8192; or --gpu-memory-utilization 0.95.",
    ),
    _Sign(
        "memory",
        r"No available memory for the cache blocks",
        "the model leaves no memory for sessions",
        "--gpu-memory-utilization 0.95, or a GPU with more memory (16 GiB for Voxtral).",
    ),
    _Sign(
        "memory",
        r"CUDA out of memory|OutOfMemoryError|CUDA error: out of memory",
        "the GPU's memory is full",
        _FREE_MEMORY,
    ),
    _Sign(
        "context",
        r"User-specified max_model_len \((?P<asked>\d+)\) is greater than .*?=(?P<most>\d+)",
        "the model has no context of {asked} tokens",
        "--max-model-len {most} or less.",
    ),
    _Sign(
        "overrun",
        r"could not broadcast input array from shape \(\d+,\) into shape \((?P<most>\d+),\)",
        "a session was longer than the {most} tokens of --max-model-len",
        "start it again with a longer --max-model-len, and end sessions before they are as long as that.",
    ),
    _Sign(
        "gpu",
        r"No CUDA GPUs are available|Found no NVIDIA driver|libcuda\.so|CUDA driver version is insufficient"
        r"|NVIDIA driver on your system is too old|Failed to infer device type|CUDA unknown error"
        r"|no kernel image is available",
        "it finds no GPU that it can use",
        "look at nvidia-smi: the driver may be missing or too old; --engine pocketsphinx needs no GPU.",
    ),
    _Sign(
        "gpu",
        r"Bfloat16 is only supported on GPUs with compute capability",
        "this GPU is too old for the model's number format",
        "add -- --dtype half.",
    ),
    _Sign(
        "compiler",
        r"Failed to find C compiler|Python\.h: No such file|cannot find -lcuda",
        "it cannot compile its kernels",
        "install gcc and the headers of Python; or add -- --enforce-eager, which is slower.",
    ),
    _Sign(
        "gated",
        r"GatedRepoError|access (?:a )?gated repo|is restricted and you are not|Access to model .* is restricted",
        _DENIED,
        _LOGIN,
    ),
    _Sign(
        "missing",
        # The Hub answers 401, not 404, to a stranger who asks for what does not exist.
        r"RepositoryNotFoundError|\b404 Client Error|is not a valid model identifier|Repo id must be in the form"
        r"|Invalid repository ID or local directory",
        "there is no such model",
        "give --model a name from the Hugging Face Hub (`hf auth login` for a private one), or a folder.",
    ),
    _Sign("gated", r"\b40[13] Client Error", _DENIED, _LOGIN),
    _Sign(
        "network",
        r"LocalEntryNotFoundError|OfflineModeIsEnabled|couldn't connect to|Failed to resolve|Max retries exceeded"
        r"|Temporary failure in name resolution|Name or service not known",
        "the model is not on this machine and the Hugging Face Hub cannot be reached",
        "look at the network (HTTPS_PROXY, HF_HUB_OFFLINE), or give --model a folder that holds the model.",
    ),
    _Sign(
        "architecture",
        r"Model architectures (?P<which>\[.*?\]) (?:are not supported|failed to be inspected)",
        "this vLLM cannot serve the model's architecture {which}",
        "pip install --upgrade vllm, in the environment of that vllm; or another --model.",
    ),
    _Sign(
        "architecture",
        r"does not recognize this architecture",
        "this vLLM does not know the model's architecture",
        "pip install --upgrade vllm transformers, in the environment of that vllm; or another --model.",
    ),
    _Sign(
        "package",
        r"(?:ModuleNotFoundError: No module named|ImportError: .*No module named) '?(?P<name>[\w.]+)",
        "its installation lacks the Python package {name}",
        "pip install 'vllm[audio]', in the environment of that vllm.",
    ),
    _Sign(
        "value",
        r"^\s*Value error, (?P<what>.{1,200})",
        "it refuses its settings: {what}",
        "correct what the line names.",
    ),
)


class LogReader:
    """Reads the log line by line; keeps its end, how far a stage is, and the most telling sign of failure."""

    def __init__(self, began: Callable[[str], None]) -> None:
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self.progress = ""
        self._began = began
        self._stage = ""
        self._best = len(_SIGNS)
        self._cause: Cause | None = None

    def feed(self, line: str) -> None:
        """Take one line; ``began`` is called when it begins another stage."""
        line = line.rstrip()
        if not line:
            return
        self.tail.append(line if len(line) <= LINE_CHARS else line[: LINE_CHARS - 1] + "…")
        for rank, sign in enumerate(_SIGNS[: self._best]):
            if cause := sign.found_in(line):
                self._best, self._cause = rank, cause
                break
        if bar := re.search(_BAR, line):
            self.progress = bar[1]
        for pattern, stage in _STAGES:
            if re.search(pattern, line):
                if stage != self._stage:
                    self._stage, self.progress = stage, ""
                    self._began(stage)
                break

    def cause(self, exit_code: int | None) -> Cause | None:
        """Return of what it died, ``None`` if the log does not tell."""
        if self._cause is None and exit_code == -9:
            return Cause(
                "killed",
                "it was killed, as the system does when the machine's memory is full",
                "end other programs, or take a machine with more memory.",
            )
        return self._cause
