"""Maps of classes, one a picture: kept small, counted against each other, scored, told in words.

Every metric is a function of three counts by picture and class (pixels of it that are hit, true,
predicted), so that a thousand bootstrap resamples are scored at once. In numpy alone; knows no
files and no model.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from automl.jobs import Interval, SplitScore
from automl.tasks._bootstrap import RESAMPLES

Array = npt.NDArray[Any]
IGNORED = 255
SHOWN = 10
_LEVEL = 1
"""Of zlib: maps are mostly areas, which any level packs well."""
_CELLS_AT_ONCE = 4_000_000


@dataclass(frozen=True, slots=True)
class Map:
    """A class's place for each pixel, ``IGNORED`` for none; packed."""

    height: int
    width: int
    packed: bytes

    @classmethod
    def of(cls, places: Array) -> Map:
        """Return the uint8 array (height, width) as a map."""
        height, width = places.shape
        return cls(height, width, zlib.compress(places.astype(np.uint8).tobytes(), _LEVEL))

    def places(self) -> Array:
        """Return the map as a uint8 array (height, width)."""
        flat = np.frombuffer(zlib.decompress(self.packed), dtype=np.uint8)
        return flat.reshape(self.height, self.width)

    def runs(self) -> str:
        """Return the map as runs, row after row: ``0*120 1*7 0*33`` is place, pixels and so on."""
        flat = self.places().ravel()
        starts = np.flatnonzero(np.diff(flat, prepend=int(flat[0]) ^ 1))
        lengths = np.diff(starts, append=len(flat))
        return " ".join(f"{flat[at]}*{count}" for at, count in zip(starts, lengths, strict=True))

    def shares(self, classes: int) -> Array:
        """Return each class's share of the pixels."""
        counts = np.bincount(self.places().ravel(), minlength=classes)[:classes]
        found: Array = counts / (self.height * self.width)
        return found


@dataclass(frozen=True, slots=True)
class Counted:
    """Pixels by picture and class, those without a true class left out."""

    hits: Array
    true: Array
    said: Array
    confusion: Array
    """Of all pictures, true classes by said ones."""


def counted(predictions: Sequence[Map], targets: Sequence[Map], classes: int) -> Counted:
    """Return the counts; a prediction is as large as its target. Raises ValueError if not."""
    confusion = np.zeros((classes, classes), dtype=np.int64)
    hits, true, said = (np.zeros((len(targets), classes), dtype=np.int64) for _ in range(3))
    for row, (one, other) in enumerate(zip(predictions, targets, strict=True)):
        if (one.height, one.width) != (other.height, other.width):
            raise ValueError(
                f"the map of row {row} is {one.width} x {one.height} pixels, its mask "
                f"{other.width} x {other.height}"
            )
        truth, guess = other.places().ravel(), one.places().ravel()
        marked = truth < classes
        cells = truth[marked].astype(np.int64) * classes + guess[marked]
        here = np.bincount(cells, minlength=classes**2).reshape(classes, classes)
        confusion += here
        hits[row], true[row], said[row] = np.diagonal(here), here.sum(axis=1), here.sum(axis=0)
    return Counted(hits, true, said, confusion)


def metrics(hits: Array, true: Array, said: Array) -> dict[str, Array]:
    """Return each metric (...), from counts (..., classes) over pictures.

    Classes that are neither true nor predicted anywhere don't count in ``mean_iou`` and ``dice``,
    classes that are not true anywhere not in ``mean_accuracy``.
    """
    union, total = true + said - hits, true.sum(axis=-1)
    return {
        "mean_iou": _mean(hits, union),
        "dice": _mean(2 * hits, true + said),
        "mean_accuracy": _mean(hits, true),
        "pixel_accuracy": np.divide(
            hits.sum(axis=-1), total, out=np.zeros(total.shape), where=total > 0
        ),
    }


def _mean(above: Array, below: Array) -> Array:
    """Return the mean over the classes of above / below, where below is not 0; 0 of none."""
    there = below > 0
    ratios = np.divide(above, below, out=np.zeros(below.shape), where=there)
    counts = there.sum(axis=-1)
    found: Array = ratios.sum(axis=-1) / np.maximum(counts, 1)
    return found


def score(predictions: Sequence[Map], targets: Sequence[Map], classes: int) -> dict[str, float]:
    """Return every metric over all pixels of the pictures together."""
    found = counted(predictions, targets, classes)
    return _of_all(found)


def report(
    predictions: Sequence[Map],
    targets: Sequence[Map],
    names: Sequence[str],
    labels: Sequence[str],
    seed: int,
) -> SplitScore:
    """Return metrics with 95% intervals over resampled pictures, classes, confusion of pixels.

    Examples are the pictures with the least mean IoU, by ``names``.
    """
    found = counted(predictions, targets, len(labels))
    return SplitScore(
        rows=len(targets),
        metrics=_of_all(found),
        intervals=_intervals(found, seed),
        per_class=_per_class(found, labels),
        confusion=tuple(tuple(int(cell) for cell in row) for row in found.confusion),
        examples=_worst(found, names, labels),
        unit="pixels",
    )


def _intervals(found: Counted, seed: int) -> dict[str, Interval]:
    rng = np.random.default_rng(seed)
    rows, classes = found.true.shape
    counts = [each.astype(np.float64) for each in (found.hits, found.true, found.said)]
    step = max(1, _CELLS_AT_ONCE // max(rows, classes))
    drawn: dict[str, list[Array]] = {}
    for start in range(0, RESAMPLES, step):
        size = min(step, RESAMPLES - start)
        times = rng.multinomial(rows, np.full(rows, 1 / rows), size=size).astype(np.float64)
        for name, values in metrics(*(times @ each for each in counts)).items():
            drawn.setdefault(name, []).append(values)
    spans = {name: np.percentile(np.concatenate(each), [2.5, 97.5]) for name, each in drawn.items()}
    return {name: Interval(float(low), float(high)) for name, (low, high) in spans.items()}


def _of_all(found: Counted) -> dict[str, float]:
    """Return every metric over all pixels of the pictures together."""
    sums = (each.sum(axis=0) for each in (found.hits, found.true, found.said))
    return {name: float(value) for name, value in metrics(*sums).items()}


def _per_class(found: Counted, labels: Sequence[str]) -> dict[str, dict[str, float]]:
    hits, true, said = (each.sum(axis=0) for each in (found.hits, found.true, found.said))

    def ratio(above: Array, below: Array) -> Array:
        return np.divide(above, below, out=np.zeros(len(labels)), where=below > 0)

    table = {
        "precision": ratio(hits, said),
        "recall": ratio(hits, true),
        "f1": ratio(2 * hits, true + said),
        "iou": ratio(hits, true + said - hits),
        "support": true,
    }
    return {
        label: {name: float(values[place]) for name, values in table.items()}
        for place, label in enumerate(labels)
    }


def _worst(
    found: Counted, names: Sequence[str], labels: Sequence[str]
) -> tuple[Mapping[str, Any], ...]:
    each = metrics(found.hits, found.true, found.said)
    marked = np.flatnonzero(found.true.sum(axis=1))
    order = marked[np.argsort(each["mean_iou"][marked], kind="stable")][:SHOWN]
    return tuple(
        {
            "image": names[row],
            "mean_iou": float(each["mean_iou"][row]),
            "most missed": labels[int(np.argmax(found.true[row] - found.hits[row]))],
            "most made up": labels[int(np.argmax(found.said[row] - found.hits[row]))],
        }
        for row in order
    )


def answers(predictions: Sequence[Map], labels: Sequence[str]) -> list[dict[str, Any]]:
    """Return of each picture the classes' shares, the largest first, its size, and its runs.

    Places in the runs count from 0, in the order of ``labels``.
    """
    found = []
    for each in predictions:
        shares = each.shares(len(labels))
        order = [int(at) for at in np.argsort(-shares, kind="stable") if shares[at] > 0]
        found.append(
            {
                "shares": {labels[at]: float(shares[at]) for at in order},
                "size": [each.height, each.width],
                "runs": each.runs(),
            }
        )
    return found
