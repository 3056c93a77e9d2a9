"""Write a tiny checkpoint of the Voxtral-realtime architecture, with random weights, for the real vLLM to serve.

The timing (80 ms a token, the delay, 32 tokens of left padding) is the real model's, and so is every tensor name;
only widths, depths and vocabulary are small. The text is nonsense made of real words: what it says does not matter,
that it is a function of the audio and comes at the right moments does. ``[STREAMING_PAD]``, which decodes to nothing,
is favoured by a constant channel that every layer passes on, so that empty deltas occur as often as in life.
"""

from __future__ import annotations

import argparse
import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

type Matrix = NDArray[np.float32]
type Weights = dict[str, Matrix]

HEAD_WIDTH = 32
MEL_BANDS = 128
SPECIAL_SLOTS = 64
PAD_ID, WORD_ID = 32, 33

# The server looks these control tokens up by name; the ids are those of the released model.
FIRST_SPECIALS = """
<unk> <s> </s> [INST] [/INST] [AVAILABLE_TOOLS] [/AVAILABLE_TOOLS] [TOOL_RESULTS] [/TOOL_RESULTS] [TOOL_CALLS]
[IMG] <pad> [IMG_BREAK] [IMG_END] [PREFIX] [MIDDLE] [SUFFIX] [SYSTEM_PROMPT] [/SYSTEM_PROMPT] [TOOL_CONTENT]
"""
AUDIO_SPECIALS = {
    24: "[AUDIO]",
    25: "[BEGIN_AUDIO]",
    PAD_ID: "[STREAMING_PAD]",
    WORD_ID: "[STREAMING_WORD]",
    34: "[TRANSCRIBE]",
}
NAMED_SPECIALS = dict(enumerate(FIRST_SPECIALS.split())) | AUDIO_SPECIALS

WORDS = """
the of and to in is that it was for on are with as they at be this from have or by one had not but what all
were when we there can an your which their said if do will each about how up out them then she many some so
these would other into has more her two like him see time could no make than first been its who now people my
made over did down only way find use may water long little very after words called just where most know get
through back much before go good new write our used me man too any day same right look think also around
another came come work three word must because does part even place well such here take why things help put
years different away again off went old number great tell men say small every found still between name should
"""
VOCABULARY = WORDS.split()


@dataclass(frozen=True, slots=True)
class TinyModel:
    """The knobs of one checkpoint."""

    seed: int = 0
    delay_ms: int = 480
    """The model's look-ahead, a multiple of 80: the server's delay, which a session cannot change."""
    pad_bias: float = 12.0
    """How strongly the empty token is favoured; higher gives more empty deltas."""
    width: int = 128
    layers: int = 2

    @property
    def vocabulary_size(self) -> int:
        """Control tokens, the 256 single bytes every tokenizer falls back on, and the words."""
        return SPECIAL_SLOTS + 256 + len(VOCABULARY)


def write_tiny_model(folder: Path, model: TinyModel | None = None) -> Path:
    """Write ``params.json``, ``tekken.json`` and ``consolidated.safetensors`` (about 6 MB) and return the folder."""
    model = model or TinyModel()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "params.json").write_text(json.dumps(_params(model)))
    (folder / "tekken.json").write_text(json.dumps(_tokenizer(model)))
    _write_safetensors(folder / "consolidated.safetensors", _weights(model))
    return folder


def _audio_encoding() -> dict[str, Any]:
    return {
        "num_mel_bins": MEL_BANDS,
        "hop_length": 160,
        "window_size": 400,
    }


def _params(model: TinyModel) -> dict[str, Any]:
    heads = model.width // HEAD_WIDTH
    encoder = {
        "audio_encoding_args": {
            "sampling_rate": 16000,
            "frame_rate": 12.5,
            "chunk_length_s": None,
            "global_log_mel_max": 1.5,
            "transcription_format": "streaming",
            **_audio_encoding(),
        },
        "dim": model.width,
        "n_layers": model.layers,
        "head_dim": HEAD_WIDTH,
        "hidden_dim": 2 * model.width,
        "n_heads": heads,
        "n_kv_heads": heads,
        "vocab_size": model.vocabulary_size,
        "use_biases": True,
        "use_cache": False,
        "rope_theta": 1e6,
        "causal": True,
        "norm_eps": 1e-5,
        "pos_embed": "rope",
        "max_source_positions": None,
        "ffn_type": "swiglu",
        "norm_type": "rms_norm",
        "sliding_window": 750,
    }
    return {
        "dim": model.width,
        "n_layers": model.layers,
        "head_dim": HEAD_WIDTH,
        "hidden_dim": 2 * model.width,
        "n_heads": heads,
        "n_kv_heads": 1,
        "rope_theta": 1e6,
        "norm_eps": 1e-5,
        "vocab_size": model.vocabulary_size,
        "tied_embeddings": False,
        "sliding_window": 8192,
        "max_position_embeddings": 131072,
        "model_parallel": 1,
        "ada_rms_norm_t_cond": True,
        "ada_rms_norm_t_cond_dim": 32,
        "multimodal": {
            "whisper_model_args": {
                "encoder_args": encoder,
                "downsample_args": {"downsample_factor": 4},
            }
        },
    }


def _tokenizer(model: TinyModel) -> dict[str, Any]:
    pieces = [bytes([value]) for value in range(256)] + [f" {word}".encode() for word in VOCABULARY]
    return {
        "config": {
            "pattern": r" ?\w+|\s+|[^\w\s]+",
            "version": "v7",
            "num_vocab_tokens": len(pieces),
            "default_vocab_size": model.vocabulary_size,
            "default_num_special_tokens": SPECIAL_SLOTS,
        },
        "vocab": [
            {
                "rank": rank,
                "token_bytes": base64.b64encode(piece).decode(),
                "token_str": piece.decode(errors="replace"),
            }
            for rank, piece in enumerate(pieces)
        ],
        "special_tokens": [
            {"rank": rank, "token_str": NAMED_SPECIALS.get(rank, f"<SPECIAL_{rank}>"), "is_control": True}
            for rank in range(SPECIAL_SLOTS)
        ],
        "audio": {
            "sampling_rate": 16000,
            "frame_rate": 12.5,
            "audio_encoding_config": _audio_encoding(),
            "chunk_length_s": None,
            "transcription_format": "streaming",
            "transcription_delay_ms": model.delay_ms,
            "streaming_look_ahead_ms": 2.5,
            "streaming_look_back_ms": 52.5,
            "streaming_n_left_pad_tokens": 32,
        },
    }


def _weights(model: TinyModel) -> Weights:
    draw = _Draw(np.random.default_rng(model.seed))
    weights: Weights = {}
    for part in (_ears(model, draw), _decoder(model, draw), _mouth(model, draw)):
        weights.update(part)
    return weights


class _Draw:
    """Random matrices of unit gain, so that activations keep their size through the layers."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def matrix(self, *shape: int, gain: float = 1.0, quiet_row: int | None = None) -> Matrix:
        """``quiet_row`` is the output channel that stays zero."""
        fan_in = int(np.prod(shape[1:]))
        values: Matrix = (self._rng.standard_normal(shape) * gain / fan_in**0.5).astype(np.float32)
        if quiet_row is not None:
            values[quiet_row] = 0
        return values

    def contrast(self, *shape: int, gain: float = 1.0, quiet_row: int | None = None) -> Matrix:
        """A matrix blind to what all its inputs share.

        Behind an activation function that is most of the signal, and with it every sound gives the same word.
        """
        values = self.matrix(*shape, gain=gain, quiet_row=quiet_row)
        centred: Matrix = values - values.mean(axis=1, keepdims=True)
        return centred


def _ones(n: int) -> Matrix:
    return np.ones(n, np.float32)


def _zeros(n: int) -> Matrix:
    return np.zeros(n, np.float32)


def _ears(model: TinyModel, draw: _Draw) -> Iterator[tuple[str, Matrix]]:
    """The audio encoder and its adapter into the decoder's space."""
    width = model.width
    embedding = "mm_streams_embeddings.embedding_module"
    encoder = f"{embedding}.whisper_encoder"
    for i, bands in enumerate((MEL_BANDS, width)):
        yield f"{encoder}.conv_layers.{i}.conv.weight", draw.contrast(width, bands, 3)
        yield f"{encoder}.conv_layers.{i}.conv.bias", _zeros(width)
    for i in range(model.layers):
        layer = f"{encoder}.transformer.layers.{i}"
        for name in "qkvo":
            yield f"{layer}.attention.w{name}.weight", draw.matrix(width, width)
            if name != "k":
                yield f"{layer}.attention.w{name}.bias", _zeros(width)
        yield f"{layer}.attention_norm.weight", _ones(width)
        yield f"{layer}.ffn_norm.weight", _ones(width)
        yield f"{layer}.feed_forward.w1.weight", draw.matrix(2 * width, width)
        yield f"{layer}.feed_forward.w2.weight", draw.contrast(width, 2 * width)
        yield f"{layer}.feed_forward.w2.bias", _zeros(width)
        yield f"{layer}.feed_forward.w3.weight", draw.matrix(2 * width, width)
    yield f"{encoder}.transformer.norm.weight", _ones(width)
    # Four frames of the encoder make one token.
    yield f"{embedding}.audio_language_projection.0.weight", draw.matrix(width, 4 * width, gain=2)
    yield f"{embedding}.audio_language_projection.2.weight", draw.contrast(width, width, gain=4, quiet_row=0)


def _decoder(model: TinyModel, draw: _Draw) -> Iterator[tuple[str, Matrix]]:
    """The language model. Nothing writes to channel 0, which therefore stays what the embedding made it."""
    width = model.width
    for i in range(model.layers):
        layer = f"layers.{i}"
        yield f"{layer}.attention.wq.weight", draw.matrix(width, width)
        yield f"{layer}.attention.wk.weight", draw.matrix(HEAD_WIDTH, width)
        yield f"{layer}.attention.wv.weight", draw.matrix(HEAD_WIDTH, width)
        yield f"{layer}.attention.wo.weight", draw.matrix(width, width, quiet_row=0)
        yield f"{layer}.feed_forward.w1.weight", draw.matrix(2 * width, width)
        yield f"{layer}.feed_forward.w2.weight", draw.matrix(width, 2 * width, quiet_row=0)
        yield f"{layer}.feed_forward.w3.weight", draw.matrix(2 * width, width)
        yield f"{layer}.attention_norm.weight", _ones(width)
        yield f"{layer}.ffn_norm.weight", _ones(width)
        yield f"{layer}.ada_rms_norm_t_cond.0.weight", draw.matrix(32, width)
        yield f"{layer}.ada_rms_norm_t_cond.2.weight", draw.matrix(width, 32, gain=0.1)
    yield "norm.weight", _ones(width)


def _mouth(model: TinyModel, draw: _Draw) -> Iterator[tuple[str, Matrix]]:
    """Token embeddings in, logits out: only the words, the word marker and the pad can win; the end token never."""
    size, width = model.vocabulary_size, model.width
    embeddings: Matrix = draw.matrix(size, width, gain=width**0.5)
    embeddings[:, 0] = 1
    yield "mm_streams_embeddings.embedding_module.tok_embeddings.weight", embeddings
    logits = np.zeros((size, width), np.float32)
    sayable = [WORD_ID, *range(SPECIAL_SLOTS + 256, size)]
    logits[sayable] = draw.matrix(len(sayable), width)
    logits[sayable, 0] = 0
    logits[WORD_ID, 0] = model.pad_bias / 2
    logits[PAD_ID, 0] = model.pad_bias
    yield "output.weight", logits


def _write_safetensors(path: Path, weights: Weights) -> None:
    """The format is a length, a JSON index and the bytes; writing it here keeps torch out of our own environment."""
    index: dict[str, Any] = {}
    offset = 0
    for name, array in weights.items():
        index[name] = {
            "dtype": "F32",
            "shape": array.shape,
            "data_offsets": (offset, offset + array.nbytes),
        }
        offset += array.nbytes
    header = json.dumps(index).encode()
    header += b" " * (-len(header) % 8)
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little"))
        file.write(header)
        for array in weights.values():
            file.write(np.ascontiguousarray(array).tobytes())


def main() -> None:
    """Write one checkpoint from the command line."""
    defaults = TinyModel()
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--delay-ms", type=int, default=defaults.delay_ms)
    parser.add_argument("--pad-bias", type=float, default=defaults.pad_bias)
    args = parser.parse_args()
    write_tiny_model(args.folder, TinyModel(args.seed, args.delay_ms, args.pad_bias))


if __name__ == "__main__":
    main()
