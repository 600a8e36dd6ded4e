"""What prediction with a model costs: time of one row at a time, numbers held, bytes on disk.

Trains nothing, draws nothing. Computes in float32 on the model's device, as a bundle does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from automl.tasks import _weights
from automl.worker import models
from automl.worker.store import Rows

Infer = Callable[[Any, dict[str, torch.Tensor]], Iterable[Any]]
TYPICAL_ROWS = 30
WARM_UP_ROWS = 5


def typical(rows: Rows) -> list[dict[str, Any]]:
    """Return up to ``TYPICAL_ROWS`` rows, those nearest in length to the median."""
    distance = np.abs(rows.lengths - np.median(rows.lengths))
    return [rows[int(row)] for row in np.argsort(distance, kind="stable")[:TYPICAL_ROWS]]


def measure(
    model: Any,
    rows: list[dict[str, Any]],
    collate: Callable[[list[Any]], Any],
    folder: Path,
    infer: Infer,
) -> dict[str, float]:
    """Return ``latency_ms`` (median over single ``rows``), ``parameters`` and ``disk`` (bytes).

    ``folder`` holds the saved model, whose weights are what counts as ``disk``. The model is left
    in evaluation mode.
    """
    model.eval()
    with _as_loaded(model):
        for row in rows[:WARM_UP_ROWS]:
            _seconds(model, collate([row]), infer)
        latency = median(_seconds(model, collate([row]), infer) for row in rows)
    return {
        "latency_ms": 1e3 * latency,
        "parameters": float(models.parameters(model)),
        "disk": float(_weights.size(folder)),
    }


@contextmanager
def _as_loaded(model: Any) -> Iterator[None]:
    """Within, the model computes as its class does: training may have wrapped it in autocast."""
    wrapped = vars(model).pop("forward", None)
    try:
        yield
    finally:
        if wrapped is not None:
            model.forward = wrapped


def _seconds(model: Any, inputs: dict[str, torch.Tensor], infer: Infer) -> float:
    """Return how long the model takes for ``inputs``, copied to its device and back."""
    device = next(model.parameters()).device
    began = time.perf_counter()
    with torch.no_grad():
        infer(model, {name: x.to(device) for name, x in inputs.items()})
    return time.perf_counter() - began
