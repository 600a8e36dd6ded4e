"""Intervals around any metric by resampling rows. Knows no metric."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from automl.jobs import Interval, SplitScore

RESAMPLES = 1000
Rows = npt.NDArray[np.int64]


def intervals(
    score: Callable[[Rows], Mapping[str, float]], rows: int, seed: int, resamples: int = RESAMPLES
) -> dict[str, Interval]:
    """Return 95% percentile bootstrap intervals (Efron 1979) of all that ``score`` tells.

    ``score`` takes indices of rows, drawn with replacement; what it can't tell of a draw (a
    correlation of constants, say) is NaN, and such draws are left out.
    """
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {}
    for _ in range(resamples):
        for name, value in score(rng.integers(0, rows, size=rows)).items():
            drawn.setdefault(name, []).append(value)
    return {name: _interval(np.asarray(values)) for name, values in drawn.items()}


def report(
    score: Callable[[Rows], Mapping[str, float]],
    rows: int,
    seed: int,
    examples: Iterable[Mapping[str, Any]],
) -> SplitScore:
    """Return what ``score`` tells of all rows, with intervals, of a task without classes."""
    return SplitScore(
        rows=rows,
        metrics=score(np.arange(rows)),
        intervals=intervals(score, rows, seed),
        per_class={},
        confusion=(),
        examples=tuple(examples),
    )


def _interval(values: npt.NDArray[Any]) -> Interval:
    told = values[np.isfinite(values)]
    low, high = np.percentile(told, [2.5, 97.5]) if len(told) else (np.nan, np.nan)
    return Interval(float(low), float(high))
