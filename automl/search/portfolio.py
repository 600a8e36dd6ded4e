"""What is tried before anything is sampled, and in which order. Pure; draws nothing.

Every candidate's best bet comes first, cheap candidates before dear ones. The other starting
points alternate with sampled configurations, so that a portfolio that does not suit the data costs
half of what is tried at most.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import chain, zip_longest

from automl.plan import Candidate, Configuration, Plan
from automl.search import space
from automl.search.trial import METHOD, PROBE

STARTS_PER_DRAW = 2
"""Starting points tried for each configuration that is sampled meanwhile."""


def identity(configuration: Configuration) -> Hashable:
    """Return what makes two configurations the same one."""
    return configuration.candidate, tuple(sorted(configuration.hyperparameters.items()))


def order(
    plan: Plan, live: Sequence[str], starts: Sequence[Configuration] = ()
) -> tuple[tuple[Configuration, ...], tuple[Configuration, ...]]:
    """Return each live candidate's best bet, and all other starting points, both in order.

    ``starts`` are what similar studies found good; they come before the rest of the portfolio. What
    is no point of today's space is left out, and so is what has come before.
    """
    cheap = sorted((plan.candidate(name) for name in live), key=lambda each: each.parameters)
    mine = [_portfolio(plan, live, candidate) for candidate in cheap]
    bets = [each[0] for each in mine]
    others = chain(
        (start for start in starts if _is_possible(plan, live, start)),
        (start for turn in zip_longest(*(each[1:] for each in mine)) for start in turn if start),
    )
    known = {identity(bet) for bet in bets}
    rest = []
    for start in others:
        if identity(start) not in known:
            known.add(identity(start))
            rest.append(start)
    return tuple(bets), tuple(rest)


def pending(
    plan: Plan,
    live: Sequence[str],
    tried: Sequence[Hashable],
    starts: Sequence[Configuration] = (),
) -> tuple[Configuration, ...]:
    """Return the starting points that are due now, in order; empty when it is sampling's turn.

    ``tried`` identifies the configurations that were tried before.
    """
    bets, rest = order(plan, live, starts)
    every = set(tried)
    left = tuple(bet for bet in bets if identity(bet) not in every)
    if left:
        return left
    known = {identity(start) for start in rest}
    done = known & every
    drawn = len(every - done - {identity(bet) for bet in bets})
    if len(done) >= STARTS_PER_DRAW * (drawn + 1):
        return ()
    return tuple(start for start in rest if identity(start) not in done)


def untried(
    plan: Plan,
    live: Sequence[str],
    tried: Sequence[Hashable],
    starts: Sequence[Configuration] = (),
) -> tuple[Configuration, ...]:
    """Return all starting points that have not been tried, whether it is their turn or not."""
    every = set(tried)
    bets, rest = order(plan, live, starts)
    return tuple(start for start in (*bets, *rest) if identity(start) not in every)


def _portfolio(plan: Plan, live: Sequence[str], candidate: Candidate) -> list[Configuration]:
    """The candidate's starting points, at least its default."""
    found = [Configuration(candidate.id, values) for values in candidate.portfolio]
    return [each for each in found if _is_possible(plan, live, each)] or [space.default(candidate)]


def _is_possible(plan: Plan, live: Sequence[str], start: Configuration) -> bool:
    if start.candidate not in live:
        return False
    if start.hyperparameters.get(METHOD) == PROBE:
        return any(
            parameter.name == METHOD and PROBE in parameter.choices
            for parameter in plan.candidate(start.candidate).space
        )
    return space.encode(plan, live, start) is not None
