"""The score job: predicts splits with a model, trained or not, in float32, and scores them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from automl import documents, tasks
from automl.data.tables import read_table
from automl.jobs import Reliability, ScoreResult, ScoreSpec, SliceScore, SplitScore
from automl.tasks import Columns, Labels, Task, _drawing
from automl.worker import costs, device, models, observed, store
from automl.worker.cache import read_columns
from automl.worker.examining import taken
from automl.worker.prediction import predicted
from automl.worker.temperature import reliability

DRAWN, SHEET_COLUMNS = 24, 6
"""Rows that are drawn, for the card."""
MOST_SLICES = 20
"""Values of a column whose rows are scored apart, besides those that checks name."""
SHOWN = 5
"""Rows that a model which generates is asked, for the card."""


def score(spec: ScoreSpec) -> ScoreResult:
    """Return the model's scores on ``spec.splits``; ``seconds`` are those of prediction alone.

    Texts are read as far as the model can, as a pipeline over the bundle will; training may have
    cut them earlier to save time. A model without a limit of its own reads as far as in training.
    Of a split, the rows that the task scores are the first; which come first depends on content. An
    untrained candidate is scored on as many as a trial evaluates.
    """
    torch.set_num_threads(spec.threads)
    task, labels = tasks.get(spec.task), spec.data.labels
    deciding = tasks.deciding(task, spec.thresholds)
    chosen = device.select(spec.devices)
    if spec.untrained:
        model, tokenizer = models.untrained(task, spec.model, spec.data, chosen)
        most = task.evaluation_rows
    else:
        model = models.trained(task, spec.model, chosen, spec.beside)
        tokenizer = task.processor(spec.model.path, spec.model.trust_remote_code)
        most = task.scored_rows
    limit = models.reach(model, tokenizer, spec.data.max_length)
    collate = task.collator(tokenizer)
    splits: dict[str, SplitScore] = {}
    plain: dict[str, Mapping[str, float]] = {}
    said: dict[str, tuple[Any, Any]] = {}
    watched = not spec.untrained and "train" in spec.data.tables  # not where a bundle is tested
    watch = None if not watched else observed.Watch(deciding, spec.data, spec.splits)
    samples: list[dict[str, Any]] = []
    seconds, count = 0.0, 0
    for split in spec.splits:
        columns = read_columns(Path(spec.data.tables[split]), most)
        rows = store.rows(task.encode(columns, tokenizer, limit, labels))
        rows = models.with_reference(
            task, spec.base, labels, rows, collate, spec.batch_size, chosen
        )
        began = time.monotonic()
        found = predicted(task, model, tokenizer, rows, columns, labels, spec.batch_size)
        seconds += time.monotonic() - began
        count += len(next(iter(columns.values())))
        targets = task.targets(columns, labels)
        splits[split] = deciding.report(found, targets, columns, labels, spec.seed)
        if spec.slices and split == "test":
            slices = _slices(spec, deciding, found, columns)
            splits[split] = replace(splits[split], slices=slices)
        said[split] = found, targets
        if watch is not None:
            watch.see(found, columns)
        if spec.thresholds:
            plain[split] = task.score(found, targets, labels)
        if spec.sheet and split == "test" and deciding.draw is not None:
            _draw_sheet(deciding, found, columns, labels, Path(spec.sheet))
        if task.show is not None and not samples and not spec.untrained:
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
        plain=plain,
        reliability=_reliability(task, said, 1.0),
        uncalibrated=_reliability(task, said, spec.temperature) if spec.temperature != 1 else {},
        reference=watch.reference() if watch is not None else None,
    )


def _slices(spec: ScoreSpec, task: Task, found: Any, columns: Columns) -> dict[str, SliceScore]:
    """Return the scores of the rows that have one value in a column, the most frequent values."""
    labels, scores = spec.data.labels, {}
    count = len(next(iter(columns.values())))
    for name, values in read_table(Path(spec.slices)).slice(0, count).to_pydict().items():
        for value in _frequent(values, spec.named_slices.get(name, ())):
            rows = [row for row, each in enumerate(values) if each == value]
            few = {role: [held[row] for row in rows] for role, held in columns.items()}
            told = task.report(
                taken(found, rows), task.targets(few, labels), few, labels, spec.seed
            )
            scores[f"{name}={value}"] = SliceScore(told.rows, told.metrics, told.intervals)
    return scores


def _frequent(values: Sequence[str | None], named: Sequence[str]) -> list[str]:
    """Return the most frequent values, by name, and those that are named whatever their number."""
    counts = Counter(value for value in values if value is not None)
    first = {value for value, _ in counts.most_common(MOST_SLICES)}
    return sorted(first | {value for value in named if value in counts})


def _draw_sheet(task: Task, found: Any, columns: Columns, labels: Labels, target: Path) -> None:
    """Write a picture of the first rows with what is said of them."""
    assert task.draw is not None
    few = {role: values[:DRAWN] for role, values in columns.items()}
    images, captions = zip(*task.draw(found[:DRAWN], few, labels), strict=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    with documents.replacing(target) as stream:
        _drawing.contact_sheet(images, captions, SHEET_COLUMNS).save(stream, "PNG")


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
