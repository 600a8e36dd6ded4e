"""Which model families' layers can be counted, and left away from the top, by their config alone.

Data and arithmetic: imports nothing heavy, so that the compiler may ask.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from automl.errors import CandidateError

if TYPE_CHECKING:
    from torch import nn
    from transformers import PretrainedConfig, PreTrainedModel

READING: Mapping[str, str] = {
    "bert": "num_hidden_layers",
    "camembert": "num_hidden_layers",
    "deberta": "num_hidden_layers",
    "deberta-v2": "num_hidden_layers",
    "distilbert": "n_layers",
    "electra": "num_hidden_layers",
    "ernie": "num_hidden_layers",
    "esm": "num_hidden_layers",
    "gemma": "num_hidden_layers",
    "gpt2": "n_layer",
    "gpt_neox": "num_hidden_layers",
    "llama": "num_hidden_layers",
    "mistral": "num_hidden_layers",
    "modernbert": "num_hidden_layers",
    "mpnet": "num_hidden_layers",
    "opt": "num_hidden_layers",
    "qwen2": "num_hidden_layers",
    "qwen3": "num_hidden_layers",
    "roberta": "num_hidden_layers",
    "xlm-roberta": "num_hidden_layers",
}
SEEING_AND_HEARING: Mapping[str, str] = {
    "audio-spectrogram-transformer": "num_hidden_layers",
    "beit": "num_hidden_layers",
    "deit": "num_hidden_layers",
    "dinov2": "num_hidden_layers",
    "hubert": "num_hidden_layers",
    "vit": "num_hidden_layers",
    "wav2vec2": "num_hidden_layers",
    "wavlm": "num_hidden_layers",
    "whisper": "encoder_layers",
}
LAYERED: Mapping[str, str] = {**READING, **SEEING_AND_HEARING}
"""Model type → what its config calls the number of layers.

Listed are families whose layers are alike, one after the other, and each with weights of its own.
"""
_PER_LAYER = ("layer_types",)
"""Settings that hold one entry a layer."""


def layers(config: Mapping[str, object]) -> int | None:
    """Return how many layers the config (as in config.json) has; None where they aren't countable.

    ``keep_layers`` and ``layer_decay`` are for models with a number.
    """
    key = LAYERED.get(str(config.get("model_type")))
    found = None if key is None else config.get(key)
    return found if isinstance(found, int) and found > 0 else None


def keep(config: PretrainedConfig, count: int) -> None:
    """Leave the first ``count`` layers in the config; a model loaded with it skips the others.

    Raises CandidateError when there are fewer, or when the family is not one of ``LAYERED``.
    """
    there = layers(config.to_dict())
    if there is None:
        raise CandidateError(f"layers of a {config.model_type} can't be left away")
    if not 1 <= count <= there:
        raise CandidateError(f"{count} layers are to be kept of {there}")
    changed: dict[str, Any] = {LAYERED[config.model_type]: count}
    for name in _PER_LAYER:
        if (entries := getattr(config, name, None)) is not None:
            changed[name] = entries[:count]
    for name, value in changed.items():
        setattr(config, name, value)


def embeddings(model: PreTrainedModel) -> nn.Module:
    """Return the part that turns tokens into the first layer's input.

    The whole of it where the family has a module for it, else the table of tokens alone.
    """
    from torch import nn

    tokens: nn.Module = model.get_input_embeddings()
    parts: Iterable[nn.Module] = model.base_model.children()
    for part in parts:
        modules = list(part.modules())
        if any(module is tokens for module in modules):
            return tokens if any(isinstance(module, nn.ModuleList) for module in modules) else part
    return tokens
