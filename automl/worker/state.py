"""Nested states of optimizers, schedulers and generators as safetensors and JSON; no pickle.

What comes back is equal bit for bit: tensors as they are, floats by their shortest exact decimal.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file


def save(state: Any, stem: Path) -> None:
    """Write ``state`` (dicts, lists, tuples, numbers, strings, tensors, arrays) to two files.

    They are ``stem`` with ``.json`` and ``.safetensors``. Raises TypeError naming another type.
    """
    tensors: dict[str, torch.Tensor] = {}
    stem.with_suffix(".json").write_text(json.dumps(_encode(state, tensors)))
    save_file(tensors, stem.with_suffix(".safetensors"))


def load(stem: Path) -> Any:
    """Return the state that ``save`` wrote, tensors on the CPU."""
    tensors = load_file(stem.with_suffix(".safetensors"))
    return _decode(json.loads(stem.with_suffix(".json").read_text()), tensors)


def generators() -> dict[str, Any]:
    """Return the states of Python's, numpy's and torch's generators of this process."""
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_generators(states: dict[str, Any]) -> None:
    """Put back what ``generators`` returned."""
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
    torch.set_rng_state(states["torch"])
    if states["cuda"]:
        torch.cuda.set_rng_state_all(states["cuda"])


def _encode(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case torch.Tensor():
            return {"tensor": _keep(value.detach().cpu(), tensors)}
        case np.ndarray():
            return {"array": _keep(torch.from_numpy(value), tensors)}
        case dict():
            pairs = [[_encode(k, tensors), _encode(v, tensors)] for k, v in value.items()]
            return {"dict": pairs}
        case tuple():
            return {"tuple": [_encode(item, tensors) for item in value]}
        case list():
            return [_encode(item, tensors) for item in value]
    raise TypeError(f"a {type(value).__name__} can't be saved in a checkpoint")


def _keep(tensor: torch.Tensor, tensors: dict[str, torch.Tensor]) -> str:
    name = f"t{len(tensors)}"
    tensors[name] = tensor.contiguous()
    return name


def _decode(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, list):
        return [_decode(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    match kind:
        case "tensor":
            return tensors[content]
        case "array":
            return tensors[content].numpy()
        case "tuple":
            return tuple(_decode(item, tensors) for item in content)
    return {_decode(k, tensors): _decode(v, tensors) for k, v in content}
