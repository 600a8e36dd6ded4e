"""What training a candidate needs in memory and disk, from its configuration's numbers alone.

An estimate in float32 that leans high, without guarantee. Knows no device; the memory to fit into
is an argument.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from automl.plan import Fit

FLOAT = 4
STATES = 4
"""Copies of every weight trained: itself, its gradient, and AdamW's two moments."""
QUANTIZED = 0.6
"""Bytes of a weight in four bits, with its share of the scales."""
PROCESS = 500_000_000
"""Bytes of a worker before it loads a model: Python, torch and transformers (measured 467 MB)."""
LOGITS = 3
"""Copies of a vocabulary's logits: themselves, their log-probabilities, their gradient (measured
2.7 to 2.9 on a CPU, 50,000 words)."""
GATED = ("rms_norm_eps", "hidden_activation")
"""Configuration keys of LLaMA-like and ModernBERT-like families."""
_ATTENTION_DROPOUT = ("attention_probs_dropout_prob", "attention_dropout", "attn_pdrop")
WRITING = 1.5
"""What encoder-decoders hold of what is counted for encoders: position biases for every pair of
tokens, dropout in more places (measured on T5 and BART; their classes vary)."""
_WIDTH = ("hidden_size", "d_model", "dim", "n_embd")
_LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers")
_DECODER_LAYERS = ("num_decoder_layers", "decoder_layers", *_LAYERS)
_HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads", "encoder_attention_heads")
_VOCABULARY = ("vocab_size",)
_INNER = ("intermediate_size", "hidden_dim", "d_ff", "n_inner", "ffn_dim", "encoder_ffn_dim")


@dataclass(frozen=True, slots=True)
class Trained:
    """How many weights a method trains of a model, and what the others are kept in."""

    parameters: int
    """The model's own."""
    adapters: int | None = None
    """Those trained beside frozen ones, the head's among them; null: every weight is trained."""
    quantized: bool = False

    @property
    def bytes(self) -> float:
        """What a process holds in training, without any row."""
        if self.adapters is None:
            return STATES * FLOAT * self.parameters
        frozen = QUANTIZED if self.quantized else FLOAT
        return frozen * self.parameters + STATES * FLOAT * self.adapters

    @property
    def merged_bytes(self) -> float:
        """What it holds while adapters are merged into a copy in float32; 0 without adapters."""
        if self.adapters is None:
            return 0.0
        return self.bytes + FLOAT * self.parameters


def fit(
    config: Mapping[str, object],
    trained: Trained,
    batch: int,
    length: int,
    target_length: int = 0,
    *,
    words: bool = False,
    download_bytes: int,
    other_bytes: int,
) -> Fit:
    """Return the cost of one process training at ``batch`` texts of ``length`` tokens.

    ``target_length`` is the tokens a decoder is to say of each; 0 where there is none. ``words``
    says that the model tells the probability of every token it reads, over its whole vocabulary.

    ``other_bytes`` are the model's files besides its weights. ``disk_bytes`` is the model as it is
    saved after training: float32 weights and those files.
    """
    weights = trained.parameters * FLOAT
    training = trained.bytes + activation_bytes(config, batch, length, target_length, words=words)
    return Fit(
        memory_bytes=PROCESS + int(max(training, trained.merged_bytes)),
        download_bytes=download_bytes,
        disk_bytes=weights + other_bytes,
    )


def activation_bytes(
    config: Mapping[str, object],
    batch: int,
    length: int,
    target_length: int = 0,
    *,
    words: bool = False,
) -> int:
    """Return the bytes a forward pass keeps for the backward pass, for a batch of full texts.

    Counted per layer and token in floats, after Korthikanti et al. 2022 (section 4.1) with every
    value in float32: attention keeps its input, queries, keys, values, output and residuals, the
    feed-forward network its input, output and inner activations; ``GATED`` families also keep
    gates, rotated queries and keys, and norms before scaling. With attention dropout, attention on
    a CPU is not fused and holds probabilities per pair of tokens and head. The factors are
    fitted to peaks of two models on a CPU (MiniLM-L6, stories260K); other families and GPUs are
    unmeasured. A decoder beside the encoder attends twice, to itself and to the text, and its
    logits over the vocabulary are held too; with ``words`` those of every token that is read. They
    outweigh a small model. 0 where the configuration does not say its width.
    """
    width, layers = _number(config, _WIDTH), _number(config, _LAYERS)
    if not width or not layers:
        return 0
    inner = _number(config, _INNER) or 4 * width
    gated = any(key in config for key in GATED)
    per_token = 16 * width + 5 * inner if gated else 11 * width + 3 * inner
    per_pair = 3.25 * (_number(config, _HEADS) or 1) if _drops_attention(config) else 0
    floats = layers * (per_token * length + per_pair * length**2)
    if words:
        floats += LOGITS * _number(config, _VOCABULARY) * length
    if target_length:
        again = _number(config, _DECODER_LAYERS)
        attending = 6 * width * target_length + 2 * width * length
        pairs = per_pair * target_length * (target_length + length)
        floats += again * (per_token * target_length + attending + pairs)
        floats += LOGITS * target_length * _number(config, _VOCABULARY)
        floats *= WRITING
    return int(batch * floats * FLOAT)


def affordable_batch(
    config: Mapping[str, object],
    trained: Trained,
    length: int,
    memory_bytes: int,
    target_length: int = 0,
    *,
    texts: int = 1,
    words: bool = False,
    processes: int = 1,
) -> int:
    """Return the largest batch whose training fits into ``memory_bytes``; 0 where none does.

    ``texts`` is how many of ``length`` tokens a row holds; the rest is as in ``fit``.
    ``processes`` have that much each, hold a part each of all weights and what belongs to them, and
    share the batch; adapters are in one process alone.
    """
    left = memory_bytes - PROCESS - trained.bytes / processes
    one = activation_bytes(config, texts, length, target_length, words=words)
    if left < one or memory_bytes - PROCESS < trained.merged_bytes:
        return 0
    return processes * int(left // one) if one else 1 << 20


def _number(config: Mapping[str, object], keys: tuple[str, ...]) -> int:
    for key in keys:
        found = config.get(key)
        if isinstance(found, int) and not isinstance(found, bool):
            return found
    return 0


def _drops_attention(config: Mapping[str, object]) -> bool:
    """Families that do not say are taken to have attention dropout: the larger estimate."""
    said = [config[key] for key in _ATTENTION_DROPOUT if key in config]
    return any(said) if said else True
