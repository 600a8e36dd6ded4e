"""The floor job: what a model without a neural network scores. Imports no torch."""

from __future__ import annotations

import time
from pathlib import Path

from automl import tasks
from automl.data.tables import read_table
from automl.jobs import FloorSpec, ScoreResult


def floor(spec: FloorSpec) -> ScoreResult:
    """Return the scores of the task's floor model, trained on the train split, on ``splits``."""
    task = tasks.get(spec.task)
    columns = {
        split: read_table(Path(path)).to_pydict() for split, path in spec.data.tables.items()
    }
    asked = {
        split: {role: values[: task.scored_rows] for role, values in columns[split].items()}
        for split in spec.splits
    }
    began = time.monotonic()
    predicted = task.floor(columns["train"], asked, spec.data.labels, spec.seed)
    seconds = time.monotonic() - began
    return ScoreResult(
        splits={
            split: task.report(
                predicted[split],
                task.targets(rows, spec.data.labels),
                rows,
                spec.data.labels,
                spec.seed,
            )
            for split, rows in asked.items()
        },
        description=task.floor_description,
        seconds=seconds,
        samples_per_second=sum(len(found) for found in predicted.values()) / max(seconds, 1e-9),
    )
