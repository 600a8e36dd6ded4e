"""Classifiers of floors: linear ones over features, for one class a row or for several.

Knows no features.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

CERTAIN = 10.0
"""Log-odds of a class that all rows have, or none."""
LEAST = -30.0
"""Log-probability at least, also of a class that no row to learn from has."""


def regression(seed: int) -> Any:
    """Return a logistic regression, C=1, over features brought to one scale."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(
        StandardScaler(), LogisticRegression(C=1.0, max_iter=1000, random_state=seed)
    )


def log_probabilities(
    known: Any, others: Mapping[str, Any], targets: Any, labels: Sequence[str], seed: int
) -> dict[str, np.ndarray]:
    """Fit a ``regression``; return log-probabilities (rows, classes) by name of ``others``.

    ``known`` and ``others`` are features (rows, ...), ``targets`` class indices (rows,).
    """
    import numpy as np

    model = regression(seed).fit(known, targets)
    found = {}
    for name, rows in others.items():
        said = np.full((len(rows), len(labels)), LEAST, dtype=np.float32)
        said[:, model.classes_] = np.maximum(model.predict_log_proba(rows), LEAST)
        found[name] = said
    return found


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
