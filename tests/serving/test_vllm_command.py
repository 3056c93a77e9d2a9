"""The command line of vLLM: by model, release and GPU."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from voxctl.errors import EngineUnavailable, UsageError
from voxctl.realtime.models import DEFAULT_MODEL, facts_for
from voxctl.serving.vllm_command import (
    FEW_STREAMS,
    MOST_STREAMS,
    Gpu,
    VllmPlan,
    VllmSettings,
    VllmVersion,
    check_build,
    check_extra,
    plan_for,
    wants_cpu,
)
from voxctl.serving.vllm_models import VLLM_MODELS, vllm_model_for, vllm_model_in

TESTED = VllmVersion("0.32.0")
ON_CPU = VllmVersion("0.32.0+cpu")
# What nvidia-smi says of them.
GPUS = {
    "8 GB": Gpu("RTX 4060", 7.996, 7.9),
    "16 GB": Gpu("RTX 4080", 15.99, 15.6),
    "L4": Gpu("NVIDIA L4", 22.49, 22.3),
    "L40S": Gpu("NVIDIA L40S", 44.99, 44.5),
    "H200": Gpu("NVIDIA H200", 140.4, 139.8),
}
L4 = GPUS["L4"]


def plan(model: str = DEFAULT_MODEL, gpu: Gpu | None = L4, version: VllmVersion = TESTED, **asked: Any) -> VllmPlan:
    settings = replace(VllmSettings(model), **asked)
    return plan_for(settings, vllm_model_for(model), version, gpu, model)


def value_of(plan: VllmPlan, flag: str) -> str | None:
    words = plan.arguments
    return words[words.index(flag) + 1] if flag in words else None


@pytest.mark.parametrize(
    ("gpu", "context", "streams"),
    [("8 GB", "15000", 1), ("16 GB", "15000", 4), ("L4", "45000", 8), ("L40S", "45000", 29), ("H200", "45000", 32)],
)
def test_voxtral_gets_what_the_gpu_has_room_for(gpu: str, context: str, streams: int) -> None:
    chosen = plan(gpu=GPUS[gpu])
    assert value_of(chosen, "--max-model-len") == context
    assert value_of(chosen, "--max-num-seqs") == str(chosen.max_streams) == str(streams)
    assert value_of(chosen, "--tokenizer-mode") == value_of(chosen, "--load-format") == "mistral"
    assert value_of(chosen, "--config-format") == "mistral"


@pytest.mark.parametrize(
    ("model", "gpu", "context", "streams"),
    [
        ("Qwen/Qwen3-ASR-1.7B", "8 GB", "16384", 2),
        ("Qwen/Qwen3-ASR-0.6B", "8 GB", "16384", 5),
        ("Qwen/Qwen3-ASR-1.7B", "L4", "65536", 17),
    ],
)
def test_qwen3_asr_is_served_as_its_realtime_class(model: str, gpu: str, context: str, streams: int) -> None:
    chosen = plan(model, GPUS[gpu])
    assert value_of(chosen, "--hf-overrides") == '{"architectures": ["Qwen3ASRRealtimeGeneration"]}'
    assert value_of(chosen, "--max-model-len") == context and chosen.max_streams == streams
    assert "mistral" not in chosen.arguments


def test_a_model_that_dies_of_long_sessions_is_said_to() -> None:
    assert "65536 tokens, 39 minutes" in plan("Qwen/Qwen3-ASR-1.7B").notes[0]
    assert not plan().notes


def test_no_release_that_is_tested_is_told_a_cudagraph_mode() -> None:
    for version in ("0.32.0", "0.32.1+cu130", "0.33.0rc1.dev7+g0123abc", "1.0"):
        assert not [word for word in plan(version=VllmVersion(version)).arguments if "cudagraph" in word]


def test_an_older_release_is_told_the_mode_it_needs_and_that_it_is_old() -> None:
    chosen = plan(version=VllmVersion("0.27.1"))
    assert value_of(chosen, "--compilation-config") == '{"cudagraph_mode": "PIECEWISE"}'
    assert any("older than 0.32" in note for note in chosen.notes) and not plan().notes


@pytest.mark.parametrize("model", [DEFAULT_MODEL, "Qwen/Qwen3-ASR-0.6B"])
def test_a_release_without_the_model_is_refused(model: str) -> None:
    with pytest.raises(EngineUnavailable, match=r"0\.19\.1 is too old.*0\.20 or newer") as refused:
        plan(model, version=VllmVersion("0.19.1"))
    assert "--upgrade vllm" in (refused.value.hint or "")


def test_what_is_asked_for_wins_over_what_is_chosen() -> None:
    chosen = plan(max_streams=3, max_model_len=2048, gpu_memory_utilization=0.5)
    assert value_of(chosen, "--max-num-seqs") == "3" and chosen.max_streams == 3
    assert value_of(chosen, "--max-model-len") == "2048" and value_of(chosen, "--gpu-memory-utilization") == "0.5"


def test_a_gpu_that_is_probably_too_small_is_said() -> None:
    assert "8 GiB) is probably not enough" in plan(gpu=GPUS["8 GB"]).notes[0]
    assert not plan(gpu=GPUS["16 GB"]).notes


def test_a_smaller_share_of_the_memory_leaves_room_for_fewer_streams() -> None:
    assert plan(gpu=GPUS["L40S"], gpu_memory_utilization=0.5).max_streams < plan(gpu=GPUS["L40S"]).max_streams


def test_memory_that_others_use_is_left_to_them() -> None:
    chosen = plan(gpu=replace(L4, free_gib=18.0))
    assert value_of(chosen, "--gpu-memory-utilization") == "0.78"
    assert chosen.max_streams < plan().max_streams and "18.0 of 22.5 GiB" in chosen.notes[0]
    assert value_of(plan(), "--gpu-memory-utilization") is None


def test_a_processor_gets_few_streams_and_a_warning() -> None:
    chosen = plan(gpu=None, version=ON_CPU)
    assert chosen.max_streams == FEW_STREAMS < MOST_STREAMS and "slower than speech" in chosen.notes[0]


def test_a_model_nobody_knows_gets_vllms_own_defaults() -> None:
    chosen = plan("openai/whisper-tiny")
    assert chosen.arguments == ("openai/whisper-tiny", "--max-num-seqs", str(FEW_STREAMS))
    assert "no realtime model" in chosen.notes[0]


def test_a_folder_is_served_under_its_own_name_and_extra_arguments_come_last() -> None:
    settings = VllmSettings("/models/mine", extra=("--dtype", "float32"))
    chosen = plan_for(settings, VLLM_MODELS[0], TESTED, L4, "mine")
    assert value_of(chosen, "--served-model-name") == "mine" and chosen.arguments[-2:] == ("--dtype", "float32")
    command = chosen.command("vllm", "127.0.0.1", 8000)
    assert command[:7] == ["vllm", "serve", "/models/mine", "--host", "127.0.0.1", "--port", "8000"]


@pytest.mark.parametrize("argument", ["--port", "--host=::", "--max_num_seqs", "--api-key=s3cret", "--max-model-len"])
def test_an_argument_that_contradicts_ours_is_refused(argument: str) -> None:
    with pytest.raises(UsageError) as refused:
        check_extra(["--dtype", "half", argument])
    assert "s3cret" not in f"{refused.value}{refused.value.hint}"
    check_extra(["--dtype", "half", "--enforce-eager"])


@pytest.mark.parametrize("text", ["0.32.0", "0.32.0+cu130", "0.33.0rc1.dev7+g0123abc.cu130"])
def test_a_build_for_nvidia_without_a_gpu_is_refused_before_it_is_started(text: str) -> None:
    with pytest.raises(EngineUnavailable, match="NVIDIA GPU") as refused:
        check_build(VllmVersion(text), None, gpu_seen=False)
    assert "pocketsphinx" in (refused.value.hint or "")
    check_build(VllmVersion(text), L4, gpu_seen=True)
    check_build(VllmVersion(text), None, gpu_seen=True)


@pytest.mark.parametrize("text", ["0.32.0+cpu", "0.33.0.dev1+g0123abc.cpu", "0.32.0+rocm700"])
def test_other_builds_need_no_nvidia_gpu(text: str) -> None:
    check_build(VllmVersion(text), None, gpu_seen=False)
    assert VllmVersion(text).for_cpu == ("cpu" in text)


def test_a_folder_is_known_by_what_is_in_it() -> None:
    voxtral, qwen = VLLM_MODELS
    assert vllm_model_in(frozenset({"params.json", "tekken.json", "consolidated.safetensors"}), "") is voxtral
    # The released repository holds a second layout beside the one that vLLM reads.
    assert vllm_model_in(frozenset({"params.json", "tekken.json", "config.json"}), "voxtral_realtime") is voxtral
    assert vllm_model_in(frozenset({"config.json"}), "qwen3_asr") is qwen
    assert vllm_model_in(frozenset({"config.json"}), "llama") is None


def test_the_families_are_those_of_the_model_table() -> None:
    for model in VLLM_MODELS:
        assert facts_for(model.family).family == model.family and vllm_model_for(model.family) is model


@pytest.mark.parametrize(
    ("extra", "environment", "wanted"),
    [
        ((), {}, False),
        ((), {"VLLM_TARGET_DEVICE": "cpu"}, True),
        ((), {"VLLM_TARGET_DEVICE": "cuda"}, False),
        (("--device", "cpu"), {}, True),
        (("--dtype", "half", "--device=cpu"), {}, True),
        (("--device", "cuda"), {}, False),
    ],
)
def test_doing_without_a_gpu_is_said_in_vllms_own_words(
    extra: tuple[str, ...], environment: dict[str, str], wanted: bool
) -> None:
    assert wants_cpu(extra, environment) is wanted
