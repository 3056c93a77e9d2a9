"""What ``vllm serve`` is told of each family of models, as data.

Sources: the model cards and configurations, and vLLM 0.32. The sizes are computed from the configurations, not
measured on a GPU: weights and cache are in bfloat16.
"""

from __future__ import annotations

from dataclasses import dataclass

from voxctl.realtime.models import QWEN3_ASR, TICK_S, VOXTRAL, facts_for

type Release = tuple[int, int]

#: The release of vLLM that voxctl is tested with.
TESTED: Release = (0, 32)


@dataclass(frozen=True, slots=True)
class Size:
    """The weights of a model in GiB, for the served names that contain ``pattern``."""

    pattern: str
    weights_gib: float


@dataclass(frozen=True, slots=True)
class VllmModel:
    """One family. ``oldest`` is the first release of vLLM that serves it over ``/v1/realtime`` and documents it.

    ``flags`` are needed by every release, ``older_flags`` by releases before the one they are filed under.
    ``contexts``: the longest session in tokens, by the GPU memory in GiB from which it is taken, largest first.
    ``context_kib`` is the memory that one token of the longest session costs when vLLM measures itself at start-up,
    ``stream_mib`` what a stream that has run for long holds. ``tokens_per_s`` is the most that speech takes, and
    ``dies_of_more`` says that a session longer than the longest ends the whole server. ``layout`` names files that a
    folder of the family has, ``config_type`` the ``model_type`` in its ``config.json``.
    """

    family: str
    oldest: Release
    flags: tuple[str, ...]
    older_flags: tuple[tuple[Release, tuple[str, ...]], ...]
    contexts: tuple[tuple[float, int], ...]
    context_kib: float
    stream_mib: float
    sizes: tuple[Size, ...]
    tokens_per_s: float
    dies_of_more: bool = False
    layout: frozenset[str] = frozenset()
    config_type: str = ""

    def weights_gib_of(self, model: str) -> float:
        """Return how large the weights of a model of the family are."""
        return next(size.weights_gib for size in self.sizes if size.pattern in model)


#: 45,000 tokens of 80 ms are an hour. Both halves of the model attend to a sliding window (8,192 tokens and 750 frames
#: of 20 ms), so a stream holds at most 8,192 x 104 KiB + 188 x 1 MiB, however long it is; what a longer session costs
#: is vLLM's trial run over one audio of that length: 8 spectrogram frames a token, of 1,280 channels in two layers.
_VOXTRAL = VllmModel(
    family=VOXTRAL.family,
    oldest=(0, 20),
    # The repository has a second layout, for another library, that vLLM does not know as a realtime model.
    flags=("--tokenizer-mode", "mistral", "--config-format", "mistral", "--load-format", "mistral"),
    # Before, an assertion in the model refused vLLM's own choice. Releases in between merely lose a little speed.
    older_flags=((TESTED, ("--compilation-config", '{"cudagraph_mode": "PIECEWISE"}')),),
    contexts=((20.0, 45_000), (0.0, 15_000)),
    context_kib=60.0,
    stream_mib=1_024.0,
    sizes=(Size("", 8.3),),
    tokens_per_s=1 / TICK_S,
    layout=frozenset({"params.json", "tekken.json"}),
)

#: A session grows by 77 tokens of sound and prompt and at most 64 of text for every 5 s, and has no window: a token is
#: 28 layers x 8 heads x 128 x 2 x 2 bytes, which are 112 KiB. 65,536 tokens are the model's own limit, 39 minutes at
#: the least. Streams are counted by what one holds after 5 minutes, which are about 8,192 tokens.
_QWEN3_ASR = VllmModel(
    family=QWEN3_ASR.family,
    oldest=(0, 20),
    # The configuration names the class that transcribes whole files.
    flags=("--hf-overrides", '{"architectures": ["Qwen3ASRRealtimeGeneration"]}'),
    older_flags=(),
    contexts=((15.0, 65_536), (0.0, 16_384)),
    context_kib=0.0,
    stream_mib=896.0,
    sizes=(Size("0.6B", 1.8), Size("", 4.4)),
    tokens_per_s=(77 + 64) / 5.0,
    # Seen with vLLM 0.32: its worker writes the session beyond the end of a buffer of that length, and dies of it.
    dies_of_more=True,
    config_type="qwen3_asr",
)

VLLM_MODELS = (_VOXTRAL, _QWEN3_ASR)


def vllm_model_for(model: str) -> VllmModel | None:
    """Return the family of a model by its name, ``None`` for a name that tells nothing."""
    facts = facts_for(model)
    return None if facts.guessed else _of_family(facts.family)


def vllm_model_in(files: frozenset[str], config_type: str) -> VllmModel | None:
    """Return the family of a folder by the files in it and the ``model_type`` of its ``config.json``."""
    for model in VLLM_MODELS:
        if model.config_type and model.config_type == config_type:
            return model
        if model.layout and model.layout <= files:
            return model
    return None


def _of_family(family: str) -> VllmModel | None:
    return next((model for model in VLLM_MODELS if model.family == family), None)
