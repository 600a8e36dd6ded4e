"""A model over several devices, each holding a part of every weight, gradient and optimizer state.

PyTorch's ``fully_shard`` (FSDP2), the same on GPUs (NCCL) and on CPUs (gloo). What is written is
always whole: checkpoints and models don't tell over how many devices they were trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from safetensors.torch import load_file
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor


def shard(model: Any, device: torch.device) -> None:
    """Divide the model, which is alike on every rank, over all ranks' devices.

    Each layer is gathered when it computes and let go after. Its parameters keep their names; the
    optimizer must be made after this. Trainer then neither moves nor wraps it.
    """
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    for layer in _layers(model):
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    # transformers' own word for a model that is sharded before training: Trainer leaves it alone,
    # and generation goes on on every rank until the last has ended.
    model._is_distributed_loading_by_transformers = True
    model._is_fsdp_managed_module = True


def is_sharded(model: Any) -> bool:
    """Return whether the model's parameters are divided over ranks, gathered just now or not."""
    return isinstance(model, FSDPModule)


def let_go(model: nn.Module) -> None:
    """Keep no parameter gathered: a forward pass leaves some so, and what is written there is lost.

    Nothing happens to a model that is not sharded.
    """
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def whole(value: Any) -> Any:
    """Return nested states with every divided tensor gathered, on the CPU.

    All ranks must call this together, over states of one form.
    """
    match value:
        case DTensor():
            return value.full_tensor().detach().cpu()
        case dict():
            return {key: whole(item) for key, item in value.items()}
        case list():
            return [whole(item) for item in value]
        case tuple():
            return tuple(whole(item) for item in value)
    return value


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return the whole weights by name, tied ones once. All ranks must call this together."""
    let_go(model)
    firsts = {name for name, _ in model.named_parameters()}
    every = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    found: dict[str, torch.Tensor] = whole(
        {
            name: value
            for name, value in model.state_dict().items()
            if name in firsts or name not in every
        }
    )
    return found


def load_weights(model: nn.Module, file: Path) -> None:
    """Load whole weights into a sharded model; RuntimeError when any is missing or unexpected."""
    let_go(model)
    given = load_file(str(file))
    own = model.state_dict()
    tied = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    tied -= {name for name, _ in model.named_parameters()}
    missing, unexpected = set(own) - set(given) - tied, set(given) - set(own)
    if missing or unexpected:
        raise RuntimeError(f"missing weights: {sorted(missing)}; unexpected: {sorted(unexpected)}")
    parts = {name: _divided(tensor, own[name]) for name, tensor in given.items()}
    model.load_state_dict(parts, strict=False)


def divided_states(states: Mapping[str, Any], optimizer: Any) -> dict[str, Any]:
    """Return an optimizer's whole state dict with what belongs to a weight divided as it is."""
    parameters = [each for group in optimizer.param_groups for each in group["params"]]
    divided = {
        number: {name: _like(value, parameters[number]) for name, value in state.items()}
        for number, state in states["state"].items()
    }
    return {**states, "state": divided}


def put(parameter: torch.Tensor, values: torch.Tensor) -> None:
    """Set a parameter, sharded or not, to whole ``values``; on all ranks together.

    It must not be gathered just now (``let_go``).
    """
    with torch.no_grad():
        parameter.copy_(_divided(values, parameter))


def _like(value: Any, parameter: torch.Tensor) -> Any:
    same = isinstance(value, torch.Tensor) and value.shape == parameter.shape
    return _divided(value, parameter) if same and parameter.ndim else value


def _divided(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """``values`` divided as ``like`` is: those of rank 0, whatever the others bring."""
    values = values.to(like.device)
    if not isinstance(like, DTensor):
        return values
    return distribute_tensor(values, like.device_mesh, like.placements)


def _layers(model: nn.Module) -> list[nn.Module]:
    """The modules that repeat: those of lists whose members are of one kind."""
    found: list[nn.Module] = []
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len({type(each) for each in module}) == 1:
            inside = {id(each) for outer in found for each in outer.modules()}
            found += [each for each in module if id(each) not in inside and _has_weights(each)]
    return found


def _has_weights(module: nn.Module) -> bool:
    return any(True for _ in module.parameters())
