"""Rows in folds, each of them held out in its turn. Knows no model and imports no torch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FOLDS = 3


def folds(targets: npt.NDArray[np.int64], seed: int, count: int = FOLDS) -> npt.NDArray[np.int64]:
    """Return each row's fold, 0 to ``count`` - 1: every class is spread evenly over all of them."""
    drawn = np.random.default_rng(seed).permutation(len(targets))
    order = drawn[np.argsort(targets[drawn], kind="stable")]
    found = np.empty(len(targets), dtype=np.int64)
    found[order] = np.arange(len(targets)) % count
    return found
