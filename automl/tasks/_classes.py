"""Scores of single-label classification, from logits and true class indices, in numpy alone.

Every metric is a function of three counts per class (hits, true, predicted) and the mean log loss,
so that a thousand bootstrap resamples are scored at once. Knows no text and no model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from automl.jobs import Interval, SplitScore
from automl.tasks._text import indices

Array = npt.NDArray[Any]

LEAST_PROBABILITY = 1e-15
"""Probabilities are clipped here, so that one confident mistake does not make log loss infinite."""
RESAMPLES = 1000
MISTAKES = 10
_CELLS_AT_ONCE = 4_000_000


Thresholds = Mapping[str, float]
"""Of two classes one, with the least probability from which it is predicted; empty: a half."""


def targets(values: Sequence[str], labels: Sequence[str]) -> Array:
    """Return the rows' class indices, int64; DataError names one that is not of ``labels``."""
    return np.asarray(indices(values, labels), dtype=np.int64)


def decided(logits: Array, labels: Sequence[str], thresholds: Thresholds | None) -> Array:
    """Return the predicted class indices (rows,): the most probable, or by the threshold."""
    if not thresholds:
        most: Array = logits.argmax(axis=1)
        return most
    ((label, least),) = thresholds.items()
    index = labels.index(label)
    enough = np.exp(log_softmax(logits))[:, index] >= least
    return np.where(enough, index, 1 - index)


def score(
    logits: Array,
    targets: Array,
    labels: Sequence[str],
    thresholds: Thresholds | None = None,
) -> dict[str, float]:
    """Return each metric of ``_metrics``; ``logits`` (rows, classes), ``targets`` (rows,)."""
    codes = targets[None, :], decided(logits, labels, thresholds)[None, :]
    found = _metrics(*_counts(*codes, len(labels)), _losses(logits, targets)[None, :].mean(axis=1))
    return {name: float(values[0]) for name, values in found.items()}


def report(
    logits: Array,
    targets: Array,
    columns: Mapping[str, Sequence[Any]],
    labels: Sequence[str],
    seed: int,
    thresholds: Thresholds | None = None,
) -> SplitScore:
    """Return metrics with 95% percentile bootstrap intervals (Efron 1979), classes, confusion.

    ``columns`` are shown with the most confident mistakes. A class without rows has recall 0.
    """
    predicted = decided(logits, labels, thresholds)
    confusion = np.zeros((len(labels), len(labels)), dtype=np.int64)
    np.add.at(confusion, (targets, predicted), 1)
    return SplitScore(
        rows=len(targets),
        metrics=score(logits, targets, labels, thresholds),
        intervals=_intervals(logits, predicted, targets, len(labels), seed),
        per_class=_per_class(confusion, labels),
        confusion=tuple(tuple(int(cell) for cell in row) for row in confusion),
        examples=_mistakes(logits, predicted, targets, columns, labels),
    )


def log_softmax(logits: Array) -> Array:
    """Return log-probabilities (rows, classes) in float64."""
    wide = logits.astype(np.float64)
    shifted = wide - wide.max(axis=1, keepdims=True)
    normalised: Array = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return normalised


def _losses(logits: Array, targets: Array) -> Array:
    chosen = log_softmax(logits)[np.arange(len(targets)), targets]
    losses: Array = -np.maximum(chosen, np.log(LEAST_PROBABILITY))
    return losses


def _counts(targets: Array, predicted: Array, classes: int) -> tuple[Array, Array, Array]:
    """Return hits, true and predicted rows per class, each (resamples, classes)."""
    resamples = len(targets)
    base = (np.arange(resamples) * classes)[:, None]

    def count(codes: Array) -> Array:
        flat = np.bincount(codes, minlength=resamples * classes)
        return flat.reshape(resamples, classes).astype(np.float64)

    hit = targets == predicted
    return (
        count((targets + base)[hit]),
        count((targets + base).ravel()),
        count((predicted + base).ravel()),
    )


def _ratio(above: Array, below: Array) -> Array:
    """Return above / below, 0 where below is 0."""
    return np.divide(above, below, out=np.zeros_like(above), where=below != 0)


def _metrics(hits: Array, true: Array, predicted: Array, loss: Array) -> dict[str, Array]:
    """Return each metric (resamples,). Classes neither true nor predicted don't count in means."""
    rows = true.sum(axis=1)
    f1 = _ratio(2 * hits, true + predicted)
    correct = hits.sum(axis=1)
    spread = np.sqrt((rows**2 - (predicted**2).sum(axis=1)) * (rows**2 - (true**2).sum(axis=1)))
    return {
        "accuracy": correct / rows,
        "macro_f1": f1.sum(axis=1) / ((true + predicted) > 0).sum(axis=1),
        "weighted_f1": (f1 * true).sum(axis=1) / rows,
        "balanced_accuracy": _ratio(hits, true).sum(axis=1) / (true > 0).sum(axis=1),
        "matthews_correlation": _ratio(correct * rows - (true * predicted).sum(axis=1), spread),
        "log_loss": loss,
    }


def _intervals(
    logits: Array, predicted: Array, targets: Array, classes: int, seed: int
) -> dict[str, Interval]:
    rng = np.random.default_rng(seed)
    rows, losses = len(targets), _losses(logits, targets)
    step = max(1, _CELLS_AT_ONCE // rows)
    found: dict[str, list[Array]] = {}
    for start in range(0, RESAMPLES, step):
        drawn = rng.integers(0, rows, size=(min(step, RESAMPLES - start), rows))
        counts = _counts(targets[drawn], predicted[drawn], classes)
        for name, values in _metrics(*counts, losses[drawn].mean(axis=1)).items():
            found.setdefault(name, []).append(values)
    return {name: _interval(np.concatenate(parts)) for name, parts in found.items()}


def _interval(values: Array) -> Interval:
    low, high = np.percentile(values, [2.5, 97.5])
    return Interval(float(low), float(high))


def _per_class(confusion: Array, labels: Sequence[str]) -> dict[str, dict[str, float]]:
    hits = np.diagonal(confusion).astype(np.float64)
    true, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    table = {
        "precision": _ratio(hits, predicted),
        "recall": _ratio(hits, true),
        "f1": _ratio(2 * hits, true + predicted),
        "support": true,
    }
    return {
        label: {name: float(values[index]) for name, values in table.items()}
        for index, label in enumerate(labels)
    }


def _mistakes(
    logits: Array,
    predicted: Array,
    targets: Array,
    columns: Mapping[str, Sequence[Any]],
    labels: Sequence[str],
) -> tuple[dict[str, Any], ...]:
    confidence = np.exp(log_softmax(logits))[np.arange(len(predicted)), predicted]
    wrong = np.flatnonzero(predicted != targets)
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")][:MISTAKES]
    return tuple(
        {
            **{role: values[row] for role, values in columns.items() if role != "label"},
            "label": labels[int(targets[row])],
            "predicted": labels[int(predicted[row])],
            "score": float(confidence[row]),
        }
        for row in worst
    )


def answers(
    logits: Array,
    labels: Sequence[str],
    top: int,
    thresholds: Thresholds | None = None,
) -> list[dict[str, Any]]:
    """Return label and probability of each row; ``scores`` of the ``top`` classes if several.

    The predicted class comes first, the others by their probability.
    """
    probabilities = np.exp(log_softmax(logits))
    ranks = probabilities.copy()
    ranks[np.arange(len(ranks)), decided(logits, labels, thresholds)] = 2.0
    order = np.argsort(-ranks, axis=1, kind="stable")[:, :top]
    found = []
    for row, best in zip(probabilities, order, strict=True):
        answer: dict[str, Any] = {"label": labels[best[0]], "score": float(row[best[0]])}
        if top > 1:
            answer["scores"] = {labels[index]: float(row[index]) for index in best}
        found.append(answer)
    return found
