"""Samplers and pruners by the names a recipe uses; both are Optuna's."""

from __future__ import annotations

import importlib.util
import warnings
import zlib

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from automl.plan import Plan
from automl.search import space

STARTUP_TRIALS = 5
"""Trials drawn at random before TPE models the space, and finished before the median prunes."""
EVOLVING = ("cmaes", "nsga2")
"""Samplers that leave something with each trial they draw and look for it later."""
POPULATION = 16
"""Of ``nsga2``: Optuna's 50 would all be drawn at random within most budgets."""


def seed(plan: Plan, *what: int | str) -> int:
    """Return a seed of its own for everything that is drawn: the plan's seed and what it is for.

    A sampler made once and seeded once would repeat its draws after a restart.
    """
    return zlib.crc32(":".join(str(part) for part in (plan.search.seed, *what)).encode())


def sampler(plan: Plan, number: int, redraw: int = 0) -> BaseSampler:
    """Return the plan's sampler for trial ``number``; ``redraw`` counts draws thrown away.

    - ``tpe``: any space and any budget; the default.
    - ``random``: the yardstick; also the safest where many trials run at the same time.
    - ``gp``: few, expensive trials over few numbers without conditions. Imports torch into the
      searching process: a second, 200 MB.
    - ``cmaes``: hundreds of cheap trials over numbers; choices are drawn at random.
    - ``nsga2``: hundreds of cheap trials with several objectives.
    - ``grid``: every configuration of a finite space once; see ``proposals``.
    """
    own = seed(plan, number, *([redraw] if redraw else []))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        match plan.search.sampler:
            case "random" | "grid":
                return RandomSampler(seed=own)
            case "gp":
                return optuna.samplers.GPSampler(
                    seed=own,
                    independent_sampler=RandomSampler(seed=own),
                    n_startup_trials=STARTUP_TRIALS,
                    warn_independent_sampling=False,
                )
            case "cmaes":
                return optuna.samplers.CmaEsSampler(
                    seed=own,
                    independent_sampler=RandomSampler(seed=own),
                    n_startup_trials=STARTUP_TRIALS,
                    warn_independent_sampling=False,
                )
            case "nsga2":
                return optuna.samplers.NSGAIISampler(seed=own, population_size=POPULATION)
        # The space is conditional on the candidate: groups keep each candidate's own parameters
        # sampled jointly instead of one by one.
        return TPESampler(
            seed=own,
            n_startup_trials=STARTUP_TRIALS,
            multivariate=True,
            group=True,
            constant_liar=True,
        )


def objection(plan: Plan) -> str | None:
    """Return why the plan's sampler cannot search its spaces, in words; None when it can."""
    if plan.search.sampler == "cmaes" and importlib.util.find_spec("cmaes") is None:
        return "the sampler cmaes needs the package cmaes: pip install cmaes"
    if plan.search.sampler == "grid":
        endless = [c.reference for c in plan.candidates if space.grid(c) is None]
        if endless:
            return (
                f"the sampler grid needs a finite space, at most {space.LARGEST_GRID} "
                f"configurations a candidate; {endless[0]} has ranges without end: list the "
                "values of each hyperparameter"
            )
    return None


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
