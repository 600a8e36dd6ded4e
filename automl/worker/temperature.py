"""Whether probabilities can be taken at their word, and the one number that mends them.

Temperature scaling and the expected calibration error of Guo et al. 2017 (ICML), for logits whose
softmax or sigmoid are the probabilities. Imports no torch; knows no model.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from automl.jobs import Bin, Calibration, Reliability
from automl.tasks._classes import log_softmax
from automl.tasks._several_classes import probabilities
from automl.worker.folding import folds

Array = npt.NDArray[Any]
Kind = Literal["softmax", "sigmoid"]

BINS = 15
FOLDS = 5
LEAST_MISTAKES = 5
"""With fewer wrong decisions nothing shows how often a confident one is wrong: a temperature would
only make what is right more confident still."""
DEVIATIONS = 1.0
"""How many standard errors of it a gain must be larger than (the one-standard-error rule, Breiman
et al. 1984). Rows that were held out show a gain without flattery; the rule only keeps what is
simple where there is hardly one."""
COLDEST, HOTTEST = 0.1, 100.0
"""A head that begins as a regression and is trained for few steps may be tens of times too sure."""


def calibration(logits: Array, targets: Array, kind: Kind, seed: int) -> Calibration:
    """Return the temperature for all rows, and what they do for rows they were not fitted to.

    ``targets`` are class indices (rows,) for ``softmax``, 0 or 1 (rows, classes) for ``sigmoid``.
    It is taken where the mean log loss of held-out rows falls by more than its noise.
    """
    fold = folds(strata(targets), seed, FOLDS)
    mended = logits.astype(np.float64)
    for held in range(FOLDS):
        out = fold == held
        if out.any() and not out.all():
            mended[out] /= fit(logits[~out], targets[~out], kind)
    before, after = losses(logits, targets, kind), losses(mended, targets, kind)
    why_not = _objection(logits, targets, before - after, kind)
    return Calibration(
        1.0 if why_not else fit(logits, targets, kind),
        (float(before.mean()), float(after.mean())),
        (reliability(logits, targets, kind).error, reliability(mended, targets, kind).error),
        why_not,
    )


def _objection(logits: Array, targets: Array, gain: Array, kind: Kind) -> str:
    mistakes = _mistakes(logits, targets, kind)
    if mistakes < LEAST_MISTAKES:
        return f"validation shows {mistakes} wrong decisions, fewer than {LEAST_MISTAKES}"
    noise = gain.std() / np.sqrt(len(gain))
    if gain.mean() <= DEVIATIONS * noise:
        return (
            f"the log loss of held-out rows would change by {-gain.mean():+.4f}, with a standard "
            f"error of {noise:.4f}"
        )
    return ""


def strata(targets: Array) -> npt.NDArray[np.int64]:
    """Return what is spread evenly over folds: the classes where a row has one, else nothing."""
    single: npt.NDArray[np.int64] = (
        targets.astype(np.int64) if targets.ndim == 1 else np.zeros(len(targets), dtype=np.int64)
    )
    return single


def fit(logits: Array, targets: Array, kind: Kind) -> float:
    """Return the temperature with the least log loss, from ``COLDEST`` to ``HOTTEST``.

    The loss is convex in its inverse, so that there is one least.
    """
    from scipy.optimize import minimize_scalar

    wide = logits.astype(np.float64)
    found = minimize_scalar(
        lambda inverse: float(losses(wide * np.exp(inverse), targets, kind).mean()),
        bounds=(-np.log(HOTTEST), -np.log(COLDEST)),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(np.exp(-found.x))


def losses(logits: Array, targets: Array, kind: Kind) -> Array:
    """Return each row's negative log-probability of the truth; a mean where it has several."""
    if kind == "softmax":
        single: Array = -log_softmax(logits)[np.arange(len(targets)), targets]
        return single
    signed = np.where(targets > 0, -logits, logits).astype(np.float64)
    several: Array = np.logaddexp(0.0, signed).mean(axis=1)
    return several


def reliability(logits: Array, targets: Array, kind: Kind) -> Reliability:
    """Return the expected calibration error in ``BINS`` bins of equal width, and the bins."""
    if kind == "softmax":
        predicted = logits.argmax(axis=1)
        said = np.exp(log_softmax(logits)).max(axis=1)
        true = (predicted == targets).astype(np.float64)
    else:
        said, true = probabilities(logits).ravel(), (targets > 0).ravel().astype(np.float64)
    place = np.minimum((said * BINS).astype(np.int64), BINS - 1)
    counts = np.bincount(place, minlength=BINS)
    sums, hits = (np.bincount(place, weights=each, minlength=BINS) for each in (said, true))
    bins = tuple(
        Bin(int(counts[each]), float(sums[each] / counts[each]), float(hits[each] / counts[each]))
        for each in np.flatnonzero(counts)
    )
    return Reliability(float(np.abs(sums - hits).sum() / max(counts.sum(), 1)), bins)


def _mistakes(logits: Array, targets: Array, kind: Kind) -> int:
    if kind == "softmax":
        return int((logits.argmax(axis=1) != targets).sum())
    return int(((logits >= 0) != (targets > 0)).sum())
