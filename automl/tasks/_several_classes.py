"""Scores of multi-label classification, from logits and true decisions, in numpy alone.

A class is predicted where its probability is a half or more, or as much as its threshold. Knows no
text and no model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from automl.jobs import SplitScore
from automl.tasks import _bootstrap
from automl.tasks._text import indices

Array = npt.NDArray[Any]
LEAST_PROBABILITY = 1e-15
MISTAKES = 10


Thresholds = Mapping[str, float]
"""Least probability from which a class is predicted, by class; empty: a half for all."""


def targets(several: Sequence[Sequence[str]], labels: Sequence[str]) -> Array:
    """Return 1 where a row has the class, float32 of shape (rows, classes).

    Raises DataError naming a class that is not one of ``labels``.
    """
    found = np.zeros((len(several), len(labels)), dtype=np.float32)
    for row, names in enumerate(several):
        found[row, indices(names, labels)] = 1
    return found


def decided(logits: Array, labels: Sequence[str], thresholds: Thresholds | None) -> Array:
    """Return which classes are predicted, of shape (rows, classes)."""
    if not thresholds:
        half: Array = logits >= 0
        return half
    least = np.array([thresholds[label] for label in labels])
    enough: Array = probabilities(logits) >= least
    return enough


def probabilities(logits: Array) -> Array:
    """Return each class's probability (rows, classes), in float64."""
    found: Array = np.exp(-np.logaddexp(0.0, -logits.astype(np.float64)))
    return found


def score(
    logits: Array,
    targets: Array,
    labels: Sequence[str],
    thresholds: Thresholds | None = None,
) -> dict[str, float]:
    """Return each metric; ``logits`` and ``targets`` (0 or 1) are of shape (rows, classes).

    Classes neither true nor predicted don't count in ``macro_f1``; a row that has no class and
    gets none is right, with an F1 of 1.
    """
    return _metrics(decided(logits, labels, thresholds), targets > 0, _losses(logits, targets))


def _metrics(said: Array, true: Array, losses: Array) -> dict[str, float]:
    hit = said & true
    by_class = _f1(hit.sum(axis=0), said.sum(axis=0), true.sum(axis=0), 0.0)
    seen = (said.any(axis=0)) | (true.any(axis=0))
    rows = _f1(hit.sum(axis=1), said.sum(axis=1), true.sum(axis=1), 1.0)
    return {
        "macro_f1": float(by_class[seen].mean()) if seen.any() else 1.0,
        "micro_f1": float(_f1(hit.sum(), said.sum(), true.sum(), 1.0)),
        "samples_f1": float(rows.mean()),
        "accuracy": float((said == true).all(axis=1).mean()),
        "hamming_loss": float((said != true).mean()),
        "log_loss": float(losses.mean()),
    }


def _f1(hits: Any, said: Any, true: Any, empty: float) -> Array:
    """Return F1 from counts; ``empty`` where nothing was true and nothing was said."""
    below = np.asarray(said + true, dtype=np.float64)
    above = 2.0 * np.asarray(hits, dtype=np.float64)
    found: Array = np.divide(above, below, out=np.full_like(below, empty), where=below != 0)
    return found


def _losses(logits: Array, targets: Array) -> Array:
    signed = np.where(targets > 0, logits, -logits).astype(np.float64)
    losses: Array = np.minimum(np.logaddexp(0.0, -signed), -np.log(LEAST_PROBABILITY))
    return losses


def report(
    logits: Array,
    targets: Array,
    columns: Mapping[str, Sequence[Any]],
    labels: Sequence[str],
    seed: int,
    thresholds: Thresholds | None = None,
) -> SplitScore:
    """Return metrics with intervals, the table by class, and the rows with most wrong decisions."""
    said = decided(logits, labels, thresholds)
    true, losses = targets > 0, _losses(logits, targets)
    return SplitScore(
        rows=len(targets),
        metrics=score(logits, targets, labels, thresholds),
        intervals=_bootstrap.intervals(
            lambda rows: _metrics(said[rows], true[rows], losses[rows]), len(targets), seed
        ),
        per_class=_per_class(said, true, labels),
        confusion=(),
        examples=_mistakes(said, true, losses, columns, labels),
    )


def _per_class(said: Array, true: Array, labels: Sequence[str]) -> dict[str, dict[str, float]]:
    hits, found, support = (said & true).sum(axis=0), said.sum(axis=0), true.sum(axis=0)
    f1 = _f1(hits, found, support, 0.0)
    return {
        label: {
            "precision": float(hits[index] / found[index]) if found[index] else 0.0,
            "recall": float(hits[index] / support[index]) if support[index] else 0.0,
            "f1": float(f1[index]),
            "support": float(support[index]),
        }
        for index, label in enumerate(labels)
    }


def _mistakes(
    said: Array,
    true: Array,
    losses: Array,
    columns: Mapping[str, Sequence[Any]],
    labels: Sequence[str],
) -> tuple[dict[str, Any], ...]:
    wrong = np.flatnonzero((said != true).any(axis=1))
    worst = wrong[np.argsort(-losses[wrong].mean(axis=1), kind="stable")][:MISTAKES]
    return tuple(
        {
            **{role: values[row] for role, values in columns.items() if role != "label"},
            "label": ", ".join(_named(true[row], labels)),
            "predicted": ", ".join(_named(said[row], labels)),
            "score": float(np.exp(-losses[row].mean())),
        }
        for row in worst
    )


def _named(row: Array, labels: Sequence[str]) -> list[str]:
    return [labels[int(index)] for index in np.flatnonzero(row)]


def answers(
    logits: Array,
    labels: Sequence[str],
    top: int,
    thresholds: Thresholds | None = None,
) -> list[dict[str, Any]]:
    """Return the classes of each row, the most probable first, and their probabilities.

    With ``top`` above 1 there are probabilities of that many classes, predicted or not.
    """
    chances = probabilities(logits)
    order = np.argsort(-chances, axis=1, kind="stable")
    found = []
    for row, said, best in zip(chances, decided(logits, labels, thresholds), order, strict=True):
        # Predicted ones first: thresholds of their own may put a class before a likelier one.
        best = best[np.argsort(~said[best], kind="stable")]
        named = [labels[int(index)] for index in best if said[index]]
        shown = best[: max(top, len(named))] if top > 1 else best[: len(named)]
        scores = {labels[int(index)]: float(row[index]) for index in shown}
        found.append({"labels": named, "scores": scores})
    return found
