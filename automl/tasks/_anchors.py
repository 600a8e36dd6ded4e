"""The floor of detection: every picture is said to hold what pictures usually hold, where it is.

No network, and no look at a picture but for its size.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from automl.tasks import Columns, Labels, _boxes, _images

if TYPE_CHECKING:
    import numpy as np

DESCRIPTION = (
    "mean boxes by class: as many as a picture has on average, where k-means finds most of them, "
    "in every picture alike"
)
MOST = 100
"""Boxes at most."""
SEEN = 20_000
"""Objects of a class that are clustered at most."""


def detections(
    train: Columns, others: Mapping[str, Columns], labels: Labels, seed: int
) -> dict[str, np.ndarray]:
    """Return predictions by name of ``others``, in the form of ``_detecting.decode``.

    A box scores the share of the train pictures that have an object of its cluster; those at half
    or above are shown.
    """
    import numpy as np

    usual = _usual(train, labels, seed)
    found = {}
    for name, columns in others.items():
        made = np.zeros((len(columns["image"]), MOST, 7), dtype=np.float32)
        made[:, :, 0] = -1
        for row, picture in enumerate(columns["image"]):
            width, height = _images.size(picture)
            made[row, : len(usual)] = usual * [1, 1, width, height, width, height, 1]
        found[name] = made
    return found


def _usual(train: Columns, labels: Labels, seed: int) -> np.ndarray:
    """Return class, score, corners as shares, and whether it is shown, of each box."""
    import numpy as np
    from sklearn.cluster import KMeans

    pictures = len(train["image"])
    boxes: dict[str, list[list[float]]] = {label: [] for label in labels}
    for picture, value in zip(train["image"], train[_boxes.OBJECTS], strict=True):
        width, height = _images.size(picture)
        for each in _boxes.objects(value):
            left, top, right, bottom = each.box
            boxes[each.label].append([left / width, top / height, right / width, bottom / height])
    rng = np.random.default_rng(seed)
    made = []
    for index, label in enumerate(labels):
        held = np.asarray(boxes[label], dtype=np.float64).reshape(-1, 4)
        count = min(MOST, max(1, round(len(held) / pictures)))
        if len(held) > SEEN:
            held = held[rng.choice(len(held), SEEN, replace=False)]
        if not len(held):
            continue
        count = min(count, len(np.unique(held, axis=0)))
        means = KMeans(n_clusters=count, n_init=1, random_state=seed).fit(held)
        share = np.bincount(means.labels_, minlength=count) / len(held)
        score = np.minimum(1.0, share * len(boxes[label]) / pictures)
        made += [
            [index, each, *centre, float(each >= 0.5)]
            for each, centre in zip(score, means.cluster_centers_, strict=True)
        ]
    made.sort(key=lambda each: -each[1])
    return np.asarray(made[:MOST], dtype=np.float64).reshape(-1, 7)
