"""One classifier for each class, where a row may have any number of them. Knows no features."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

CERTAIN = 10.0
"""Log-odds of a class that all rows have, or none."""


def log_odds(
    make: Callable[[], Any], known: Any, others: Mapping[str, Any], targets: np.ndarray
) -> dict[str, np.ndarray]:
    """Fit a classifier that ``make`` gives for each class; return log-odds by name of ``others``.

    ``known`` and ``others`` are features (rows, ...); ``targets`` and what is returned are float32
    (rows, classes).
    """
    import numpy as np

    found = {name: np.zeros((rows.shape[0], targets.shape[1])) for name, rows in others.items()}
    for index in range(targets.shape[1]):
        truth = targets[:, index] > 0
        if truth.all() or not truth.any():
            for odds in found.values():
                odds[:, index] = CERTAIN if truth.any() else -CERTAIN
            continue
        classifier = make().fit(known, truth)
        for name, rows in others.items():
            found[name][:, index] = classifier.decision_function(rows)
    return {name: odds.astype(np.float32) for name, odds in found.items()}
