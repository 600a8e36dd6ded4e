"""The floor of segmentation: a logistic regression on what single pixels look like. No network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl.tasks import _images, _masks, _vision

if TYPE_CHECKING:
    import numpy as np

    from automl.tasks._maps import Map

SIDE = 256
"""Longer side to which pictures are shrunk."""
PIXELS, MOST_PIXELS = 200, 100_000
"""Sampled of each train picture, and of all."""
BLURS = (0.005, 0.02, 0.08)
"""Widths of the Gaussians that grey is blurred by, as shares of the longer side."""
DESCRIPTION = (
    "logistic regression with C=1 on each pixel's colour, place, and grey blurred by three widths"
)


def maps(
    train: Mapping[str, Sequence[Any]],
    others: Mapping[str, Mapping[str, Sequence[Any]]],
    labels: Sequence[str],
    seed: int,
) -> dict[str, list[Map]]:
    """Return a map of each picture by name of ``others``, learnt from pixels of ``train``."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from automl.tasks._maps import Map

    known, truth = _sampled(train, labels, seed)
    if len(np.unique(truth)) < 2:
        sure = int(truth[0]) if len(truth) else 0

        def say(rows: np.ndarray) -> np.ndarray:
            return np.full(len(rows), sure)
    else:
        model = make_pipeline(
            StandardScaler(), LogisticRegression(C=1.0, max_iter=200, random_state=seed)
        )
        say = model.fit(known, truth).predict

    def mapped(source: Any) -> Map:
        image = _vision.opened(source)
        rows, height, width = features(image)
        small = np.asarray(say(rows), dtype=np.uint8).reshape(height, width)
        return Map.of(small[np.ix_(*_nearest((image.height, image.width), small.shape))])

    return {name: [mapped(source) for source in rows["image"]] for name, rows in others.items()}


def _sampled(
    train: Mapping[str, Sequence[Any]], labels: Sequence[str], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return features and classes of pixels that are drawn, the same number of each picture."""
    import numpy as np

    rng = np.random.default_rng(seed)
    count = len(train["image"])
    each = max(1, min(PIXELS, MOST_PIXELS // max(1, count)))
    found, classes = [], []
    for row in range(count):
        one = {role: values[row : row + 1] for role, values in train.items()}
        rows, height, width = features(_vision.opened(one["image"][0]))
        (mask,) = _masks.indices(one, labels)
        flat = mask[np.ix_(*_nearest((height, width), mask.shape))].ravel()
        marked = np.flatnonzero(flat < len(labels))
        if len(marked):
            drawn = rng.choice(marked, size=min(each, len(marked)), replace=False)
            found.append(rows[drawn])
            classes.append(flat[drawn])
    if not found:
        return np.zeros((0, 1)), np.zeros(0, dtype=np.uint8)
    return np.concatenate(found), np.concatenate(classes)


def _nearest(wanted: tuple[int, int], given: tuple[int, ...]) -> list[np.ndarray]:
    """Return for each wanted row and column the nearest one that is given."""
    import numpy as np

    return [
        ((np.arange(size) + 0.5) * (there / size)).astype(int)
        for size, there in zip(wanted, given, strict=True)
    ]


def features(image: Any) -> tuple[np.ndarray, int, int]:
    """Return float32 (pixels, features) of the shrunk picture, row by row, its height and width."""
    import numpy as np
    from scipy.ndimage import gaussian_filter

    scale = min(1.0, SIDE / max(image.size))
    height, width = (max(1, round(side * scale)) for side in (image.height, image.width))
    seen = _images.resized(image, height, width, "box").astype(np.float32) / 255
    grey = seen.mean(axis=-1)
    blurred = [gaussian_filter(grey, share * max(height, width)) for share in BLURS]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    y, x = y / height - 0.5, x / width - 0.5
    planes = [*np.moveaxis(seen, -1, 0), grey**2, *blurred, y, x, y**2, x**2]
    return np.stack(planes, axis=-1).reshape(height * width, -1).astype(np.float32), height, width
