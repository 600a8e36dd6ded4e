"""The probability from which a class is predicted, tuned for the goal's metric on validation.

Each way of choosing is tried only after the simpler one: a half; one threshold (of the rarer of two
classes, or for all that a row may have); one for each class. It is taken where rows that did not
choose its thresholds do better with it, by more than a standard error of the difference. Imports
no torch; knows no model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from automl import tasks
from automl.jobs import Thresholds
from automl.plan import Direction
from automl.tasks import Labels, Task
from automl.worker.folding import folds
from automl.worker.temperature import DEVIATIONS, FOLDS, strata

Array = npt.NDArray[Any]
Way = Callable[["_Goal", Array, Array], Mapping[str, float]]
"""(goal, logits, targets) → thresholds by class."""

GRID = tuple(round(float(1 / (1 + np.exp(-step / 5))), 4) for step in range(-22, 23))
"""What is tried: 45 probabilities from .012 to .988, evenly in their log-odds; one is a half."""
NEAREST_FIRST = tuple(sorted(GRID, key=lambda least: abs(least - 0.5)))
LEAST_POSITIVES = 20
"""Validation rows that a class needs for a threshold of its own."""
RESAMPLES = 200


def choose(
    task: Task,
    logits: Array,
    targets: Array,
    labels: Labels,
    metric: str,
    direction: Direction,
    seed: int,
) -> Thresholds | None:
    """Return what thresholds do for such predictions; None where none can decide anything.

    That is with more than two classes of which a row has one. ``targets`` are the task's.
    """
    if task.probabilities is None or (task.probabilities == "softmax" and len(labels) != 2):
        return None
    goal = _Goal(task, labels, metric, -1 if direction == "minimize" else 1)
    plain = goal.value(logits, targets)
    if not goal.hears_decisions(logits, targets):
        why_not = f"{metric} does not depend on what is decided"
        return Thresholds({}, goal.sign * plain, goal.sign * plain, 0.0, why_not=why_not)
    fold = folds(strata(targets), seed, FOLDS)
    taken, kept, why_not = None, logits, ""
    for way in goal.ways:
        held = _held_out(goal, way, logits, targets, fold)
        gain, noise = goal.compared(kept, held, targets, seed)
        if gain > DEVIATIONS * noise:
            taken, kept = way, held
        elif taken is None and not why_not:
            why_not = (
                f"{metric} of held-out rows would change by {goal.sign * gain:+.4f}, with a "
                f"standard error of {noise:.4f}"
            )
    return Thresholds(
        by_class={} if taken is None else taken(goal, logits, targets),
        plain=goal.sign * plain,
        tuned=goal.sign * goal.value(kept, targets),
        noise=goal.compared(logits, kept, targets, seed)[1],
        alike=few(targets, labels) if taken is each else (),
        why_not="" if taken is not None else why_not,
    )


@dataclass(frozen=True, slots=True)
class _Goal:
    """What is made as large as possible; ``sign`` is -1 for a metric that should be small."""

    task: Task
    labels: Labels
    metric: str
    sign: int

    @property
    def ways(self) -> tuple[Way, ...]:
        """The ways of choosing, the simplest first."""
        # F1 averaged over classes is the one metric whose parts can be tuned class by class.
        by_class = self.task.probabilities == "sigmoid" and self.metric == "macro_f1"
        return (one, each) if by_class else (one,)

    def value(self, logits: Array, targets: Array) -> float:
        """Return the metric, negated where less is better, of what a half decides."""
        return self.sign * self.task.score(logits, targets, self.labels)[self.metric]

    def hears_decisions(self, logits: Array, targets: Array) -> bool:
        """Whether deciding otherwise ever changes the metric."""
        tuned = tuned_classes(self.task, targets, self.labels)
        found = {
            tasks.deciding(self.task, dict.fromkeys(tuned, least)).score(
                logits, targets, self.labels
            )[self.metric]
            for least in (GRID[0], 0.5, GRID[-1])
        }
        return len(found) > 1

    def compared(self, one: Array, other: Array, targets: Array, seed: int) -> tuple[float, float]:
        """Return how much better the other logits decide, and the bootstrapped error of that."""
        rng = np.random.default_rng(seed)
        drawn = (rng.integers(0, len(targets), len(targets)) for _ in range(RESAMPLES))
        spread = [
            self.value(other[rows], targets[rows]) - self.value(one[rows], targets[rows])
            for rows in drawn
        ]
        return self.value(other, targets) - self.value(one, targets), float(np.std(spread))


def _held_out(goal: _Goal, way: Way, logits: Array, targets: Array, fold: Array) -> Array:
    """Return the logits, each fold shifted by thresholds that the other folds have chosen."""
    found = logits.astype(np.float64)
    for out in np.unique(fold):
        held = fold == out
        thresholds = way(goal, logits[~held], targets[~held])
        found[held] = shifted(logits[held], goal.labels, thresholds)
    return found


def shifted(logits: Array, labels: Labels, thresholds: Mapping[str, float]) -> Array:
    """Return logits of which a half decides as the thresholds do of these."""
    least = np.array([thresholds.get(label, 0.5) for label in labels])
    found: Array = logits - np.log(least / (1 - least))
    return found


def one(goal: _Goal, logits: Array, targets: Array) -> dict[str, float]:
    """Return the best single threshold; of equally good ones that nearest to a half."""
    tuned = tuned_classes(goal.task, targets, goal.labels)

    def value(least: float) -> float:
        return goal.value(shifted(logits, goal.labels, dict.fromkeys(tuned, least)), targets)

    return dict.fromkeys(tuned, max(NEAREST_FIRST, key=value))


def each(goal: _Goal, logits: Array, targets: Array) -> dict[str, float]:
    """Return the threshold with the best F1 of each class; classes with few rows share one."""
    found = one(goal, logits, targets)
    rare = few(targets, goal.labels)
    for index, label in enumerate(goal.labels):
        if label not in rare:
            found[label] = _best_f1(logits[:, index], targets[:, index] > 0)
    return found


def _best_f1(logits: Array, true: Array) -> float:
    def f1(least: float) -> float:
        said = logits >= np.log(least / (1 - least))
        return float(2 * (said & true).sum() / max(said.sum() + true.sum(), 1))

    return max(NEAREST_FIRST, key=f1)


def few(targets: Array, labels: Labels) -> tuple[str, ...]:
    """Return the classes with too few rows for a threshold of their own."""
    counts = (targets > 0).sum(axis=0)
    return tuple(
        label for label, count in zip(labels, counts, strict=True) if count < LEAST_POSITIVES
    )


def tuned_classes(task: Task, targets: Array, labels: Labels) -> tuple[str, ...]:
    """Return the classes that have a threshold: all, or the rarer of two (else the second)."""
    if task.probabilities == "sigmoid":
        return tuple(labels)
    first, second = np.bincount(targets, minlength=2)
    return (labels[0] if first < second else labels[1],)
