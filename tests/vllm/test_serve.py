"""`voxctl serve --engine vllm` with the real vLLM: ready, used, ended, interrupted, and failing for true reasons."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from tests.cli.program import CLIP, Program, run, shown_error, started
from tests.vllm.make_tiny_model import write_tiny_model
from tests.vllm.make_tiny_qwen import write_tiny_qwen, write_vllm_without_torchvision
from tests.vllm.server import START_S, VENV

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

# What a tiny model on a processor needs and a user's does not.
SMALL = ("--dtype", "float32", "--enforce-eager")
END_S = 20
VLLM = VENV / "bin" / "vllm"


@pytest.fixture(autouse=True)
def small_and_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "HF_HUB_OFFLINE",
        "TRANSFORMERS_OFFLINE",
        "VLLM_NO_USAGE_STATS",
        "DO_NOT_TRACK",
        "VLLM_CPU_KVCACHE_SPACE",
    ):
        monkeypatch.setenv(name, "1")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("serve") / "voxtral-tiny")


def command(model: Path | str, *extra: str, vllm: Path = VLLM) -> tuple[str | Path, ...]:
    options = ("--engine", "vllm", "--vllm", vllm, "--port", "0", "--max-streams", "2", "--json")
    return ("serve", *options, "--model", model, "--", *SMALL, *extra)


@asynccontextmanager
async def served(model: Path, *extra: str, vllm: Path = VLLM) -> AsyncIterator[tuple[str, Program]]:
    async with started(*command(model, *extra, vllm=vllm)) as program:
        await asyncio.wait_for(program.read_until("\n"), START_S)
        said = json.loads(program.out)
        assert said["model"] == model.name and said["max_streams"] == 2
        yield said["url"], program


def below(program: Program) -> list[psutil.Process]:
    return psutil.Process(program.process.pid).children(recursive=True)


def nobody_left(processes: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=END_S)
    return not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def remove_log(message: str) -> None:
    """A failure leaves its log, and says where."""
    Path(message.split("log: ")[1].rstrip(")")).unlink()


async def test_it_serves_what_voxctl_transcribes_and_ends_without_a_trace(checkpoint: Path) -> None:
    async with served(checkpoint) as (url, program):
        done = await run("transcribe", CLIP, "--url", url, "--model", checkpoint.name)
        processes = below(program)
        program.process.send_signal(signal.SIGTERM)
        ended = await asyncio.wait_for(program.end(), END_S)
    assert done.code == 0 and len(done.out.split()) > 3
    # The server, its engine, its worker and their tracker, and the guard.
    assert ended.code == 0 and "Traceback" not in ended.err and len(processes) >= 4 and nobody_left(processes)
    for stage in ("reading the model's configuration", "starting its engine", "loading the model", "answers after"):
        assert stage in ended.err


async def test_ctrl_c_while_the_engine_starts_leaves_no_process(checkpoint: Path) -> None:
    async with started(*command(checkpoint)) as program:
        await asyncio.wait_for(program.say_until("loading the model"), START_S)
        processes = below(program)
        program.process.send_signal(signal.SIGINT)
        done = await asyncio.wait_for(program.end(), END_S)
    assert done.code == 130 and done.out == "" and len(processes) >= 4 and nobody_left(processes)


async def test_a_context_that_the_model_has_not_got_is_explained(checkpoint: Path) -> None:
    options = ("--engine", "vllm", "--vllm", VLLM, "--port", "0", "--max-model-len", "200000")
    done = await run("serve", *options, "--model", checkpoint, "--", *SMALL, limit_s=START_S)
    message, hint = shown_error(done)
    assert done.code == 4 and "no context of 200000 tokens" in message and "131072" in hint
    assert "| " in done.err and "max_model_len (200000) is greater" in done.err
    remove_log(message)


async def test_a_model_that_cannot_be_fetched_is_explained() -> None:
    done = await run(*command("mistralai/Voxtral-Mini-4B-Realtime-2602"), limit_s=START_S)
    message, hint = shown_error(done)
    assert done.code == 4 and "Hub cannot be reached" in message and "folder" in hint
    assert "downloads it first" in done.err
    remove_log(message)


async def test_qwen3_asr_is_served_too(tmp_path: Path) -> None:
    model = write_tiny_qwen(tmp_path / "qwen3-asr-tiny")
    vllm = write_vllm_without_torchvision(tmp_path / "bin", VENV / "bin")
    async with served(model, "--load-format", "dummy", vllm=vllm) as (url, _):
        done = await run("transcribe", CLIP, "--url", url, "--model", model.name, "--format", "json")
    document = json.loads(done.out)
    assert done.code == 0 and document["complete"] and document["usage"]["completion_tokens"] > 0
