"""The floor job: what a model without a neural network scores. Imports no torch."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from automl import tasks
from automl.data.tables import read_table
from automl.jobs import FloorSpec, ScoreResult
from automl.worker.thresholds import choose


def floor(spec: FloorSpec) -> ScoreResult:
    """Return the scores of the task's floor model, trained on the train split, on ``splits``.

    Where ``spec`` names a metric, its thresholds are tuned for it on validation as a model's are.
    """
    task, labels = tasks.get(spec.task), spec.data.labels
    columns = {
        split: read_table(Path(path)).to_pydict() for split, path in spec.data.tables.items()
    }
    asked = {
        split: {role: values[: task.scored_rows] for role, values in columns[split].items()}
        for split in spec.splits
    }
    targets = {split: task.targets(rows, labels) for split, rows in asked.items()}
    began = time.monotonic()
    predicted = task.floor(columns["train"], asked, labels, spec.seed)
    seconds = time.monotonic() - began
    chosen: Mapping[str, float] = {}
    if spec.metric is not None:
        shown = predicted["validation"], targets["validation"]
        tuned = choose(task, *shown, labels, spec.metric, spec.direction, spec.seed)
        chosen = tuned.by_class if tuned else {}
    deciding = tasks.deciding(task, chosen)
    return ScoreResult(
        splits={
            split: deciding.report(predicted[split], targets[split], rows, labels, spec.seed)
            for split, rows in asked.items()
        },
        description=task.floor_description,
        seconds=seconds,
        samples_per_second=sum(len(found) for found in predicted.values()) / max(seconds, 1e-9),
        plain={
            split: task.score(predicted[split], targets[split], labels) for split in asked if chosen
        },
    )
