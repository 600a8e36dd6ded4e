"""Mean pooling inside transformers' stock classes: the saved model needs no code of ours.

One more encoder layer does it. Its queries and keys are zero, so that the first token attends to
every token alike; its values are passed through, a hundredfold, so that what the layer's residual
adds to their mean is lost in the normalisation that follows; its feed-forward part adds nothing.
Knows no data and no training.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automl.errors import CandidateError

if TYPE_CHECKING:
    from torch import nn
    from transformers import PretrainedConfig, PreTrainedModel

STOCK, MEAN = "stock", "mean"
LOUDNESS = 100.0
"""How much stronger than the residual the mean is: of what is pooled, a hundredth is not it."""


@dataclass(frozen=True, slots=True)
class _Family:
    """Names of a family's parts: those of a layer within the layer, the others within the model."""

    layers: str
    head: str
    """The dense layer that the first token's state goes through before the classifier."""
    values: str = "attention.self.value"
    attended: str = "attention.output.dense"
    norms: tuple[str, str] = ("attention.output.LayerNorm", "output.LayerNorm")


_ROBERTA = _Family("roberta.encoder.layer", "classifier.dense")
_FAMILIES: Mapping[str, _Family] = {
    "bert": _Family("bert.encoder.layer", "bert.pooler.dense"),
    "camembert": _ROBERTA,
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "deberta-v2": _Family(
        "deberta.encoder.layer", "pooler.dense", values="attention.self.value_proj"
    ),
    "ernie": _Family("ernie.encoder.layer", "ernie.pooler.dense"),
    "electra": _Family("electra.encoder.layer", "classifier.dense"),
    "distilbert": _Family(
        "distilbert.transformer.layer",
        "pre_classifier",
        values="attention.v_lin",
        attended="attention.out_lin",
        norms=("sa_layer_norm", "output_layer_norm"),
    ),
}
"""Model type → parts, where a layer ends in a normalisation and a head reads the first token.

The head's dense layer passes through what is pooled. Where a ReLU or GELU follows, that cuts most
of what is negative; enough is left (MiniLM's mean, 1,000 rows of banking77: a logistic regression
gets .83 of it, .84 of what comes through a tanh).

Their attention is the same for all tokens once queries and keys are zero (DeBERTa's positions are
weighed by them too). MPNet's is not: it adds a position bias that all layers share.
"""
_BY_CONFIG: Mapping[str, str] = {"modernbert": "classifier_pooling"}
"""Model type → the setting by which its own class takes the mean."""


def pooling_choices(config: Mapping[str, object]) -> tuple[str, ...]:
    """Return the values of ``pooling`` that make sense for a config (as in config.json).

    ``stock`` is the head as the family's class has it, ``mean`` the mean over all tokens.
    """
    known = config.get("model_type") in {**_FAMILIES, **_BY_CONFIG}
    return (STOCK, MEAN) if known and not config.get("is_decoder") else (STOCK,)


def added_layers(config: Mapping[str, object], pooling: str) -> int:
    """Return how many layers the pooling adds to a model with the config (as in config.json)."""
    return int(pooling == MEAN and config.get("model_type") in _FAMILIES)


def added_layer(model: PreTrainedModel, pooling: str) -> str | None:
    """Return the name of the layer that the pooling has added to a model, if any."""
    family = _FAMILIES.get(model.config.model_type)
    if pooling != MEAN or family is None:
        return None
    layers: Any = model.get_submodule(family.layers)
    return f"{family.layers}.{len(layers) - 1}"


def configure(config: PretrainedConfig, pooling: str) -> None:
    """Set the pooling where the family's config has a word for it.

    Raises CandidateError when the family knows no such pooling.
    """
    if pooling not in pooling_choices(config.to_dict()):
        raise CandidateError(f"a {config.model_type} has no pooling {pooling!r}")
    if pooling == MEAN and config.model_type in _BY_CONFIG:
        setattr(config, _BY_CONFIG[config.model_type], MEAN)


def pool(model: PreTrainedModel, pooling: str) -> None:
    """Append the pooling layer to a loaded model where its family needs one.

    What makes it a mean stays: those of the layer's weights that are zero ask for no gradient.
    """
    family = _FAMILIES.get(model.config.model_type)
    if pooling != MEAN or family is None:
        return
    layers: Any = model.get_submodule(family.layers)
    layers.append(_mean_layer(layers[-1], family))
    for module in layers[-1].modules():
        if hasattr(module, "layer_idx"):
            module.layer_idx = len(layers) - 1
    _pass_through(model.get_submodule(family.head))
    model.config.num_hidden_layers = len(layers)


def _mean_layer(like: nn.Module, family: _Family) -> nn.Module:
    import torch

    layer = copy.deepcopy(like)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
    _pass_through(layer.get_submodule(family.values))
    _pass_through(layer.get_submodule(family.attended), LOUDNESS)
    for name in family.norms:
        torch.nn.init.ones_(layer.get_submodule(name).weight)  # type: ignore[arg-type]
    layer.requires_grad_(False)
    for name in (family.values, family.attended, *family.norms):
        layer.get_submodule(name).requires_grad_(True)
    return layer


def _pass_through(dense: Any, factor: float = 1.0) -> None:
    """Make the dense layer multiply by ``factor``."""
    import torch

    with torch.no_grad():
        torch.nn.init.eye_(dense.weight).mul_(factor)
        torch.nn.init.zeros_(dense.bias)
