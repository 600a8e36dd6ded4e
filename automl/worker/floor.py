"""The floor job: what a model without a neural network scores. Imports no torch."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from automl import tasks
from automl.data.tables import read_table
from automl.jobs import FloorSpec, ScoreResult
from automl.tasks import Task


def floor(spec: FloorSpec) -> ScoreResult:
    """Return the scores of the task's floor model, trained on the train split, on ``splits``."""
    task = tasks.get(spec.task)
    columns = {
        split: read_table(Path(path)).to_pydict() for split, path in spec.data.tables.items()
    }
    asked = {split: columns[split] for split in spec.splits}
    began = time.monotonic()
    logits = task.floor(columns["train"], asked, spec.data.labels, spec.seed)
    seconds = time.monotonic() - began
    return ScoreResult(
        splits={
            split: task.report(
                logits[split],
                targets(task, rows, spec.data.labels),
                rows,
                spec.data.labels,
                spec.seed,
            )
            for split, rows in asked.items()
        },
        description=task.floor_description,
        seconds=seconds,
        samples_per_second=sum(len(found) for found in logits.values()) / max(seconds, 1e-9),
    )


def targets(
    task: Task, columns: Mapping[str, Sequence[Any]], labels: Sequence[str]
) -> npt.NDArray[Any]:
    """Return the rows' targets without a tokenizer: class indices, or numbers.

    Raises KeyError for a label that is not one of ``labels``.
    """
    role = next(role for role in task.roles if role.kind != "text")
    values = columns[role.name]
    if role.kind == "number":
        return np.asarray(values, dtype=np.float32)
    index = {label: position for position, label in enumerate(labels)}
    return np.asarray([index[str(value)] for value in values], dtype=np.int64)
