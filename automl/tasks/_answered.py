"""Scores of answered questions with intervals and a table, in numpy. ``_squad`` tells one row's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from automl.jobs import SplitScore
from automl.tasks import _bootstrap, _squad
from automl.tasks._squad import Said

Array = npt.NDArray[np.float64]


def score(predictions: Sequence[Said], targets: Sequence[Sequence[str]]) -> dict[str, float]:
    """Return each metric; of answerable and unanswerable rows where there are both."""
    return _metrics(*_arrays(_squad.judged(predictions, targets)))


def report(
    predictions: Sequence[Said],
    targets: Sequence[Sequence[str]],
    columns: Mapping[str, Sequence[Any]],
    seed: int,
) -> SplitScore:
    """Return metrics with intervals, how the two kinds of rows are told apart, and mistakes."""
    judged = _squad.judged(predictions, targets)
    exact, f1, has = _arrays(judged)
    both = _both(has)
    return SplitScore(
        rows=len(targets),
        metrics=_metrics(exact, f1, has),
        intervals=_bootstrap.intervals(
            lambda rows: _metrics(exact[rows], f1[rows], has[rows], both), len(targets), seed
        ),
        per_class=_per_class(judged) if both else {},
        confusion=(),
        examples=_squad.mistakes(predictions, targets, columns, judged.f1),
    )


def _arrays(judged: _squad.Judged) -> tuple[Array, Array, Array]:
    return np.asarray(judged.exact), np.asarray(judged.f1), np.asarray(judged.answerable, float)


def _both(has: Array) -> bool:
    return bool(has.any() and not has.all())


def _metrics(exact: Array, f1: Array, has: Array, both: bool | None = None) -> dict[str, float]:
    """Return the metrics; of a draw of rows (``both`` is said), NaN for a kind that it lacks."""
    found = {"f1": float(f1.mean()), "exact_match": float(exact.mean())}
    if both if both is not None else _both(has):
        for name, rows in (("answerable_f1", has > 0), ("unanswerable_f1", has == 0)):
            found[name] = float(f1[rows].mean()) if rows.any() else float("nan")
    return found


def _per_class(judged: _squad.Judged) -> dict[str, dict[str, float]]:
    """Return how well rows with and without an answer are told apart, whatever the answer."""
    has, said = np.asarray(judged.answerable), np.asarray(judged.answered)
    found = {}
    for name, true, ours in ((_squad.ANSWERED, has, said), (_squad.UNANSWERED, ~has, ~said)):
        hits, both = int((true & ours).sum()), int(true.sum() + ours.sum())
        found[name] = {
            "precision": hits / int(ours.sum()) if ours.any() else 0.0,
            "recall": hits / int(true.sum()) if true.any() else 0.0,
            "f1": 2 * hits / both if both else 0.0,
            "support": float(true.sum()),
        }
    return found
