"""The model's transcription delay, which vLLM reads from ``tekken.json`` and from nowhere else.

A model's folder may be read-only or not be here yet, so a copy of that one file, with another delay in it, becomes the
tokenizer's folder.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from gateway.settings import SettingWrong

#: Where SageMaker unpacks a model of one's own.
MODEL_FOLDER = "/opt/ml/model"
_FILE = "tekken.json"


def tokenizer_with(delay_ms: int, environment: Mapping[str, str]) -> Path:
    """Write the model's tokenizer with another delay and return its folder. Raises ``SettingWrong``."""
    source = _source(environment)
    try:
        content = json.loads(source.read_bytes())
        if content["audio"]["transcription_delay_ms"] != delay_ms:
            content["audio"]["transcription_delay_ms"] = delay_ms
    except OSError as exc:
        raise SettingWrong(f"VOXCTL_DELAY_MS={delay_ms}: cannot read {source}: {exc.strerror or exc}") from exc
    except (ValueError, LookupError, TypeError) as exc:
        raise SettingWrong(f"VOXCTL_DELAY_MS={delay_ms}: {source} knows no transcription delay") from exc
    folder = Path(environment.get("VOXCTL_DELAY_FOLDER") or Path(tempfile.gettempdir()) / "voxctl-tokenizer")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f".{_FILE}.{os.getpid()}"
        partial.write_text(json.dumps(content))
        partial.replace(folder / _FILE)
    except OSError as exc:
        raise SettingWrong(f"VOXCTL_DELAY_MS={delay_ms}: cannot write {folder}: {exc.strerror or exc}") from exc
    return folder


def _source(environment: Mapping[str, str]) -> Path:
    """Find the model's own file, as AWS's images find the model, fetching it alone if the model is not here yet."""
    if model := environment.get("SM_VLLM_TOKENIZER") or environment.get("SM_VLLM_MODEL"):
        name = model
    elif any(Path(MODEL_FOLDER).glob("*")):
        name = MODEL_FOLDER
    else:
        name = environment.get("HF_MODEL_ID", "")
    if not name:
        raise SettingWrong("VOXCTL_DELAY_MS needs to know the model: set SM_VLLM_MODEL or HF_MODEL_ID")
    if Path(name).is_dir():
        return Path(name) / _FILE
    try:
        from huggingface_hub import hf_hub_download

        revision = environment.get("SM_VLLM_TOKENIZER_REVISION") or environment.get("SM_VLLM_REVISION")
        return Path(hf_hub_download(name, _FILE, revision=revision or None))
    except Exception as exc:  # the hub's errors have no common parent, and each means the same here
        reason = str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__
        raise SettingWrong(f"VOXCTL_DELAY_MS: cannot fetch {_FILE} of {name}: {reason}") from exc
