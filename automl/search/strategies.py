"""Samplers and pruners by the names a recipe uses; both are Optuna's."""

from __future__ import annotations

import warnings
import zlib

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from automl.plan import Plan

STARTUP_TRIALS = 5
"""Trials drawn at random before TPE models the space, and finished before the median prunes."""


def seed(plan: Plan, *what: int | str) -> int:
    """Return a seed of its own for everything that is drawn: the plan's seed and what it is for.

    A sampler made once and seeded once would repeat its draws after a restart.
    """
    return zlib.crc32(":".join(str(part) for part in (plan.search.seed, *what)).encode())


def sampler(plan: Plan, number: int, redraw: int = 0) -> BaseSampler:
    """Return the plan's sampler for trial ``number``; ``redraw`` counts draws thrown away."""
    own = seed(plan, number, *([redraw] if redraw else []))
    if plan.search.sampler == "random":
        return RandomSampler(seed=own)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        # The space is conditional on the candidate: groups keep each candidate's own parameters
        # sampled jointly instead of one by one.
        return TPESampler(
            seed=own,
            n_startup_trials=STARTUP_TRIALS,
            multivariate=True,
            group=True,
            constant_liar=True,
        )


def pruner(plan: Plan) -> BasePruner:
    """Return the plan's pruner. Steps are evaluations, counted from 1.

    The first evaluation never prunes: after one epoch the rank correlation with the end is weak.
    """
    if plan.search.strategy == "median":
        return MedianPruner(n_startup_trials=STARTUP_TRIALS - 1, n_warmup_steps=2)
    if plan.search.strategy == "hyperband":
        return HyperbandPruner(min_resource=2, max_resource=_longest(plan))
    return NopPruner()


def _longest(plan: Plan) -> int:
    """Evaluations of the longest trial the space allows."""
    epochs = [
        max([parameter.high or 0, *(c for c in parameter.choices if isinstance(c, int | float))])
        for candidate in plan.candidates
        for parameter in candidate.space
        if parameter.name == "epochs"
    ]
    per_epoch = -(-plan.data.rows["train"] // plan.search.evaluation_samples)
    return max(3, int(max(epochs, default=3)) * per_epoch)
