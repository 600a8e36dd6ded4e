"""Floors of tasks over pictures: colours counted, and a regression on the counts. No network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl.tasks import _vision

if TYPE_CHECKING:
    import numpy as np

FEATURES = "histograms of 64 colours in each quarter of the picture"
DESCRIPTION = f"{FEATURES}, logistic regression with C=1"
SEVERAL_DESCRIPTION = f"{FEATURES}, a logistic regression for each class with C=1"
NUMBER_DESCRIPTION = f"{FEATURES}, ridge regression"
SIDE = 64
"""Pictures are shrunk to a square of this side before they are counted."""
LEVELS = 4
"""Of each colour channel."""


def histograms(sources: Sequence[Any]) -> np.ndarray:
    """Return shares of colours by quarter, float32 of shape (pictures, 4 * LEVELS ** 3)."""
    import numpy as np

    from automl.tasks import _images

    found = np.empty((len(sources), 4 * LEVELS**3), dtype=np.float32)
    half = SIDE // 2
    for row, source in enumerate(sources):
        seen = _images.resized(_vision.opened(source), SIDE, SIDE, "box").astype(np.int64)
        codes = (seen * LEVELS // 256) @ np.array([LEVELS**2, LEVELS, 1])
        quarters = [codes[y : y + half, x : x + half] for y in (0, half) for x in (0, half)]
        counts = [np.bincount(each.ravel(), minlength=LEVELS**3) for each in quarters]
        found[row] = np.concatenate(counts) / half**2
    return found


def log_probabilities(
    train: Mapping[str, Sequence[Any]],
    others: Mapping[str, Mapping[str, Sequence[Any]]],
    targets: Any,
    labels: Sequence[str],
    seed: int,
) -> dict[str, np.ndarray]:
    """Return log-probabilities (rows, classes) by name of ``others``, learnt from ``train``.

    ``targets`` are the train rows' class indices. A class that train has not has the least there
    is.
    """
    from automl.tasks import _floors

    return _floors.log_probabilities(*_of(train, others), targets, labels, seed)


def log_odds(
    train: Mapping[str, Sequence[Any]],
    others: Mapping[str, Mapping[str, Sequence[Any]]],
    targets: np.ndarray,
    seed: int,
) -> dict[str, np.ndarray]:
    """Return log-odds (rows, classes) by name of ``others``, learnt from ``train``.

    ``targets`` are 1 where a train row has the class, of shape (rows, classes).
    """
    from automl.tasks import _floors

    known, rest = _of(train, others)
    return _floors.log_odds(lambda: _floors.regression(seed), known, rest, targets)


def numbers(
    train: Mapping[str, Sequence[Any]],
    others: Mapping[str, Mapping[str, Sequence[Any]]],
    targets: np.ndarray,
) -> dict[str, np.ndarray]:
    """Return float32 (rows, 1) by name of ``others``: a ridge regression of the ``targets``."""
    import numpy as np
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    known, rest = _of(train, others)
    model = make_pipeline(StandardScaler(), RidgeCV(alphas=np.logspace(-1, 4, 11)))
    model.fit(known, targets)
    return {
        name: model.predict(rows).reshape(-1, 1).astype(np.float32) for name, rows in rest.items()
    }


def _of(
    train: Mapping[str, Sequence[Any]], others: Mapping[str, Mapping[str, Sequence[Any]]]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    rest = {name: histograms(columns["image"]) for name, columns in others.items()}
    return histograms(train["image"]), rest
