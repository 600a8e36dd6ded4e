"""The forms in which a bundle may hold its weights, and loading a model from each.

Heavy libraries are imported inside. Knows no data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl import plugins
from automl.tasks import _hollow, _loading

if TYPE_CHECKING:
    import torch

    from automl.tasks import Task

SAFETENSORS, ONNX, ONNX_INT8, BF16, FP16 = "safetensors", "onnx", "onnx-int8", "bf16", "fp16"
GRAPHS = (ONNX, ONNX_INT8)
"""Those that onnxruntime computes."""
TYPES: Mapping[str, str] = {BF16: "bfloat16", FP16: "float16"}
"""Those that are another number format, with torch's name for it."""
FORMATS = (SAFETENSORS, *GRAPHS, *TYPES)
EXTRA = "onnx"
"""What of the package installs all that graphs need."""
EXPORTING, RUNNING = ("onnx", "onnxscript", "onnxruntime"), ("onnxruntime", "onnxscript")
"""Packages that making graphs needs, and using them: what describes a graph is read by onnxscript's
part of transformers."""


def missing(packages: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of the packages that are not installed."""
    return tuple(name for name in packages if not plugins.is_installed(name))


def ordered(names: Iterable[str]) -> list[str]:
    """Return formats as they are listed here; JSON keeps them by their letters."""
    return sorted(names, key=FORMATS.index)


def size(folder: Path) -> int:
    """Return the bytes of the folder's own weights; variants in other formats lie beside them."""
    variants = tuple(f".{name}" for name in TYPES)
    files = folder.glob("*.safetensors")
    return sum(f.stat().st_size for f in files if not any(each in f.name for each in variants))


def graphs_on(kind: str) -> bool:
    """Return whether the onnxruntime here computes on that kind of device."""
    return _hollow.reaches(kind)


def load(
    task: Task, folder: Path, weights: str, device: torch.device, trust_remote_code: bool = False
) -> Any:
    """Return the folder's model on ``device``, evaluating, from the weights of that form.

    It takes what a float32 model takes, and computes in its own number format. Raises
    CandidateError when a weight is missing, InputError where the form can't be used here.
    """
    if weights in GRAPHS:
        auto_class = _loading.auto_class(task, str(folder))
        return _hollow.load(auto_class, folder, device, quantized=weights == ONNX_INT8)
    if weights in TYPES:
        return narrowed(task, folder, weights, trust_remote_code).to(device)
    return _loading.trained(task, str(folder), trust_remote_code).to(device)


def narrowed(task: Task, folder: Path, weights: str, trust_remote_code: bool = False) -> Any:
    """Return the model of the folder's ``bf16`` or ``fp16`` weights, on the CPU."""
    import torch

    number = getattr(torch, TYPES[weights])
    model = _loading.variant(task, str(folder), weights, number, trust_remote_code)
    parts = [model]
    if model.config.is_encoder_decoder and model.can_generate():
        parts.append(model.get_encoder())  # generation asks it by itself
    for part in parts:
        part.register_forward_pre_hook(_cast(number), with_kwargs=True)
    return model


def _cast(number: torch.dtype) -> Any:
    """Return a hook that turns a forward's numbers, of pictures or sounds, into ``number``."""
    import torch

    def cast(module: Any, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        def one(value: Any) -> Any:
            floating = isinstance(value, torch.Tensor) and value.is_floating_point()
            return value.to(number) if floating else value

        return tuple(map(one, given)), {name: one(value) for name, value in named.items()}

    return cast
