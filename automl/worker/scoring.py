"""The score job: predicts splits with a trained model, in float32, and scores them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from automl import tasks
from automl.data.tables import read_table
from automl.jobs import Reliability, ScoreResult, ScoreSpec, SplitScore
from automl.tasks import Task
from automl.tasks._text import load_tokenizer
from automl.worker import costs, device, models
from automl.worker.prediction import predicted
from automl.worker.temperature import reliability


def score(spec: ScoreSpec) -> ScoreResult:
    """Return the model's scores on ``spec.splits``; ``seconds`` are those of prediction alone."""
    torch.set_num_threads(spec.threads)
    task, labels = tasks.get(spec.task), spec.data.labels
    deciding = tasks.deciding(task, spec.thresholds)
    model = models.trained(task, spec.model, device.select(spec.devices))
    tokenizer = load_tokenizer(spec.model.path, spec.model.trust_remote_code)
    splits: dict[str, SplitScore] = {}
    plain: dict[str, Mapping[str, float]] = {}
    said: dict[str, tuple[Any, Any]] = {}
    seconds, count = 0.0, 0
    for split in spec.splits:
        columns = read_table(Path(spec.data.tables[split])).to_pydict()
        began = time.monotonic()
        found, rows = predicted(task, model, tokenizer, columns, labels, spec.batch_size)
        seconds += time.monotonic() - began
        count += len(next(iter(columns.values())))
        targets = task.targets(columns, labels)
        splits[split] = deciding.report(found, targets, columns, labels, spec.seed)
        said[split] = found, targets
        if spec.thresholds:
            plain[split] = task.score(found, targets, labels)
    collate = task.collator(tokenizer)
    return ScoreResult(
        splits=splits,
        costs=costs.measure(model, costs.typical(rows), collate, Path(spec.model.path), task.infer),
        description=f"{type(model).__name__}, {models.parameters(model):,} parameters",
        seconds=seconds,
        samples_per_second=count / max(seconds, 1e-9),
        max_length=models.length_limit(model, tokenizer),
        plain=plain,
        reliability=_reliability(task, said, 1.0),
        uncalibrated=_reliability(task, said, spec.temperature) if spec.temperature != 1 else {},
    )


def _reliability(
    task: Task, said: Mapping[str, tuple[Any, Any]], temperature: float
) -> dict[str, Reliability]:
    """Return by split how reliable the probabilities are, of logits times ``temperature``."""
    if task.probabilities is None:
        return {}
    return {
        split: reliability(logits * temperature, targets, task.probabilities)
        for split, (logits, targets) in said.items()
    }
