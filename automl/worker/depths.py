"""Learning rates by depth: what lies deeper learns more slowly (layer-wise decay).

After ELECTRA's fine-tuning (Clark et al. 2020). Names parameters; sets nothing.
"""

from __future__ import annotations

from typing import Any

from torch import nn


def factors(model: Any, decay: float, pooled_layers: int = 0) -> dict[str, float]:
    """Return parameter name → factor of the learning rate: ``decay`` to the depth from the top.

    The head has depth 0, as has all that follows the layers and the last ``pooled_layers`` of
    them; the top layer has 1; what precedes the layers, and every embedding, has one more than the
    first layer. Raises ValueError for a model whose layers can't be found.
    """
    prefix, layers = _layers(model)
    own = len(layers) - pooled_layers
    found: dict[str, float] = {}
    reached = False
    embeddings = _embeddings(model)
    for name, _ in model.named_parameters():
        inside = name.startswith(f"{prefix}.")
        reached = reached or inside
        if inside:
            depth = max(0, own - int(name[len(prefix) + 1 :].partition(".")[0]))
        else:
            before = _in_backbone(model, name) and not reached
            depth = own + 1 if before or name in embeddings else 0
        found[name] = decay**depth
    return found


def _layers(model: Any) -> tuple[str, nn.ModuleList]:
    count = getattr(model.config, "num_hidden_layers", None)
    for name, module in model.named_modules():
        # Not a kind of it: torch keeps what makes up a normalised weight in one, too.
        if type(module) is nn.ModuleList and len(module) == count:
            return name, module
    raise ValueError(f"the layers of {type(model).__name__} can't be told apart")


def _in_backbone(model: Any, name: str) -> bool:
    return name.startswith(f"{model.base_model_prefix}.")


def _embeddings(model: Any) -> set[str]:
    return {
        f"{name}.{parameter}"
        for name, module in model.named_modules()
        if isinstance(module, nn.Embedding)
        for parameter, _ in module.named_parameters()
    }
