"""When to end a search before its budget: nothing left to gain is likely. Pure; says why."""

from __future__ import annotations

import math
from collections.abc import Sequence

from automl.plan import Plan
from automl.search import choice
from automl.search.feed import Feed, at
from automl.search.noise import noise
from automl.search.trial import StudyTrial

FEWEST = 10
"""Configurations in a row without a gain, at least; half of all where that is more."""
NOISE_SHARE = 0.5
"""A gain counts from half the metric's standard error on: less is not told from luck."""
FEWEST_GAINS = 3
"""Trials that went from a rung to their end, before what is usual there is known."""
USUAL = 0.8
"""Of those trials' gains, the one that this share of them does not pass."""


def settled(
    trials: Sequence[StudyTrial],
    plan: Plan,
    live: Sequence[str],
    starts: int = 0,
    feed: Feed | None = None,
) -> str | None:
    """Return why the search may end now, in words; None while it should go on.

    It ends once three things hold. All starting points have been tried (``starts``: how many are
    left). Of the configurations that came to the level at which they are compared, the last ten, or
    the last half, were no better than those before by more than half the metric's standard error.
    And none of those that wait would beat the best by that much if it gained what is usual from its
    rung to the end. Never with several objectives: a front is not told by its best point.
    """
    if plan.search.stop == "never" or plan.goal.also or starts:
        return None
    mine = [t for t in trials if _counts(t) and t.configuration.candidate in live]
    best = max(
        (_value(trial, plan) for trial in mine if choice.feasible(trial, plan.goal)), default=None
    )
    if best is None:
        return None
    margin = NOISE_SHARE * noise(best, plan)
    values = [value for value, _ in (feed or Feed(plan)).values(mine)]
    window = max(FEWEST, len(values) // 2)
    if len(values) <= window:
        return None
    if max(values[-window:]) > max(values[:-window]) + margin:
        return None
    left = [trial for trial in mine if trial.state == "running"]
    if not all(_is_beaten(trial, mine, plan, best + margin) for trial in left):
        return None
    return (
        f"the last {window} of {len(values)} configurations were no better than those before "
        f"by more than {margin:.2g}, and none that waits is likely to be"
    )


def _counts(trial: StudyTrial) -> bool:
    return trial.searched and trial.state != "failed" and bool(trial.evaluations)


def _sign(plan: Plan) -> int:
    return 1 if plan.goal.direction == "maximize" else -1


def _value(trial: StudyTrial, plan: Plan) -> float:
    """The trial's best value, larger always better."""
    return max(_sign(plan) * evaluation.value for evaluation in trial.evaluations)


def _at(trial: StudyTrial, plan: Plan, samples: float) -> float | None:
    found = at(trial, plan, samples)
    return None if found is None else _sign(plan) * found.value


def _is_beaten(
    trial: StudyTrial, others: Sequence[StudyTrial], plan: Plan, threshold: float
) -> bool:
    """Whether the trial would stay below the threshold with what is usually gained to the end."""
    gains = sorted(
        _value(other, plan) - value
        for other in others
        if other.state == "complete"
        and other.samples > trial.samples
        and (value := _at(other, plan, trial.samples)) is not None
    )
    if len(gains) < FEWEST_GAINS:
        return False
    usual = gains[math.ceil(USUAL * len(gains)) - 1]
    return _value(trial, plan) + usual <= threshold
