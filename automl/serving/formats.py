"""Which of a bundle's weights are used, and on what device: as wished, or an error that says why.

Loads nothing.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from automl.bundle import BundleInfo
from automl.errors import InputError, Problem
from automl.tasks import _hollow, _weights

AUTO = "auto"


def held(info: BundleInfo, folder: Path) -> tuple[str, ...]:
    """Return the formats of which the bundle holds the files."""
    return tuple(name for name in _weights.FORMATS if _is_there(info, folder, name))


def chosen(info: BundleInfo, folder: Path, weights: str, device: str) -> tuple[str, Any]:
    """Return the format to load and the torch device to load it onto.

    Raises InputError for a format that is unknown, that the bundle doesn't hold or that can't be
    used here, and for an unknown device.
    """
    if weights not in (*_weights.FORMATS, AUTO):
        hint = f"one of {', '.join((*_weights.FORMATS, AUTO))}"
        raise InputError(Problem(f"there are no weights called {weights!r}", hint=hint))
    if weights == AUTO:
        weights = _automatic(info, folder, device)
    if not _is_there(info, folder, weights):
        raise InputError(_absent(info, folder, weights))
    if weights not in _weights.GRAPHS:
        return weights, _device(device)
    if lacking := _weights.missing(_weights.RUNNING):
        raise InputError(
            Problem(
                f"{weights} needs {' and '.join(lacking)}, not installed",
                hint=f"pip install 'automl[{_weights.EXTRA}]'",
            )
        )
    found = _device(device)
    if device == AUTO and not _weights.graphs_on(found.type):
        return weights, _device("cpu")
    return weights, found


def _automatic(info: BundleInfo, folder: Path, device: str) -> str:
    usable = _is_there(info, folder, _weights.ONNX) and not _weights.missing(_weights.RUNNING)
    on_cpu = usable and _device(device).type == "cpu"
    return _weights.ONNX if on_cpu else _weights.SAFETENSORS


def _is_there(info: BundleInfo, folder: Path, name: str) -> bool:
    if name == _weights.SAFETENSORS:
        return True  # or adapters, which loading tells apart
    if name in _weights.TYPES:
        return any(folder.glob(f"*.{name}*.safetensors"))
    tail = _hollow.QUANTIZED if name == _weights.ONNX_INT8 else ""
    return any((folder / _hollow.FOLDER / f"{each}{tail}.onnx").is_file() for each in _FIRST)


_FIRST = (_hollow.MODEL, _hollow.ENCODER)
"""Graphs of which every model has one."""


def _absent(info: BundleInfo, folder: Path, name: str) -> Problem:
    facts = info.formats.get(name)
    said = f"the bundle holds no {name}; it has {', '.join(held(info, folder))}"
    if facts is not None and facts.refused:
        enough = math.ceil(1000 * (facts.loss or 0.0)) / 1000
        hint = f"`export: {{max_metric_loss: {enough:g}}}` would take it" if enough > 0 else None
        return Problem(f"{said}. It was left out: {facts.refused}", hint=hint)
    return Problem(said, hint=f"`export: {{formats: [{name}]}}` in its recipe, and run that again")


def _device(wanted: str) -> Any:
    import torch

    if wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(wanted)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            Problem(f"device {wanted!r} cannot be used: {reason}", hint="auto, cpu, cuda, cuda:1")
        ) from error
    return device
