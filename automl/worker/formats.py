"""The files of a model's further formats, each in a folder of its own. Judges none of them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from automl.jobs import ConvertSpec
from automl.tasks import Task, _hollow, _weights
from automl.worker import cache, graphs, models, store
from automl.worker.parity import Sample

CALIBRATION_ROWS = 128
"""Training rows by which activations' ranges are found, where that is of use."""
_BESIDE = ("config.json", "generation_config.json", "*.py")
"""What a folder of weights needs to be loaded."""
_TRACED_ROWS = 2
"""Rows of the batch that is traced: of one row, a graph for one row alone would come."""


class Maker:
    """Writes formats of one model; graphs that two formats need are exported once."""

    def __init__(self, task: Task, spec: ConvertSpec, model: Any, sample: Sample) -> None:
        self._task, self._spec, self._model, self._sample = task, spec, model, sample

    def write(self, name: str, folder: Path) -> tuple[str, ...]:
        """Write the format into ``folder``, made anew; return its files' paths in a bundle.

        Beside them lies what it takes to load them. Raises CandidateError where it can't be made.
        """
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if name == _weights.ONNX:
            files = graphs.write(self._exported, folder / _hollow.FOLDER)
        elif name == _weights.ONNX_INT8:
            small = graphs.quantized(self._exported, self._typical)
            files = graphs.write(small, folder / _hollow.FOLDER, _hollow.QUANTIZED)
        else:
            files = self._narrowed(name, folder)
        for pattern in _BESIDE:
            for file in Path(self._spec.model.path).glob(pattern):
                shutil.copyfile(file, folder / file.name)
        return tuple(str(file.relative_to(folder)) for file in files)

    @cached_property
    def _exported(self) -> dict[str, graphs.Graph]:
        return graphs.exported(self._task, self._on_cpu, self._batch(range(_TRACED_ROWS)))

    @cached_property
    def _on_cpu(self) -> Any:
        if next(self._model.parameters()).device.type == "cpu":
            return self._model
        return models.trained(self._task, self._spec.model, torch.device("cpu"))

    def _batch(self, places: range) -> Mapping[str, Any]:
        rows = self._sample.rows
        found: Mapping[str, Any] = self._task.collator(self._sample.tokenizer)(
            [rows[place % len(rows)] for place in places]
        )
        return found

    def _typical(self) -> list[dict[str, Any]]:
        """Return what the model is given of training rows, a forward pass each."""
        task, spec, sample = self._task, self._spec, self._sample
        columns = cache.read_columns(Path(spec.data.tables["train"]), CALIBRATION_ROWS)
        rows = store.rows(task.encode(columns, sample.tokenizer, sample.limit, sample.labels))
        collate = task.collator(sample.tokenizer)
        return [
            graphs.given_to(self._on_cpu, task, collate([rows[row]]))[0] for row in range(len(rows))
        ]

    def _narrowed(self, name: str, folder: Path) -> list[Path]:
        """Write the weights in another number format, as the hub's variants are called."""
        model = models.trained(self._task, self._spec.model, torch.device("cpu"))
        number = getattr(torch, _weights.TYPES[name])
        model.to(number).save_pretrained(folder, variant=name, save_original_format=False)
        return sorted(file for file in folder.iterdir() if f".{name}" in file.name)
