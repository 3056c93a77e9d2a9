"""What this machine has for vLLM: the command, its version, a GPU, the model's files."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from voxctl.errors import EngineUnavailable
from voxctl.serving.vllm_command import Gpu, VllmVersion
from voxctl.serving.vllm_models import VllmModel, vllm_model_for, vllm_model_in

GPU_LIMIT_S = 10.0
#: `vllm --version` imports all of vLLM: 12 s were measured on two busy cores.
VERSION_LIMIT_S = 120.0
MIB_PER_GIB = 2**10

_INSTALL = "pip install 'voxctl[vllm]', or make an environment of its own for vLLM and name its command with --vllm."
_GPU_QUERY = ("nvidia-smi", "--query-gpu=index,uuid,memory.total,memory.free,name", "--format=csv,noheader,nounits")
_VERSION_QUERY = "import importlib.metadata; print(importlib.metadata.version('vllm'))"
#: The driver's own file, for containers that have the GPU but not its tools.
_DRIVER = Path("/dev/nvidiactl")


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model: what vLLM loads and the name it is served under. ``family`` is ``None`` for one we know nothing of.

    ``local`` says whether its files are on this machine.
    """

    source: str
    served_name: str
    family: VllmModel | None
    local: bool


def find_vllm(named: Path | None) -> Path | None:
    """Return the ``vllm`` command: the one named, else the one beside our Python, else the one on ``PATH``.

    ``None`` if there is none. Raises ``EngineUnavailable`` for a name that is no command.
    """
    if named is not None:
        path = named.expanduser()
        found = shutil.which(path)
        if found is None and path.is_dir():
            inside = next((p for p in (path / "vllm", path / "bin" / "vllm") if p.is_file()), path / "bin" / "vllm")
            hint = f"--vllm {shlex.quote(str(inside))}"
            raise EngineUnavailable(f"{named} is a folder, not a vllm command", hint=hint)
        if found is None:
            raise EngineUnavailable(f"there is no command {named}", hint="give --vllm the path of a vllm command.")
        return Path(found).absolute()
    beside = shutil.which("vllm", path=Path(sys.executable).parent)
    found = beside or shutil.which("vllm")
    return Path(found).absolute() if found else None


def require_vllm(named: Path | None) -> Path:
    """Return the ``vllm`` command, or raise ``EngineUnavailable`` with the line that installs it."""
    found = find_vllm(named)
    if found is None:
        raise EngineUnavailable("vLLM is not installed here: there is no vllm command", hint=_INSTALL)
    return found


async def version_of(executable: Path) -> VllmVersion:
    """Return the version of a ``vllm`` command; asking the Python beside it takes 0.1 s, asking itself many."""
    text = await _output_of([_python_of(executable), "-c", _VERSION_QUERY], GPU_LIMIT_S)
    if text is None:
        text = await _output_of([str(executable), "--version"], VERSION_LIMIT_S)
    version = VllmVersion((text or "").strip().split(" ")[-1])
    if version.release == (0, 0):
        raise EngineUnavailable(
            f"{executable} does not tell its version", hint="`vllm --version` should; name another with --vllm."
        )
    return version


def _python_of(executable: Path) -> str:
    # The command may be a link into the environment that it belongs to.
    return str(executable.resolve().with_name("python"))


async def find_gpu() -> Gpu | None:
    """Return the GPU that vLLM would take: the first that ``CUDA_VISIBLE_DEVICES`` leaves it."""
    wanted = os.environ.get("CUDA_VISIBLE_DEVICES")
    text = await _output_of(list(_GPU_QUERY), GPU_LIMIT_S, lines=64)
    first = None if wanted is None else wanted.split(",")[0].strip()
    for line in (text or "").splitlines():
        cells = [cell.strip() for cell in line.split(",", 4)]
        with contextlib.suppress(ValueError):
            index, uuid, total_mib, free_mib, name = cells
            gpu = Gpu(name, float(total_mib) / MIB_PER_GIB, float(free_mib) / MIB_PER_GIB)
            if first is None or first == index or (first and uuid.startswith(first)):
                return gpu
    return None


def driver_seen() -> bool:
    """Return whether a driver for NVIDIA's GPUs is loaded and not hidden, though its tools may be missing."""
    return _DRIVER.exists() and os.environ.get("CUDA_VISIBLE_DEVICES", "0") not in ("", "-1")


async def vllm_or_reason(named: Path | None) -> tuple[str, str | None]:
    """Return in words why vLLM can serve here on a GPU, with ``None``; or why it cannot, and what would change that."""
    executable, gpu = find_vllm(named), await find_gpu()
    if executable is None:
        return "there is no vllm command", _INSTALL
    if gpu is None:
        return "nvidia-smi shows no GPU", "a machine with an NVIDIA GPU; if this one has one, install its driver."
    version = await version_of(executable)
    if not version.for_nvidia:
        return (
            f"{executable} is vLLM {version.text}, which is not built for the GPU here",
            f"--engine vllm takes it all the same; for the GPU: {_INSTALL}",
        )
    return f"vLLM {version.text} and a GPU are here ({gpu.name}, {gpu.total_gib:.0f} GiB)", None


def find_model(name: str) -> FoundModel:
    """Return what is known of a model: a folder on this machine, or a name on the Hugging Face Hub.

    Raises ``EngineUnavailable`` for a path that is no folder.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        files = frozenset(path.name for path in folder.iterdir())
        family = vllm_model_in(files, _config_type(folder)) or vllm_model_for(folder.resolve().name)
        return FoundModel(str(folder), folder.resolve().name, family, local=True)
    if name.startswith(("/", ".", "~")) or name.count("/") > 1:
        raise EngineUnavailable(
            f"there is no folder {name}",
            hint="give --model a folder that holds a model, or a name such as owner/model.",
        )
    return FoundModel(name, name, vllm_model_for(name), local=_in_cache(name))


def _config_type(folder: Path) -> str:
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return ""
    return str(config.get("model_type", "")) if isinstance(config, dict) else ""


def _in_cache(name: str) -> bool:
    """Whether the Hub's own cache has some of the model; it may be incomplete."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    hub = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    blobs = hub / f"models--{name.replace('/', '--')}" / "snapshots"
    return blobs.is_dir() and any(blobs.iterdir())


async def _output_of(command: list[str], limit_s: float, lines: int = 1) -> str | None:
    """Return the last ``lines`` of a command's output, ``None`` if it is missing, fails or takes too long."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return None
    try:
        out, _ = await asyncio.wait_for(process.communicate(), limit_s)
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return "\n".join(out.decode(errors="replace").splitlines()[-lines:]) if process.returncode == 0 else None
