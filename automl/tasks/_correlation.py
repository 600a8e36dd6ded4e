"""Linear and rank correlation, in numpy; 0 where one side is constant."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt
from scipy.stats import rankdata

Array = npt.NDArray[Any]


def pearson(one: Array, other: Array) -> float:
    """Return the linear correlation."""
    left, right = one - one.mean(), other - other.mean()
    size = float((left**2).sum() * (right**2).sum()) ** 0.5
    return float((left * right).sum()) / size if size else 0.0


def spearman(one: Array, other: Array) -> float:
    """Return the linear correlation of the ranks; equal values share theirs."""
    return pearson(rankdata(one), rankdata(other))
