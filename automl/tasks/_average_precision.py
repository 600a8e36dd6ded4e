"""Average precision of detected objects as COCO has it, with intervals. Numpy alone.

What matches what is found once for each picture; a score of any pictures, drawn with repetition,
is then a matter of weights. Knows no files and no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from automl.jobs import Interval

Array = npt.NDArray[Any]

OVERLAPS = np.linspace(0.5, 0.95, 10)
"""Intersection over union from which a detection is right (Lin et al. 2014)."""
RECALLS = np.linspace(0.0, 1.0, 101)
"""Where precision is read off its curve."""
MOST = 100
"""Detections of one picture that count, the most certain ones."""
RESAMPLES = 200
LABEL, SCORE, BOX, SHOWN = 0, 1, slice(2, 6), 6
"""Places in a detection; an object has its label at 0 and its box at 1 to 4."""
_EPSILON = np.spacing(1)


@dataclass(frozen=True, slots=True)
class Matches:
    """What the detections of one class are worth, those of all pictures by falling score."""

    right: Array
    """Whether each is, by overlap: (overlaps, detections)."""
    scores: Array
    """How certain each is: (detections,)."""
    shown: Array
    """Whether people are told of each: (detections,)."""
    rows: Array
    """The picture of each: (detections,)."""
    there: Array
    """Objects that are there, by picture: (pictures,)."""


def matched(
    predictions: Sequence[Array] | Array, targets: Sequence[Array], classes: int
) -> tuple[Matches, ...]:
    """Return what was matched, by class.

    A prediction has rows of label, score, four corners and whether it is shown, a label below 0
    stands for nothing; a target has rows of label and four corners.
    """
    return tuple(_of_class(predictions, targets, label) for label in range(classes))


def _of_class(
    predictions: Sequence[Array] | Array, targets: Sequence[Array], label: int
) -> Matches:
    right, scores, shown, rows = [], [], [], []
    there = np.zeros(len(targets), dtype=np.int64)
    for row, (said, true) in enumerate(zip(predictions, targets, strict=True)):
        boxes = true[true[:, LABEL] == label, 1:].astype(np.float64)
        there[row] = len(boxes)
        mine = said[said[:, LABEL] == label]
        mine = mine[np.argsort(-mine[:, SCORE], kind="mergesort")][:MOST]
        right.append(_right(mine[:, BOX].astype(np.float64), boxes))
        scores.append(mine[:, SCORE])
        shown.append(mine[:, SHOWN] > 0)
        rows.append(np.full(len(mine), row))
    order = np.argsort(-np.concatenate(scores), kind="mergesort")
    return Matches(
        np.concatenate(right, axis=1)[:, order],
        np.concatenate(scores)[order],
        np.concatenate(shown)[order],
        np.concatenate(rows)[order],
        there,
    )


def _right(said: Array, true: Array) -> Array:
    """Return which detections, the most certain first, find an object that none before has."""
    found = np.zeros((len(OVERLAPS), len(said)), dtype=bool)
    if not len(said) or not len(true):
        return found
    overlaps = overlap(said, true)
    taken = np.zeros((len(OVERLAPS), len(true)), dtype=bool)
    least = np.minimum(OVERLAPS, 1 - 1e-10)[:, None]
    every = np.arange(len(OVERLAPS))
    for place in range(len(said)):
        if overlaps[place].max() < least[0, 0]:
            continue
        free = np.where(~taken & (overlaps[place] >= least), overlaps[place], -1.0)
        # Of equals the last one, as pycocotools has it.
        best = free.shape[1] - 1 - free[:, ::-1].argmax(axis=1)
        hit = free[every, best] >= 0
        taken[every[hit], best[hit]] = True
        found[:, place] = hit
    return found


def overlap(one: Array, other: Array) -> Array:
    """Return intersection over union of boxes (n, 4) and (m, 4), corners each: (n, m)."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = [np.prod(each[:, 2:] - each[:, :2], axis=1) for each in (one, other)]
    total = areas[0][:, None] + areas[1][None, :] - shared
    return np.asarray(np.divide(shared, total, out=np.zeros_like(shared), where=total > 0))


def precisions(found: Matches, weights: Array | None = None) -> Array | None:
    """Return average precision by overlap; None where no object of the class is there.

    ``weights`` says how often each picture counts.
    """
    there = found.there.sum() if weights is None else (found.there * weights).sum()
    if not there:
        return None
    if not found.right.shape[1]:
        return np.zeros(len(OVERLAPS))
    counted = np.ones(len(found.rows)) if weights is None else weights[found.rows]
    right = np.cumsum(found.right * counted, axis=1)
    wrong = np.cumsum(~found.right * counted, axis=1)
    recall = right / there
    precision = right / (right + wrong + _EPSILON)
    # Precision at a recall is the best at that recall or any above.
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    made = np.empty(len(OVERLAPS))
    for place in range(len(OVERLAPS)):
        at = np.searchsorted(recall[place], RECALLS, side="left")
        made[place] = best[place][at[at < recall.shape[1]]].sum() / len(RECALLS)
    return made


def counts(found: Matches, weights: Array | None = None) -> tuple[float, float, float]:
    """Return objects that are shown and right, shown at all, and there, at an overlap of half."""
    counted = np.ones(len(found.rows)) if weights is None else weights[found.rows]
    there = found.there.sum() if weights is None else (found.there * weights).sum()
    shown = found.shown * counted
    return float((found.right[0] * shown).sum()), float(shown.sum()), float(there)


def score(found: Sequence[Matches], weights: Array | None = None) -> dict[str, float]:
    """Return map, map50, map75, and f1 of what is shown; 0 where no object is there."""
    each = [made for one in found if (made := precisions(one, weights)) is not None]
    mean = np.mean(each, axis=0) if each else np.zeros(len(OVERLAPS))
    hits, shown, there = np.sum([counts(one, weights) for one in found], axis=0)
    return {
        "map": float(mean.mean()),
        "map50": float(mean[0]),
        "map75": float(mean[5]),
        "f1": f1(hits, shown, there),
    }


def f1(hits: float, shown: float, there: float) -> float:
    """Return the harmonic mean of precision and recall; 0 where there is neither."""
    return float(2 * hits / (shown + there)) if shown + there else 0.0


def intervals(found: Sequence[Matches], rows: int, seed: int) -> dict[str, Interval]:
    """Return 95% percentile bootstrap intervals over pictures (Efron 1979) of every metric.

    They reach to the metric itself: precision of rare classes is skewed.
    """
    rng = np.random.default_rng(seed)
    drawn = [
        score(found, np.bincount(rng.integers(0, rows, rows), minlength=rows).astype(np.float64))
        for _ in range(RESAMPLES)
    ]
    whole = score(found)
    return {name: _interval([each[name] for each in drawn], whole[name]) for name in whole}


def _interval(values: Sequence[float], value: float) -> Interval:
    low, high = np.percentile(values, [2.5, 97.5])
    return Interval(min(float(low), value), max(float(high), value))


def threshold(found: Sequence[Matches]) -> float:
    """Return the score from which showing gives the best F1 at an overlap of half.

    It is the middle between the last one shown and the next.
    """
    right = np.concatenate([each.right[0] for each in found])
    values = np.concatenate([each.scores for each in found])
    order = np.argsort(-values, kind="stable")
    right, values = right[order], values[order]
    there = sum(int(each.there.sum()) for each in found)
    if not len(values) or not there:
        return 0.5
    worth = 2 * np.cumsum(right) / (np.arange(1, len(values) + 1) + there)
    ends = np.append(values[1:] < values[:-1], True)  # equal scores are shown together
    best = int(np.argmax(np.where(ends, worth, -1.0)))
    below = values[best + 1] if best + 1 < len(values) else 0.0
    return float((values[best] + below) / 2)
