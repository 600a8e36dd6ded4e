"""Floors of tasks over pictures: colours counted, and a regression on the counts. No network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl.tasks import _vision

if TYPE_CHECKING:
    import numpy as np

DESCRIPTION = (
    "histograms of 64 colours in each quarter of the picture, logistic regression with C=1"
)
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
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=1.0, max_iter=1000, random_state=seed)
    )
    model.fit(histograms(train["image"]), targets)
    known = model.classes_
    found = {}
    for name, columns in others.items():
        said = np.full((len(columns["image"]), len(labels)), -30.0, dtype=np.float32)
        said[:, known] = np.maximum(model.predict_log_proba(histograms(columns["image"])), -30.0)
        found[name] = said
    return found
