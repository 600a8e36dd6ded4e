"""The next configuration to try: a starting point, a sampler's draw, or a step from what is good.

A pure function of the plan, the trials so far and the starting points: an interrupted study goes on
as it would have. Knows no journal.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Hashable, Sequence, Set

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import RandomSampler

from automl.plan import Configuration, Parameter, Plan, Scalar
from automl.search import space, strategies
from automl.search.feed import Feed
from automl.search.portfolio import Portfolio, identity
from automl.search.trial import StudyTrial

RANDOM_SHARE = 1 / 3
"""Share of TPE's configurations that are drawn at random instead, lest it settles too soon."""
NEAR_SHARE = 1 / 6
"""Share that is one step from what has been best."""
NEAR = 3
"""Those steps start at one of the best so many."""
STEP = 0.15
"""Length of a step: the standard deviation, as a share of the range."""
KEEP = 0.8
"""How likely a step leaves a choice as it is."""
REDRAWS = 20
"""Draws that are thrown away, as tried before or too dear, before all that is left is listed."""

Accept = Callable[[Configuration], bool]


def propose(
    portfolio: Portfolio,
    trials: Sequence[StudyTrial],
    live: Sequence[str],
    accept: Accept = lambda _: True,
    feed: Feed | None = None,
) -> Configuration | None:
    """Return a configuration that has not been tried and that ``accept`` takes; None: none left.

    ``feed`` is one that was used before for the same study, to save time.
    """
    plan = portfolio.plan
    feed = feed or Feed(plan)
    tried = feed.tried(trials)
    for start in portfolio.pending(live, tried, trials):
        if accept(start):
            return start
    grids = {name: space.grid(plan.candidate(name)) for name in live}
    left = [name for name in live if _is_open(name, grids[name], tried)]
    if not left:
        rest = portfolio.untried(live, tried, trials)
        return next((start for start in rest if accept(start)), None)
    if plan.search.sampler != "grid":
        for redraw in range(REDRAWS):
            drawn = _draw(plan, trials, left, redraw, feed)
            if identity(drawn) not in tried and accept(drawn):
                return drawn
    return _from_grids(plan, len(trials), {name: grids[name] for name in left}, tried, accept)


def _is_open(name: str, grid: list[dict[str, Scalar]] | None, tried: Set[Hashable]) -> bool:
    """Whether the candidate has configurations left to draw."""
    if grid is None:
        return True
    return any(identity(Configuration(name, values)) not in tried for values in grid)


def _from_grids(
    plan: Plan,
    number: int,
    grids: dict[str, list[dict[str, Scalar]] | None],
    tried: Set[Hashable],
    accept: Accept,
) -> Configuration | None:
    """One of what is left of the spaces that can be listed, in an order of the seed's."""
    left = [
        configuration
        for name, grid in grids.items()
        for values in grid or ()
        if identity(configuration := Configuration(name, values)) not in tried
        and accept(configuration)
    ]
    return random.Random(strategies.seed(plan, number, "grid")).choice(left) if left else None


def _draw(
    plan: Plan, trials: Sequence[StudyTrial], live: Sequence[str], redraw: int, feed: Feed
) -> Configuration:
    number = len(trials)
    if plan.search.sampler == "random":
        return _from_random(plan, live, strategies.seed(plan, number, "random", redraw), feed)
    dice = random.Random(strategies.seed(plan, number, "dice", redraw))
    kind = dice.random()
    if plan.search.sampler == "tpe" and plan.search.strategy == "promotion":
        if kind < RANDOM_SHARE:
            return _from_random(plan, live, strategies.seed(plan, number, "random", redraw), feed)
        if kind < RANDOM_SHARE + NEAR_SHARE:
            best = [t for t in feed.ranked(trials) if t.configuration.candidate in live]
            if best:
                return near(plan, dice.choice(best[:NEAR]).configuration, dice)
    study = feed.study(trials, live)
    study.sampler = strategies.sampler(plan, number, redraw)
    drawn = space.suggest(study.ask(), plan, live)
    if plan.search.sampler in strategies.EVOLVING:
        feed.remember(number, study)
    return drawn


def _from_random(plan: Plan, live: Sequence[str], seed: int, feed: Feed) -> Configuration:
    study = feed.study((), live)
    study.sampler = RandomSampler(seed=seed)
    return space.suggest(study.ask(), plan, live)


def near(plan: Plan, origin: Configuration, dice: random.Random) -> Configuration:
    """Return a configuration one step from ``origin``: the same candidate, each value moved a bit.

    Numbers move on the scale they are searched on. What does not apply to the origin has its
    default.
    """
    candidate = plan.candidate(origin.candidate)

    def move(parameter: Parameter) -> Scalar:
        coded = None
        if parameter.name in origin.hyperparameters:
            coded = space.code(parameter, origin.hyperparameters[parameter.name])
        if coded is None:
            coded = space.code(parameter, parameter.default)
        return space.decode(parameter, _moved(parameter, coded, dice))

    return Configuration(origin.candidate, space.fill(candidate, move))


def _moved(parameter: Parameter, coded: Scalar | None, dice: random.Random) -> Scalar:
    found = space.distribution(parameter)
    if isinstance(found, CategoricalDistribution):
        if coded is not None and dice.random() < KEEP:
            return coded
        drawn: Scalar = dice.choice(found.choices)
        return drawn
    assert isinstance(found, FloatDistribution | IntDistribution)
    assert isinstance(coded, int | float)
    forward, back = (math.log, math.exp) if found.log else (float, float)
    low, high = forward(found.low), forward(found.high)
    moved = min(max(dice.gauss(forward(coded), STEP * (high - low)), low), high)
    value = float(min(max(back(moved), found.low), found.high))
    return round(value) if isinstance(found, IntDistribution) else value
