"""What training a candidate needs in memory and disk, from its configuration's numbers alone.

An estimate in float32 that leans high, without guarantee. Knows no device; the memory to fit into
is an argument.
"""

from __future__ import annotations

from collections.abc import Mapping

from automl.plan import Fit

FLOAT = 4
STATES = 4
"""Copies of every weight: itself, its gradient, and AdamW's two moments."""
PROCESS = 500_000_000
"""Bytes of a worker before it loads a model: Python, torch and transformers (measured 467 MB)."""
GATED = ("rms_norm_eps", "hidden_activation")
"""Configuration keys of LLaMA-like and ModernBERT-like families."""
_ATTENTION_DROPOUT = ("attention_probs_dropout_prob", "attention_dropout", "attn_pdrop")
_WIDTH = ("hidden_size", "d_model", "dim", "n_embd")
_LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
_HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads")
_INNER = ("intermediate_size", "hidden_dim", "d_ff", "n_inner", "ffn_dim", "encoder_ffn_dim")


def fit(
    config: Mapping[str, object],
    parameters: int,
    batch: int,
    length: int,
    *,
    download_bytes: int,
    other_bytes: int,
) -> Fit:
    """Return the cost of one process training at ``batch`` texts of ``length`` tokens.

    ``other_bytes`` are the model's files besides its weights. ``disk_bytes`` is the model as it is
    saved after training: float32 weights and those files.
    """
    weights = parameters * FLOAT
    return Fit(
        memory_bytes=PROCESS + STATES * weights + activation_bytes(config, batch, length),
        download_bytes=download_bytes,
        disk_bytes=weights + other_bytes,
    )


def activation_bytes(config: Mapping[str, object], batch: int, length: int) -> int:
    """Return the bytes a forward pass keeps for the backward pass, for a batch of full texts.

    Counted per layer and token in floats, after Korthikanti et al. 2022 (section 4.1) with every
    value in float32: attention keeps its input, queries, keys, values, output and residuals, the
    feed-forward network its input, output and inner activations; ``GATED`` families also keep
    gates, rotated queries and keys, and norms before scaling. With attention dropout, attention on
    a CPU is not fused and holds probabilities per pair of tokens and head. The factors are
    fitted to peaks of two models on a CPU (MiniLM-L6, stories260K); other families and GPUs are
    unmeasured. 0 where the configuration does not say its width.
    """
    width, layers = _number(config, _WIDTH), _number(config, _LAYERS)
    if not width or not layers:
        return 0
    inner = _number(config, _INNER) or 4 * width
    gated = any(key in config for key in GATED)
    per_token = 16 * width + 5 * inner if gated else 11 * width + 3 * inner
    per_pair = 3.25 * (_number(config, _HEADS) or 1) if _drops_attention(config) else 0
    return int(layers * batch * (per_token * length + per_pair * length**2) * FLOAT)


def affordable_batch(
    config: Mapping[str, object],
    parameters: int,
    length: int,
    memory_bytes: int,
    *,
    processes: int = 1,
) -> int:
    """Return the largest batch whose training fits into ``memory_bytes``; 0 where none does.

    ``processes`` have that much each, hold a part each of all weights and what belongs to them, and
    share the batch.
    """
    left = memory_bytes - PROCESS - STATES * parameters * FLOAT // processes
    one = activation_bytes(config, 1, length)
    if left < one:
        return 0
    return processes * (left // one) if one else 1 << 20


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
