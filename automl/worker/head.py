"""The last linear layer of a model's head: what it reads, and a logistic regression put into it.

Works on transformers' own classes as they are, found by what they compute and not by name. Knows
no rows and no training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from automl.errors import CandidateError
from automl.worker import sharding
from automl.worker.logistic import Linear

Inputs = Mapping[str, torch.Tensor]

_STRAIGHT = 1e-3
"""A head's dense layer counts as straight when what is not linear in its effect is this small."""
_SETTINGS = ((1e-3, 0.0), (1.0, 1.0))
"""Weight of the identity and bias, in units of the largest input: small around zero makes tanh
straight, far on the positive side ReLU and GELU."""


@dataclass(frozen=True, slots=True)
class _Call:
    """What one linear layer was given in a forward pass."""

    name: str
    read: torch.Tensor


def last_linear(model: Any, inputs: Inputs) -> str:
    """Return the name of the linear layer that gives the logits.

    Raises CandidateError where the head ends in none.
    """
    ends = [
        call.name
        for call in _calls(model, inputs)
        if model.get_submodule(call.name).out_features == model.config.num_labels
    ]
    if not ends:
        raise CandidateError("its head has no linear layer to put a regression into")
    return ends[-1]


@contextmanager
def opened(model: Any, name: str) -> Iterator[None]:
    """Let the model give as logits what its layer ``name`` reads, pooled as logits are."""
    layer = model.get_submodule(name)
    _replace(model, name, nn.Identity())
    try:
        yield
    finally:
        _replace(model, name, layer)


def straighten(model: Any, name: str, inputs: Inputs) -> bool:
    """Make the head pass on to its layer ``name`` what it pools; return whether it could be done.

    Many heads have a dense layer and an activation between the two, drawn at random where the
    checkpoint has none. The dense layer becomes a multiple of the identity such that the
    activation is straight wherever inputs fall; where no such multiple is found, it stays.
    """
    dense = _dense_before(model, name, inputs)
    if dense is None:
        return False
    layer = model.get_submodule(dense.name)
    kept = layer.weight.detach().clone(), layer.bias.detach().clone()
    largest = float(dense.read.abs().max())
    for weight, bias in _SETTINGS:
        with torch.no_grad():
            nn.init.eye_(layer.weight).mul_(weight)
            nn.init.constant_(layer.bias, bias * (2 * largest + 8))
        if line(dense.read, read(model, name, inputs), _STRAIGHT) is not None:
            return True
    with torch.no_grad():
        layer.weight.copy_(kept[0])
        layer.bias.copy_(kept[1])
    return False


def install(model: Any, name: str, fitted: Linear) -> None:
    """Put the regression's weights into the layer; its shape and bias must be the layer's."""
    sharding.let_go(model)
    layer = model.get_submodule(name)
    sharding.put(layer.weight, torch.from_numpy(fitted.weight))
    if fitted.bias is not None:
        sharding.put(layer.bias, torch.from_numpy(fitted.bias))


def line(given: torch.Tensor, found: torch.Tensor, tolerance: float) -> tuple[float, float] | None:
    """Return a > 0 and b such that ``found`` is a · ``given`` + b, or None where it is not.

    ``tolerance`` is what may be left over, as a share of how far ``found`` spreads.
    """
    if given.shape != found.shape:
        return None
    x, y = given.double(), found.double()
    centre, target = x.mean(), y.mean()
    x, y = x - centre, y - target
    slope = (x * y).sum() / x.square().sum()
    if not (slope > 0 and (y - slope * x).norm() < tolerance * y.norm()):
        return None
    return float(slope), float(target - slope * centre)


def read(model: Any, name: str, inputs: Inputs) -> torch.Tensor:
    """Return what the linear layer ``name`` reads of the inputs: (rows, features)."""
    return next(call.read for call in reversed(_calls(model, inputs)) if call.name == name)


def _dense_before(model: Any, name: str, inputs: Inputs) -> _Call | None:
    """Return the call of the square layer that works on pooled states just before ``name``."""
    before: _Call | None = None
    for call in _calls(model, inputs):
        if call.name == name:
            break
        layer = model.get_submodule(call.name)
        square = layer.in_features == layer.out_features and layer.bias is not None
        before = call if square and call.read.ndim == 2 else None
    return before


def _calls(model: Any, inputs: Inputs) -> list[_Call]:
    """Return the linear layers in the order in which a forward pass uses them, with what they read.

    What is wider than a row's vector is kept by shape alone: it may be large.
    """
    found: list[_Call] = []
    hooks = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):

            def note(_: nn.Module, given: Any, name: str = name) -> None:
                read = given[0].detach()
                found.append(_Call(name, read if read.ndim == 2 else read[:0]))

            hooks.append(module.register_forward_pre_hook(note))
    model.eval()
    try:
        with torch.no_grad():
            model(**inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _replace(model: Any, name: str, module: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, module)
