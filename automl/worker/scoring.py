"""The score job: predicts splits with a trained model, in float32, and scores them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch

from automl import tasks
from automl.jobs import ScoreResult, ScoreSpec, SplitScore
from automl.tasks._text import load_tokenizer
from automl.worker import costs, device, models, store
from automl.worker.cache import read_columns
from automl.worker.prediction import outputs

SHOWN = 5
"""Rows that a model which generates is asked, for the card."""


def score(spec: ScoreSpec) -> ScoreResult:
    """Return the model's scores on ``spec.splits``; ``seconds`` are those of prediction alone.

    Texts are read as far as the model can, as a pipeline over the bundle will; training may have
    cut them earlier to save time. A model without a limit of its own reads as far as in training.
    Of a split, the rows that the task scores are the first; which come first depends on content.
    """
    torch.set_num_threads(spec.threads)
    task = tasks.get(spec.task)
    chosen = device.select(spec.devices)
    model = models.trained(task, spec.model, chosen)
    tokenizer = load_tokenizer(spec.model.path, spec.model.trust_remote_code)
    limit = models.reach(model, tokenizer, spec.data.max_length)
    collate, labels = task.collator(tokenizer), spec.data.labels
    splits: dict[str, SplitScore] = {}
    samples: list[dict[str, Any]] = []
    seconds, count = 0.0, 0
    for split in spec.splits:
        columns = read_columns(Path(spec.data.tables[split]), task.scored_rows)
        rows = store.rows(task.encode(columns, tokenizer, limit, labels))
        rows = models.with_reference(
            task, spec.base, labels, rows, collate, spec.batch_size, chosen
        )
        began = time.monotonic()
        said = outputs(model, rows, collate, spec.batch_size, task.infer)
        predicted = task.decode(said, rows, columns, tokenizer, labels)
        seconds += time.monotonic() - began
        count += len(next(iter(columns.values())))
        targets = task.targets(columns, labels)
        splits[split] = task.report(predicted, targets, columns, labels, spec.seed)
        if task.show is not None and not samples:
            few = {role: values[:SHOWN] for role, values in columns.items()}
            samples = task.show(model, tokenizer, few, limit)
    return ScoreResult(
        splits=splits,
        costs=costs.measure(model, costs.typical(rows), collate, Path(spec.model.path), task.infer),
        description=f"{type(model).__name__}, {models.parameters(model):,} parameters",
        seconds=seconds,
        samples_per_second=count / max(seconds, 1e-9),
        max_length=limit,
        samples=tuple(samples),
    )
