"""Whether a candidate can leave as ONNX graphs, before anything is trained: its first layers try.

Asks about shapes and words of the exporter, not about weights.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from automl.errors import CandidateError
from automl.jobs import ModelRef
from automl.tasks import Labels, Task, _hollow, _layers, _weights
from automl.worker import failures, graphs, parity, store

FEW_LAYERS = 6
"""Kept of a family whose layers are alike: among them is each kind, where two kinds take turns."""
_SHAPES = (1, 3)
"""Rows of the batches that are tried; traced is a batch of two."""
_TOLERANCE = 1e-3
"""By how much outputs may differ, of the largest: rounding is far below, a lost part above."""


def why_not(
    task: Task,
    ref: ModelRef,
    labels: Labels,
    model: Any,
    tokenizer: Any,
    encoded: Mapping[str, Sequence[Any]],
) -> str:
    """Return why the candidate can't leave as ONNX graphs; an empty text where it can.

    ``model`` is it with its head; a copy with fewer layers is tried where there can be one.
    """
    if ref.trust_remote_code:
        return "it only loads by running code of its own, which graphs do without"
    rows = store.rows(encoded)
    try:
        small = _small(task, ref, labels, model, tokenizer, rows)
        _try(task, small, tokenizer, rows)
    except CandidateError as error:
        return failures.message(error)
    except Exception as error:  # of onnxruntime, or of code that a graph lacks: it is the reason
        return f"its graph fails: {failures.message(error)}"
    return ""


def _small(task: Task, ref: ModelRef, labels: Labels, model: Any, tokenizer: Any, rows: Any) -> Any:
    config = json.loads(Path(ref.path, "config.json").read_bytes())
    count = _layers.layers(config)
    if count is None or count <= FEW_LAYERS or "keep_layers" not in task.knobs:
        return model
    small = task.build(ref.path, labels, {"keep_layers": FEW_LAYERS}, False)
    if task.begin is not None:
        task.begin(small, tokenizer, rows)
    return small.eval()


def _try(task: Task, model: Any, tokenizer: Any, rows: Any) -> None:
    """Export the model, and compare what the graphs say with what it says in other shapes."""
    collate = task.collator(tokenizer)

    def batch(count: int, start: int = 0) -> Mapping[str, Any]:
        found: Mapping[str, Any] = collate(
            [rows[(start + index) % len(rows)] for index in range(count)]
        )
        return found

    made = graphs.exported(task, model, batch(2))
    with tempfile.TemporaryDirectory(prefix="automl-graphs-") as scratch:
        folder = Path(scratch)
        _settings(model, folder)
        graphs.write(made, folder / _hollow.FOLDER)
        loaded = _weights.load(task, folder, _weights.ONNX, torch.device("cpu"))
        for count in _SHAPES:
            inputs = batch(count, start=count)
            _, numbers = parity.asked(task, model, inputs)
            _, found = parity.asked(task, loaded, inputs)
            _refuse_apart(numbers, found)


def _settings(model: Any, folder: Path) -> None:
    model.config.architectures = [type(model).__name__]  # as where a model is saved
    model.config.save_pretrained(folder)
    if model.can_generate():
        model.generation_config.save_pretrained(folder)


def _refuse_apart(numbers: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    for name in numbers.keys() & found.keys():
        apart = float((numbers[name] - found[name]).abs().max())
        if apart > _TOLERANCE * max(1.0, float(numbers[name].abs().max())):
            raise CandidateError(f"the {name} of its graph are {apart:.2g} away from its own")
    if not numbers.keys() & found.keys():
        raise CandidateError("its graph gives nothing that the model gives")
