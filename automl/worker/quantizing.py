"""Linear layers in four bits (NF4 of QLoRA, Dettmers et al. 2023), through bitsandbytes.

Replaces layers of a model in place and gives their weights back; knows no adapters.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from automl.errors import CandidateError

KIND = "nf4"


def quantize(model: Any, names: Iterable[str]) -> None:
    """Replace the named linear layers by frozen ones whose weights have four bits each.

    Their biases, layers of other kinds (GPT-2's transposed ones), and those that their family wants
    in full precision (T5's ``wo`` converts its input to its weights' type) stay as they are. Raises
    CandidateError with a plain reason where bitsandbytes can't be used, or finds nothing to do.
    """
    try:
        import bitsandbytes
    except Exception as error:  # a library that doesn't find its binaries raises what it likes
        raise CandidateError(f"bitsandbytes can't be used here: {error}") from error
    precise = set(getattr(model, "_keep_in_fp32_modules", None) or ())
    layers = [
        name
        for name in names
        if type(model.get_submodule(name)) is nn.Linear and not precise & set(name.split("."))
    ]
    if not layers:
        raise CandidateError("none of its layers can be rounded to four bits")
    for name in layers:
        parent, _, child = name.rpartition(".")
        made = _quantized(bitsandbytes, model.get_submodule(name))
        setattr(model.get_submodule(parent), child, made)


def quantized(model: Any) -> bool:
    """Return whether any layer of the model is in four bits."""
    return any(hasattr(each, "quant_state") for each in model.parameters())


def weight(layer: Any) -> torch.Tensor:
    """Return the layer's weights as plain numbers."""
    state = getattr(layer.weight, "quant_state", None)
    if state is None:
        found: torch.Tensor = layer.weight.detach()
        return found
    from bitsandbytes.functional import dequantize_4bit

    plain: torch.Tensor = dequantize_4bit(layer.weight.data, state)
    return plain


def _quantized(bitsandbytes: Any, layer: nn.Linear) -> Any:
    """Return the layer in four bits, scales rounded too, computing in the type of its input."""
    made = bitsandbytes.nn.Linear4bit(
        layer.in_features, layer.out_features, layer.bias is not None, quant_type=KIND
    )
    made.weight = bitsandbytes.nn.Params4bit(
        layer.weight.data, requires_grad=False, quant_type=KIND, module=made
    )
    made.bias = layer.bias
    # Otherwise the first prediction on some CPUs packs the weights anew, for which training has no
    # use and which fails where widths are no multiple of 32.
    made.support_avx512bf16_for_cpu = False
    return made.to(layer.weight.device)
