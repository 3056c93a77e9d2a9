"""What the log of vLLM says, by lines that vLLM and the libraries below it really wrote.

Those about GPUs are from public reports, the others from vLLM 0.32 on a processor.
"""

from __future__ import annotations

import pytest

from voxctl.serving.vllm_log import LINE_CHARS, TAIL_LINES, Cause, LogReader

WORKER = "(Worker pid=2291010) ERROR 03-12 08:22:28 [multiproc_executor.py:800] "
PYDANTIC = "pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig"

CAUSES = {
    "port": (["    sock.bind(addr)", "OSError: [Errno 98] Address already in use"], "in use", "--port"),
    "arguments": (
        ["            ...", "vllm: error: unrecognized arguments: --no-such-flag 1"],
        "unrecognized arguments: --no-such-flag 1",
        "after --",
    ),
    "disk": (["OSError: [Errno 28] No space left on device"], "disk is full", "HF_HOME"),
    "busy": (
        [
            WORKER + "ValueError: Free memory on device cuda:0 (111.99/139.8 GiB) on startup is less than desired GPU "
            "memory utilization (0.95, 132.81 GiB). Decrease GPU memory utilization or reduce GPU memory used by other "
            "processes.",
            "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}",
        ],
        "only 111.99 of its 139.8 GiB are free",
        "nvidia-smi",
    ),
    "context": (
        [
            "ValueError: To serve at least one request with the model's max seq len (131072), (14.0 GiB KV cache is "
            "needed, which is larger than the available KV cache memory (3.1 GiB). Based on the available memory, the "
            "estimated maximum model length is 28976. Try increasing `gpu_memory_utilization` (which also controls CPU "
            "memory on the CPU backend) or decreasing `max_model_len` when initializing the engine."
        ],
        "so long a session",
        "--max-model-len 28976",
    ),
    "memory": (
        [
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 MiB. GPU 6 has a total capacity of "
            "44.53 GiB of which 448.00 KiB is free."
        ],
        "memory is full",
        "--max-streams",
    ),
    "overrun": (
        [
            "(EngineCore pid=20469) ERROR 11-21 12:43:04 [core.py:1512] RuntimeError: Worker failed with error "
            "'could not broadcast input array from shape (485,) into shape (400,)', please check the stack trace above",
            "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack trace (above) for",
        ],
        "longer than the 400 tokens",
        "--max-model-len",
    ),
    "gpu": (["RuntimeError: No CUDA GPUs are available"], "no GPU that it can use", "--engine pocketsphinx"),
    "gated": (
        [
            "huggingface_hub.errors.GatedRepoError: 401 Client Error. (Request ID: Root=1-66f4b037)",
            "Cannot access gated repo for url https://huggingface.co/owner/model/resolve/main/config.json.",
            "Access to model owner/model is restricted. You must have access to it and be authenticated to access it.",
        ],
        "does not give the model",
        "hf auth login",
    ),
    "missing": (
        [
            "huggingface_hub.errors.RepositoryNotFoundError: 401 Client Error. (Request ID: Root=1-66f4b037)",
            "If you are trying to access a private or gated repo, make sure you are authenticated and your token has "
            "the required permissions.",
            "OSError: owner/model is not a local folder and is not a valid model identifier listed on 'https://hugg…'",
        ],
        "no such model",
        "--model",
    ),
    "network": (
        [
            "huggingface_hub.errors.LocalEntryNotFoundError: An error happened while trying to locate the file on the "
            "Hub and we cannot find the requested files in the local cache.",
            "OSError: We couldn't connect to 'https://huggingface.co' to load the files, and couldn't find them in the "
            "cached files.",
        ],
        "cannot be reached",
        "a folder",
    ),
    "architecture": (
        [
            PYDANTIC,
            "  Value error, Model architectures ['FooForBar'] are not supported for now. Supported architectures: "
            "dict_keys(['AfmoeForCausalLM'])",
        ],
        "['FooForBar']",
        "--upgrade vllm",
    ),
    "package": (
        [
            "(APIServer pid=8992) ERROR 11-21 12:16:06 [registry.py:1120] ModuleNotFoundError: No module named "
            "'torchvision'",
            PYDANTIC,
        ],
        "Python package torchvision",
        "vllm[audio]",
    ),
    "value": (
        [PYDANTIC, "  Value error, Unknown load format: nonsense [type=value_error]"],
        "Unknown load format: nonsense",
        "correct",
    ),
}
OTHERS = [
    (
        "No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing",
        "memory",
    ),
    (
        "  Value error, User-specified max_model_len (200000) is greater than the derived max_model_len "
        "(max_position_embeddings=131072.0 or model_max_length=None in model's config.json).",
        "context",
    ),
    (
        "ValueError: The model's max seq len (65536) is larger than the maximum number of tokens that can be stored in "
        "KV cache (35504).",
        "context",
    ),
    ("RuntimeError: Failed to infer device type, please set the environment variable", "gpu"),
    ("ImportError: libcuda.so.1: cannot open shared object file: No such file or directory", "gpu"),
    ("  Value error, Invalid repository ID or local directory specified: '/models/empty'.", "missing"),
    ("huggingface_hub.errors.HFValidationError: Repo id must be in the form 'repo_name'", "missing"),
    ("403 Client Error: Forbidden for url", "gated"),
]


def judged(*lines: str, exit_code: int = 1) -> Cause | None:
    reader = LogReader(lambda stage: None)
    for line in lines:
        reader.feed(line)
    return reader.cause(exit_code)


@pytest.mark.parametrize("key", CAUSES)
def test_a_cause_is_named_with_its_cure(key: str) -> None:
    lines, message, cure = CAUSES[key]
    # Whatever else is said before and after, as at the end of every failed start.
    found = judged("INFO fine", *lines, "RuntimeError: Engine core initialization failed. See root cause above.", "")
    assert found and found.key == key and message in found.message and cure in found.cure


@pytest.mark.parametrize(("line", "key"), OTHERS)
def test_other_words_for_the_same_are_understood(line: str, key: str) -> None:
    found = judged(line)
    assert found and found.key == key


def test_the_cause_is_found_above_what_it_led_to() -> None:
    memory, package = CAUSES["memory"][0][0], CAUSES["package"][0][0]
    for lines in ((memory, package), (package, memory)):
        found = judged(*lines)
        assert found and found.key == "memory"


def test_what_is_not_understood_is_not_explained() -> None:
    assert judged("Traceback (most recent call last):", "KeyError: 'nonsense'") is None
    killed = judged("INFO fine", exit_code=-9)
    assert killed and "killed" in killed.message
    # A warning that every start on a shared machine gives.
    assert (
        judged("WARNING [system_utils.py:255] This can cause fd limit errors like `OSError: [Errno 24] Too many`")
        is None
    )


def test_braces_in_a_log_are_only_characters() -> None:
    found = judged("vllm: error: unrecognized arguments: --x {model}")
    assert found and found.message.endswith("--x {model}")


def test_stages_are_told_once_each_time_they_begin() -> None:
    stages: list[str] = []
    reader = LogReader(stages.append)
    for line in (
        "(APIServer pid=1) INFO 11-21 12:10:12 [api_utils.py:286] non-default args: {'model_tag': 'tiny'}",
        "(APIServer pid=1) WARNING 11-21 12:10:22 [vllm.py:1703] Enforce eager set, disabling torch.compile",
        "(EngineCore pid=2) INFO 11-21 12:10:29 [core.py:133] Initializing a V1 LLM engine (v0.32.0) with config: x",
        "(Worker pid=3) INFO 11-21 12:10:37 [cpu_model_runner.py:68] Starting to load model tiny...",
        "consolidated.safetensors:  12%|█▏        | 1.05G/8.86G [00:10<01:20, 97.0MB/s]",
        "consolidated.safetensors:  50%|█████     | 4.43G/8.86G [00:44<00:44, 99.0MB/s]",
        "Loading safetensors checkpoint shards:   0% Completed | 0/1 [00:00<?, ?it/s]",
        "(EngineCore pid=2) INFO 11-21 12:11:02 [backends.py:1105] Using cache directory: /x for vLLM's torch.compile",
        "Capturing CUDA graphs (mixed prefill-decode, PIECEWISE):  20%|██        | 7/35 [00:02<00:08,  3.2it/s]",
        "(APIServer pid=1) INFO 11-21 12:10:42 [entry.py:140] Starting vLLM server on http://127.0.0.1:18910",
    ):
        reader.feed(line)
        if "50%" in line:
            assert reader.progress == "50%"
    assert stages == [
        "reading the model's configuration",
        "starting its engine",
        "loading the model",
        "downloading the model",
        "loading the model",
        "compiling",
        "capturing CUDA graphs",
        "opening its port",
    ]
    assert reader.cause(0) is None


def test_only_the_end_is_kept_and_no_line_is_endless() -> None:
    reader = LogReader(lambda stage: None)
    for n in range(100):
        reader.feed(f"{n} " + "x" * 10_000)
        reader.feed("   ")
    assert len(reader.tail) == TAIL_LINES and reader.tail[0].startswith("80 ")
    assert all(len(line) == LINE_CHARS for line in reader.tail)
