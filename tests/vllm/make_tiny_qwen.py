"""Write what the real vLLM needs to serve a tiny model of the Qwen3-ASR architecture, all but the weights.

vLLM draws the weights itself (``--load-format dummy``). The vocabulary is the 256 single bytes and the control tokens,
so the text is noise; that it comes in segments of 5 s, and as often as in life, does not depend on the weights.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

# The server looks these up by name.
SPECIALS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|audio_start|>",
    "<|audio_end|>",
    "<|audio_pad|>",
    "<asr_text>",
)
BYTES = 256
VOCABULARY_SIZE = BYTES + len(SPECIALS)
CONTEXT_TOKENS = 65536

AUDIO = {
    "num_mel_bins": 128,
    "encoder_layers": 1,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 128,
    "d_model": 64,
    "max_source_positions": 1500,
    "n_window": 50,
    "n_window_infer": 800,
    "conv_chunksize": 500,
    "downsample_hidden_size": 32,
    "output_dim": 64,
}
TEXT = {
    "vocab_size": VOCABULARY_SIZE,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 32,
    "max_position_embeddings": CONTEXT_TOKENS,
    "tie_word_embeddings": True,
    "rope_theta": 1e6,
    "rope_scaling": {"rope_type": "default", "mrope_section": [6, 5, 5], "mrope_interleaved": True},
}


def write_tiny_qwen(folder: Path) -> Path:
    """Write the configuration, tokenizer and feature extractor (a few kB) and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    specials = {text: BYTES + i for i, text in enumerate(SPECIALS)}
    thinker = {
        "model_type": "qwen3_asr_thinker",
        "audio_config": AUDIO,
        "text_config": TEXT,
        "audio_token_id": specials["<|audio_pad|>"],
        "audio_start_token_id": specials["<|audio_start|>"],
        "audio_end_token_id": specials["<|audio_end|>"],
    }
    config = {
        "architectures": ["Qwen3ASRForConditionalGeneration"],
        "model_type": "qwen3_asr",
        "thinker_config": thinker,
    }
    written = {
        "config.json": config,
        "tokenizer.json": _tokenizer(specials),
        "tokenizer_config.json": {
            "tokenizer_class": "Qwen2TokenizerFast",
            "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>",
            "audio_token": "<|audio_pad|>",
            "audio_bos_token": "<|audio_start|>",
            "audio_eos_token": "<|audio_end|>",
            "extra_special_tokens": {"audio_token": "<|audio_pad|>"},
        },
        "preprocessor_config.json": {
            "processor_class": "Qwen3ASRProcessor",
            "feature_extractor_type": "WhisperFeatureExtractor",
            "feature_size": 128,
            "sampling_rate": 16000,
            "hop_length": 160,
            "chunk_length": 30,
            "n_fft": 400,
            "return_attention_mask": True,
        },
        "generation_config.json": {"eos_token_id": [specials["<|im_end|>"], specials["<|endoftext|>"]]},
    }
    for name, content in written.items():
        (folder / name).write_text(json.dumps(content))
    return folder


def write_vllm_without_torchvision(folder: Path, bin_folder: Path) -> Path:
    """Write a ``vllm`` command that is the one in ``bin_folder``, where torchvision may be missing; return it.

    Half of what Qwen3-ASR imports is for pictures and never called. There is no build of torchvision for every build
    of torch, so the tests do without.
    """
    package = folder / "site" / "torchvision"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(_NO_TORCHVISION)
    for name in ("vllm", "python"):
        command = folder / name
        command.write_text(f'#!/bin/sh\nPYTHONPATH="{package.parent}" exec "{bin_folder / name}" "$@"\n')
        command.chmod(0o700)
    return folder / "vllm"


_NO_TORCHVISION = """
import importlib.abc, importlib.machinery, sys

__version__ = "0.0"

class _Name(type):
    def __getattr__(cls, name):
        return name

def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return _Name(name, (), {})

class _Anything(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        if name.startswith("torchvision."):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def exec_module(self, module):
        module.__getattr__ = __getattr__

sys.meta_path.insert(0, _Anything())
"""


def _tokenizer(specials: dict[str, int]) -> dict[str, Any]:
    # Each byte is written as one printable character, as in every byte-level tokenizer.
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(BYTES) if byte not in printable]
    names = {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(others)}
    return {
        "version": "1.0",
        "added_tokens": [
            {
                "id": number,
                "content": text,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": text != "<asr_text>",
            }
            for text, number in specials.items()
        ],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": True},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": True},
        "model": {"type": "BPE", "vocab": {names[byte]: byte for byte in range(BYTES)}, "merges": []},
    }
