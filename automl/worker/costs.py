"""What prediction with a model costs: time of one row at a time, numbers held, bytes on disk.

Trains nothing, draws nothing. Computes in float32 on the model's device, as a bundle does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from automl.worker import models
from automl.worker.store import Rows

TYPICAL_ROWS = 30
WARM_UP_ROWS = 5


def typical(rows: Rows) -> list[dict[str, Any]]:
    """Return up to ``TYPICAL_ROWS`` rows, those nearest in length to the median."""
    distance = np.abs(rows.lengths - np.median(rows.lengths))
    return [rows[int(row)] for row in np.argsort(distance, kind="stable")[:TYPICAL_ROWS]]


def measure(
    model: Any, rows: list[dict[str, Any]], collate: Callable[[list[Any]], Any], folder: Path
) -> dict[str, float]:
    """Return ``latency_ms`` (median over single ``rows``), ``parameters`` and ``disk`` (bytes).

    ``folder`` holds the saved model, whose weights are what counts as ``disk``. The model is left
    in evaluation mode.
    """
    model.eval()
    for row in rows[:WARM_UP_ROWS]:
        _seconds(model, collate([row]))
    return {
        "latency_ms": 1e3 * median(_seconds(model, collate([row])) for row in rows),
        "parameters": float(models.parameters(model)),
        "disk": float(sum(file.stat().st_size for file in folder.glob("*.safetensors"))),
    }


def _seconds(model: Any, inputs: dict[str, torch.Tensor]) -> float:
    """Return how long the model takes for ``inputs``, copied to its device and back."""
    device = next(model.parameters()).device
    inputs.pop("labels", None)
    began = time.perf_counter()
    with torch.no_grad():
        # The instance's own forward may be one that training has wrapped in autocast.
        found = type(model).forward(model, **{name: x.to(device) for name, x in inputs.items()})
        found.logits.cpu()
    return time.perf_counter() - began
