"""The score job: predicts splits with a model, trained or not, in float32, and scores them."""

from __future__ import annotations

import time
from pathlib import Path

import torch

from automl import tasks
from automl.data.tables import read_table
from automl.jobs import ScoreResult, ScoreSpec, SplitScore
from automl.tasks._text import load_tokenizer
from automl.worker import costs, device, models, store
from automl.worker.prediction import outputs


def score(spec: ScoreSpec) -> ScoreResult:
    """Return the model's scores on ``spec.splits``; ``seconds`` are those of prediction alone.

    Texts are read as far as the model can, as a pipeline over the bundle will; training may have
    cut them earlier to save time.
    """
    torch.set_num_threads(spec.threads)
    task = tasks.get(spec.task)
    chosen = device.select(spec.devices)
    if spec.untrained:
        model = models.untrained(task, spec.model, spec.data.labels, chosen)
    else:
        model = models.trained(task, spec.model, chosen)
    tokenizer = load_tokenizer(spec.model.path, spec.model.trust_remote_code)
    limit = models.length_limit(model, tokenizer)
    collate, labels = task.collator(tokenizer), spec.data.labels
    splits: dict[str, SplitScore] = {}
    seconds, count = 0.0, 0
    for split in spec.splits:
        columns = read_table(Path(spec.data.tables[split])).to_pydict()
        rows = store.rows(task.encode(columns, tokenizer, limit, labels))
        began = time.monotonic()
        said = outputs(model, rows, collate, spec.batch_size, task.infer)
        predicted = task.decode(said, rows, columns, tokenizer, labels)
        seconds += time.monotonic() - began
        count += len(next(iter(columns.values())))
        targets = task.targets(columns, labels)
        splits[split] = task.report(predicted, targets, columns, labels, spec.seed)
    return ScoreResult(
        splits=splits,
        costs=costs.measure(model, costs.typical(rows), collate, Path(spec.model.path), task.infer),
        description=f"{type(model).__name__}, {models.parameters(model):,} parameters",
        seconds=seconds,
        samples_per_second=count / max(seconds, 1e-9),
        max_length=limit,
    )
