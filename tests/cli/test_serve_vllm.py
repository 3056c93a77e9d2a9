"""`voxctl serve --engine vllm` and `auto`, with a small program in the place of vLLM: a true process on a true port."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import stat
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from tests.cli.program import Program, run, run_here, shown_error, started

LIMIT_S = 40

#: Its mode comes after the --, as the last argument: what it does once it has said where it listens.
STAND_IN = """
import http.server, json, os, signal, subprocess, sys, time

if sys.argv[1:] == ["--version"]:
    print("0.32.0+cpu")
    sys.exit()
flags = dict(zip(sys.argv[3::2], sys.argv[4::2]))
mode = sys.argv[-1]
print("INFO non-default args: {}", flush=True)
if mode == "dies":
    print("\\n".join(f"line {n}" for n in range(100)))
    print("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 MiB.", flush=True)
    sys.exit(1)
if mode == "taken-once" and not os.path.exists(sys.argv[0] + ".ran"):
    open(sys.argv[0] + ".ran", "w").close()
    print("OSError: [Errno 98] Address already in use", flush=True)
    sys.exit(1)
if mode == "puzzles":
    print("KeyError: 'nonsense'")
    sys.exit(3)
# Its engine, which does not end when it does.
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
if mode in ("hangs", "stubborn"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if mode == "hangs":
    print("INFO Starting to load model", flush=True)
    time.sleep(300)

n_asked = 0

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global n_asked
        n_asked += self.path == "/health"
        if n_asked < 2:
            self.send_error(503)
            return
        key = os.environ.get("VLLM_API_KEY")
        allowed = self.path == "/health" or not key or self.headers["Authorization"] == f"Bearer {key}"
        self.send_response(200 if allowed else 401)
        self.end_headers()
        name = flags.get("--served-model-name", sys.argv[2])
        self.wfile.write(json.dumps({"data": [{"id": name}], "arguments": sys.argv, "n_asked": n_asked}).encode())

def fall(number, frame):
    print("RuntimeError: No CUDA GPUs are available", flush=True)
    os._exit(1)

signal.signal(signal.SIGUSR1, fall)
http.server.HTTPServer((flags["--host"], int(flags["--port"])), Answer).serve_forever()
"""


@pytest.fixture(autouse=True)
def logs_stay_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))


@pytest.fixture
def vllm(tmp_path: Path) -> Path:
    return executable(tmp_path / "bin" / "vllm", f"#!{sys.executable}\n{STAND_IN}")


@pytest.fixture
def gpu_vllm(tmp_path: Path) -> Path:
    return executable(tmp_path / "bin" / "vllm", f"#!{sys.executable}\n{STAND_IN.replace('0.32.0+cpu', '0.32.0')}")


@pytest.fixture
def no_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing on it."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return folder


def executable(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(stat.S_IRWXU)
    return path


def graphics_card(folder: Path, rows: str) -> None:
    executable(folder / "nvidia-smi", f"#!/bin/sh\n/bin/cat <<'EOF'\n{rows}\nEOF\n")


@asynccontextmanager
async def serving(vllm: Path, *arguments: str) -> AsyncIterator[tuple[dict[str, object], Program]]:
    """Run voxctl until it announces a server; what it announces."""
    first, extra = ([*arguments, "--"], ["serves"]) if "--" not in arguments else ([*arguments], [])
    async with started("serve", "--engine", "vllm", "--vllm", vllm, "--port", "0", "--json", *first, *extra) as program:
        await asyncio.wait_for(program.read_until("\n"), LIMIT_S)
        yield json.loads(program.out), program


def get(url: object, path: str, key: str | None = None) -> bytes:
    address = str(url).replace("ws://", "http://") + path
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {key}"} if key else {})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=5) as answer:
        return bytes(answer.read())


def processes_below(program: Program) -> list[psutil.Process]:
    return psutil.Process(program.process.pid).children(recursive=True)


def logs_in(folder: Path) -> list[Path]:
    return list(folder.glob("voxctl-vllm-*.log"))


def nobody_left(processes: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=15)
    return not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.real
async def test_what_is_announced_is_vllm_itself(vllm: Path, tmp_path: Path) -> None:
    async with serving(vllm, "--max-streams", "3", "--max-model-len", "2048") as (said, program):
        answer = json.loads(await asyncio.to_thread(get, said["url"], "/v1/models"))
        program.process.send_signal(signal.SIGTERM)
        done = await asyncio.wait_for(program.end(), LIMIT_S)
    model, arguments = "mistralai/Voxtral-Mini-4B-Realtime-2602", answer["arguments"]
    assert answer["n_asked"] == 2, "its first answer, 503, is no health"
    assert said == {"url": said["url"], "model": model, "max_streams": 3}
    assert arguments[1:3] == ["serve", model] and "--max-num-seqs 3" in " ".join(arguments)
    assert "--max-model-len 2048" in " ".join(arguments) and arguments[-1] == "serves"
    assert done.code == 0 and "slower than speech" in done.err and "downloads it first, about 9 GB" in done.err
    assert f"serving {model} to 3 streams at {said['url']}" in done.err and "ending vLLM" in done.err


@pytest.mark.real
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_told_to_end_it_leaves_no_process_and_no_log(vllm: Path, number: signal.Signals, tmp_path: Path) -> None:
    async with serving(vllm) as (_, program):
        below = processes_below(program)
        (log,) = logs_in(tmp_path)
        assert stat.S_IMODE(log.stat().st_mode) == 0o600
        program.process.send_signal(number)
        done = await asyncio.wait_for(program.end(), LIMIT_S)
    # The server, its engine, and the guard.
    assert done.code == 0 and len(below) == 3 and nobody_left(below)
    assert not logs_in(tmp_path)


@pytest.mark.real
async def test_one_that_will_not_end_is_made_to(vllm: Path) -> None:
    async with serving(vllm, "--", "stubborn") as (_, program):
        below = processes_below(program)
        program.process.send_signal(signal.SIGINT)
        await asyncio.wait_for(program.say_until("ending vLLM"), LIMIT_S)
        program.process.send_signal(signal.SIGINT)
        done = await asyncio.wait_for(program.end(), LIMIT_S)
    assert done.code == 130 and nobody_left(below)


@pytest.mark.real
async def test_ctrl_c_before_it_answers_leaves_no_process(vllm: Path) -> None:
    async with started("serve", "--engine", "vllm", "--vllm", vllm, "--port", "0", "--", "hangs") as program:
        await asyncio.wait_for(program.say_until("loading the model"), LIMIT_S)
        below = processes_below(program)
        program.process.send_signal(signal.SIGINT)
        done = await asyncio.wait_for(program.end(), LIMIT_S)
    assert done.code == 130 and done.out == "" and len(below) == 3 and nobody_left(below)


@pytest.mark.real
async def test_when_voxctl_is_killed_its_vllm_ends_too(vllm: Path, tmp_path: Path) -> None:
    async with serving(vllm) as (_, program):
        below = processes_below(program)
        program.process.kill()
        await program.process.wait()
        assert await asyncio.to_thread(nobody_left, below) and not logs_in(tmp_path)


@pytest.mark.real
async def test_one_that_dies_is_explained_below_the_end_of_its_log(vllm: Path, tmp_path: Path) -> None:
    done = await run("serve", "--engine", "vllm", "--vllm", vllm, "--port", "0", "--", "dies")
    message, hint = shown_error(done)
    assert done.code == 4 and done.out == "" and "memory is full" in message and "--max-streams" in hint
    shown = [line for line in done.err.splitlines() if line.startswith("| ")]
    assert len(shown) == 20 and shown[0] == "| line 81" and "OutOfMemoryError" in shown[-1]
    (log,) = logs_in(tmp_path)
    assert str(log) in message and "line 0\n" in log.read_text()


async def test_what_is_not_understood_names_the_log(vllm: Path, tmp_path: Path) -> None:
    done = await run("serve", "--engine", "vllm", "--vllm", vllm, "--port", "0", "--", "puzzles")
    (log,) = logs_in(tmp_path)
    assert done.code == 4 and "exit code 3" in shown_error(done)[0] and str(log) in shown_error(done)[1]


@pytest.mark.real
async def test_one_that_dies_later_is_explained_even_if_its_log_was_tidied_away(vllm: Path, tmp_path: Path) -> None:
    async with serving(vllm) as (_, program):
        below = processes_below(program)
        (log,) = logs_in(tmp_path)
        log.unlink()
        (server,) = [process for process in below if "--port" in process.cmdline()]
        server.send_signal(signal.SIGUSR1)
        done = await asyncio.wait_for(program.end(), LIMIT_S)
    assert done.code == 4 and "vLLM ended: it finds no GPU" in shown_error(done)[0] and nobody_left(below)


@pytest.mark.real
async def test_a_port_that_somebody_else_took_in_between_is_replaced(
    vllm: Path, no_tools: Path, tmp_path: Path
) -> None:
    async with serving(vllm, "--", "taken-once") as (_, program):
        assert len(logs_in(tmp_path)) == 1
        program.process.send_signal(signal.SIGTERM)
        done = await asyncio.wait_for(program.end(), LIMIT_S)
    assert done.code == 0 and done.err.count("starting vLLM") == 2


@pytest.mark.real
async def test_one_that_never_answers_is_given_up(vllm: Path) -> None:
    done = await run(
        "serve",
        "--engine",
        "vllm",
        "--vllm",
        vllm,
        "--port",
        "0",
        "--start-timeout",
        "2",
        "--",
        "hangs",
        limit_s=LIMIT_S,
    )
    message, hint = shown_error(done)
    assert done.code == 4 and "after 2 s: it is still loading the model" in message and "--start-timeout" in hint


async def test_the_key_is_vllms_and_on_no_command_line(vllm: Path) -> None:
    async with serving(vllm, "--api-key", "s3cret") as (said, program):
        lines = [" ".join(process.cmdline()) for process in processes_below(program)]
        assert len(lines) == 3 and not [line for line in lines if "s3cret" in line]
        with pytest.raises(urllib.error.HTTPError) as refused:
            await asyncio.to_thread(get, said["url"], "/v1/models")
        refused.value.close()
        assert refused.value.code == 401
        assert b"data" in await asyncio.to_thread(get, said["url"], "/v1/models", "s3cret")


async def test_a_proxy_is_not_asked_about_this_machine(vllm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with serving(vllm) as (said, _):
        assert said["model"]


async def test_a_folder_is_served_under_its_name_and_the_hint_says_so(vllm: Path, tmp_path: Path) -> None:
    folder = tmp_path / "my model"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "qwen3_asr"}')
    async with serving(vllm, "--model", str(folder)) as (said, program):
        assert said["model"] == "my model"
        hint = await asyncio.wait_for(program.say_until("try:"), LIMIT_S)
        arguments = json.loads(await asyncio.to_thread(get, said["url"], "/v1/models"))["arguments"]
    assert hint.rstrip().endswith("--model 'my model'") and "Qwen3ASRRealtimeGeneration" in " ".join(arguments)


async def test_a_port_that_is_taken_is_said_before_anything_is_started(vllm: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = await run("serve", "--engine", "vllm", "--vllm", vllm, "--port", port, "--", "serves")
    assert done.code == 4 and "in use" in shown_error(done)[0] and "its log is" not in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--vllm", "/no/such/vllm"], 4, "no command /no/such/vllm"),
        (["--vllm", "/tmp"], 4, "/tmp is a folder, not a vllm command"),
        (["--model", "/no/such/model"], 4, "no folder /no/such/model"),
        (["--host", "0.0.0.0"], 2, "without a key"),
        (["--", "--port", "1"], 2, "--port is not for vllm serve"),
    ],
)
async def test_what_cannot_be_is_said_at_once(vllm: Path, arguments: list[str], code: int, message: str) -> None:
    done = await run("serve", "--engine", "vllm", "--vllm", vllm, "--port", "0", *arguments)
    assert done.code == code and message in shown_error(done)[0] and "its log is" not in done.err


async def test_without_vllm_the_line_that_installs_it_is_given(no_tools: Path) -> None:
    done = await run("serve", "--engine", "vllm", "--port", "0")
    assert done.code == 4 and "not installed" in shown_error(done)[0] and "voxctl[vllm]" in shown_error(done)[1]


def test_what_was_typed_for_vllm_is_refused_when_there_is_none(tmp_path: Path) -> None:
    for arguments, named in (
        (("--", "--dtype", "half"), "'--dtype'"),
        (("--model", "x"), "--model"),
        (("--vllm", "x"), "--vllm"),
        (("--max-model-len", "4096"), "--max-model-len"),
        (("--gpu-memory-utilization", "0.5"), "--gpu-memory-utilization"),
        (("--start-timeout", "5"), "--start-timeout"),
    ):
        done = run_here("serve", "--port", "0", *arguments, cwd=tmp_path)
        assert done.code == 2 and shown_error(done) == (
            f"{named} is for vLLM, which is not started",
            "add --engine vllm.",
        )


async def test_a_build_for_gpus_without_one_is_refused_before_it_is_started(
    no_tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    executable(no_tools / "vllm", "#!/bin/sh\necho 0.32.0\n")
    done = await run("serve", "--engine", "vllm", "--port", "0")
    assert done.code == 4 and "NVIDIA GPU" in shown_error(done)[0] and "pocketsphinx" in shown_error(done)[1]
    assert "its log is" not in done.err


L4 = "0, GPU-1, 23034, 22806, NVIDIA L4"


@pytest.mark.real
@pytest.mark.parametrize(
    ("version", "rows", "reason", "cure"),
    [
        (None, L4, "there is no vllm command", "pip install 'voxctl[vllm]'"),
        ("0.32.0", None, "nvidia-smi shows no GPU", "install its driver"),
        ("0.32.0", "No devices were found", "nvidia-smi shows no GPU", "install its driver"),
        ("0.32.0+cpu", L4, "not built for the GPU", "--engine vllm takes it all the same"),
    ],
)
async def test_auto_takes_the_bundled_recogniser_and_says_why(
    no_tools: Path, version: str | None, rows: str | None, reason: str, cure: str
) -> None:
    if version:
        executable(no_tools / "vllm", f"#!/bin/sh\necho {version}\n")
    if rows:
        graphics_card(no_tools, rows)
    async with started("serve", "--engine", "auto", "--port", "0", "--json") as program:
        said = await asyncio.wait_for(program.say_until("--engine auto takes"), LIMIT_S)
        assert cure in await asyncio.wait_for(program.say_until("try: "), LIMIT_S)
        await asyncio.wait_for(program.read_until("\n"), LIMIT_S)
    assert "takes pocketsphinx" in said and reason in said and "pocketsphinx" in program.out


async def test_auto_takes_vllm_where_there_is_a_gpu(gpu_vllm: Path, no_tools: Path) -> None:
    graphics_card(no_tools, L4)
    arguments = ("--engine", "auto", "--vllm", gpu_vllm, "--port", "0", "--json", "--", "serves")
    async with started("serve", *arguments) as program:
        said = await asyncio.wait_for(program.say_until("--engine auto takes"), LIMIT_S)
        await asyncio.wait_for(program.read_until("\n"), LIMIT_S)
    assert "takes vllm" in said and "NVIDIA L4, 22 GiB" in said and json.loads(program.out)["max_streams"] == 8


@pytest.mark.real
async def test_the_gpu_is_the_one_that_is_left_visible(
    gpu_vllm: Path, no_tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graphics_card(no_tools, f"{L4}\n1, GPU-2, 46068, 45000, NVIDIA L40S")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    async with serving(gpu_vllm) as (said, _):
        assert said["max_streams"] == 29
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    async with started("serve", "--engine", "auto", "--vllm", gpu_vllm, "--port", "0") as program:
        assert "shows no GPU" in await asyncio.wait_for(program.say_until("--engine auto takes"), LIMIT_S)
