"""What is tried before anything is sampled, and in which order. Pure; draws nothing.

Every candidate's probe comes first, where the budget of trials has room: it takes about a tenth of
a training, so that something decent is there soon. Then comes every candidate's best bet: cheap
candidates before dear ones, among those of like cost the better probe before the worse, and those
last whose probe was clearly worse than another's. A candidate whose probe was no better than a
model that reads words has to change much, and its starting points are trained for longer. The other
starting points, in the same order, alternate with sampled configurations, so that a portfolio that
does not suit the data cannot hold up the search for long.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Mapping, Sequence, Set
from dataclasses import replace
from itertools import chain, zip_longest

from automl.plan import Candidate, Configuration, Plan
from automl.search import space
from automl.search.noise import noise
from automl.search.trial import METHOD, PROBE, StudyTrial

TRIALS_PER_PROBE = 4
"""A budget of fewer trials per candidate is left to fine-tuning."""
CLEARLY = 2.0
"""Standard errors of the metric by which one probe must be better than another to say anything."""
LONGER = 3.0
"""Of a starting point's epochs. MED (inference, 1,600 pairs), MiniLM-L6, whose probe has .54: .74
in three epochs, .86 in ten. Banking77, whose probe has .89: five epochs did no better than three.
"""
SAME = 2.0
"""Candidates cost about the same up to so many times the parameters."""
STARTS_PER_DRAW = 2
"""Starting points tried for each configuration that is sampled meanwhile."""


def identity(configuration: Configuration) -> Hashable:
    """Return what makes two configurations the same one."""
    return configuration.candidate, tuple(sorted(configuration.hyperparameters.items()))


class Portfolio:
    """The starting points of one study. Worked out once: candidates may be a thousand."""

    def __init__(
        self,
        plan: Plan,
        starts: Sequence[Configuration] = (),
        floor: float | None = None,
    ) -> None:
        """Hold the plan's starting points and ``starts``, what similar studies found good.

        ``starts`` come before the rest of the portfolio. What is no point of the plan's space is
        left out. ``floor`` is the value of a model without a neural network, where it is known.
        """
        self.plan = plan
        self._floor = floor
        cheap = sorted(plan.candidates, key=lambda each: each.parameters)
        self._candidates = {each.id: each for each in cheap}
        self._mine = {each.id: _portfolio(each) for each in cheap}
        self._starts = [
            start
            for start in starts
            if start.candidate in self._candidates
            and _is_possible(self._candidates[start.candidate], start)
        ]

    def order(
        self, live: Collection[str], trials: Sequence[StudyTrial] = ()
    ) -> tuple[tuple[Configuration, ...], tuple[Configuration, ...]]:
        """Return each live candidate's probe and best bet, and all other starting points, in order.

        What has come before is left out. ``trials`` are those so far: their probes tell which
        candidates promise most, and beside the floor, which have to change much and are trained
        for longer.
        """
        plan, alive = self.plan, set(live)
        probes = _probed(plan, trials)
        mine = {
            name: [_from_afar(self._candidates[name], start) for start in found]
            if _is_unready(probes.get(name), self._floor, plan)
            else found
            for name, found in self._mine.items()
            if name in alive
        }
        ahead, behind = _by_promise(list(mine), plan, probes)
        bets = [mine[name][0] for name in (*ahead, *behind)]
        others = chain(
            (start for start in self._starts if start.candidate in alive),
            _in_turn([mine[name] for name in ahead]),
            _in_turn([mine[name] for name in behind]),
        )
        early = {identity(bet): bet for bet in (*_probes(plan, mine.values()), *bets)}
        rest = {identity(start): start for start in others}
        return tuple(early.values()), tuple(rest[each] for each in rest if each not in early)

    def pending(
        self,
        live: Collection[str],
        tried: Set[Hashable],
        trials: Sequence[StudyTrial] = (),
    ) -> tuple[Configuration, ...]:
        """Return the starting points that are due now, in order; empty when sampling is.

        ``tried`` identifies the configurations that were tried before, in ``trials``.
        """
        bets, rest = self.order(live, trials)
        left = tuple(bet for bet in bets if identity(bet) not in tried)
        if left:
            return left
        done = {each for start in rest if (each := identity(start)) in tried}
        drawn = len(tried) - len(done | {identity(bet) for bet in bets})
        if len(done) >= STARTS_PER_DRAW * (drawn + 1):
            return ()
        return tuple(start for start in rest if identity(start) not in done)

    def untried(
        self,
        live: Collection[str],
        tried: Set[Hashable],
        trials: Sequence[StudyTrial] = (),
    ) -> tuple[Configuration, ...]:
        """Return all starting points that have not been tried, whether it is their turn or not."""
        bets, rest = self.order(live, trials)
        return tuple(start for start in (*bets, *rest) if identity(start) not in tried)


def _probes(plan: Plan, portfolios: Collection[list[Configuration]]) -> list[Configuration]:
    """Each portfolio's probe, if not too many of the budget's trials would go into them."""
    trials = plan.budget.trials
    if trials is not None and trials < TRIALS_PER_PROBE * len(portfolios):
        return []
    return [
        start for each in portfolios for start in each if start.hyperparameters.get(METHOD) == PROBE
    ]


def _in_turn(portfolios: list[list[Configuration]]) -> list[Configuration]:
    return [start for turn in zip_longest(*portfolios) for start in turn if start]


def _by_promise(
    cheap: list[str], plan: Plan, known: Mapping[str, float]
) -> tuple[list[str], list[str]]:
    """The candidates, given by cost: those that may be the best, and those behind by more than
    chance, the latter by their probes. What was not probed may be anything.
    """
    if not known:
        return cheap, []
    best = max(known.values())
    enough = best - CLEARLY * noise(abs(best), plan)
    behind = [name for name in cheap if known.get(name, best) < enough]
    ahead = _cheap_first([plan.candidate(name) for name in cheap if name not in behind], known)
    return ahead, sorted(behind, key=lambda name: -known[name])


def _cheap_first(waiting: list[Candidate], known: Mapping[str, float]) -> list[str]:
    """The candidates, given by cost, by cost; of those that cost about the same the better probe.

    A probe that is better by luck alone costs little then, and one that tells something much less
    than waiting for all that is a bit cheaper.
    """
    found = list[str]()
    while waiting:
        same = [each for each in waiting if each.parameters <= SAME * waiting[0].parameters]
        best = max(same, key=lambda each: known.get(each.id, -math.inf))
        found.append(best.id)
        waiting = [each for each in waiting if each.id != best.id]
    return found


def _probed(plan: Plan, trials: Sequence[StudyTrial]) -> dict[str, float]:
    """The value of each candidate's probe, larger always better, as far as there is one."""
    sign = 1 if plan.goal.direction == "maximize" else -1
    return {
        trial.configuration.candidate: sign * value
        for trial in trials
        if trial.probes and trial.state != "failed"
        if (value := trial.value(plan.goal.direction)) is not None
    }


def _is_unready(probe: float | None, floor: float | None, plan: Plan) -> bool:
    """Whether the frozen encoder knows no more of the task than a model that reads words."""
    if probe is None or floor is None:
        return False
    if plan.goal.direction == "minimize":
        floor = -floor
    return probe < floor + CLEARLY * noise(abs(floor), plan)


def _from_afar(candidate: Candidate, start: Configuration) -> Configuration:
    """The start for an encoder that has far to go: trained ``LONGER`` times as long.

    As far as the space goes. Nothing is fitted to its features first: they tell nothing. All of a
    candidate's starts are altered alike: at a rung, short schedules look better than long ones.
    """
    values = dict(start.hyperparameters)
    if values.get(METHOD) == PROBE:
        return start
    parameters = {each.name: each for each in candidate.space}
    epochs, head = parameters.get("epochs"), parameters.get("head_init")
    if epochs is not None and epochs.kind != "choice" and "epochs" in values:
        assert epochs.high is not None
        longest = min(epochs.high, LONGER * float(values["epochs"]))
        values["epochs"] = int(longest) if epochs.kind == "int" else longest
    if head is not None and "head_init" in values and "random" in head.choices:
        values["head_init"] = "random"
    return replace(start, hyperparameters=values)


def _portfolio(candidate: Candidate) -> list[Configuration]:
    """The candidate's starting points, at least its default."""
    found = [Configuration(candidate.id, values) for values in candidate.portfolio]
    return [each for each in found if _is_possible(candidate, each)] or [space.default(candidate)]


def _is_possible(candidate: Candidate, start: Configuration) -> bool:
    if start.hyperparameters.get(METHOD) == PROBE:
        return any(
            parameter.name == METHOD and PROBE in parameter.choices for parameter in candidate.space
        )
    return space.codes(candidate, start.hyperparameters) is not None
