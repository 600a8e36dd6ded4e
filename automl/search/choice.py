"""Which trial wins. Pure: trials and the goal in, trials out; knows no files and no sampler.

The rules, in this order:

- Whatever was evaluated and did not fail is in, ended or not: its best model was measured like any
  other.
- A configuration and its repeats with other seeds are one contender; its value is the mean of their
  best evaluations, its costs are the means of what was measured.
- Of trials with one architecture (a candidate's, with as many parameters) the least latency holds
  for all: what else the machine did adds time, and never takes any away.
- A contender whose costs break a limit of ``goal.subject_to`` is out. A cost that was not measured
  is not held against it.
- Once any configuration has been repeated, a value that was seen once, and picked because it was
  high, counts less by the most that another seed has made out so far. Probes no seed changes.
- The winner is the best by the goal's metric; with ``goal.prefer``, of those on the Pareto front
  that are worse by at most ``within``, the best by the preferred metric.
- Of the winner's trials the one with the best evaluation leaves: all are models of one
  configuration, and that evaluation compares them on the same rows.

Ties go to the earlier trial.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import fmean
from typing import TYPE_CHECKING

from automl.compiler.limits import Limit, parse
from automl.plan import Direction, Goal

if TYPE_CHECKING:
    from automl.search.trial import Evaluation, StudyTrial


_ROUNDING = 1e-12
"""So that 0.9 - 0.02 reaches 0.88."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One configuration: the trial that tried it first, and all its trials that may win."""

    original: StudyTrial
    trials: tuple[StudyTrial, ...]
    """By number, the original among them; at least one."""
    values: Mapping[str, float]
    """Every objective's value and every cost, as far as known: means over ``trials``."""
    feasible: bool

    @property
    def confirmed(self) -> bool:
        """Whether it was trained with more than one seed."""
        return len(self.trials) > 1


def feasible(trial: StudyTrial, goal: Goal) -> bool:
    """Return whether the trial's measured costs keep every limit of the goal.

    A cost that has not been measured yet is not held against the trial.
    """
    return not broken(trial.costs, goal)


def broken(costs: Mapping[str, float], goal: Goal) -> tuple[str, ...]:
    """Return the limits, as the recipe writes them, that these costs break."""
    return tuple(
        limit.text
        for limit in _limits(goal.subject_to)
        if limit.quantity in costs and not limit.holds(costs[limit.quantity])
    )


def values(trial: StudyTrial, goal: Goal, trials: Iterable[StudyTrial] = ()) -> dict[str, float]:
    """Return the trial's objectives and costs, as far as known; empty before its first evaluation.

    With ``trials``, those of the trial's whole configuration: means over the original and its
    complete repeats.
    """
    known = {one.number: one for one in (*trials, trial)}
    group = [
        one
        for one in known.values()
        if _original(one) == _original(trial)
        and one.evaluations
        and (_counts(one) or one.number == trial.number)
    ]
    return _means(group, goal, costs(known.values())) if group else {}


def costs(trials: Iterable[StudyTrial]) -> dict[int, Mapping[str, float]]:
    """Return what prediction costs with each trial's model, by number, as far as measured.

    The latency is the least that was measured with its architecture.
    """
    every = tuple(trials)
    least: dict[tuple[str, float], float] = {}
    for trial in every:
        kind = _architecture(trial)
        if kind is not None:
            least[kind] = min(trial.costs["latency_ms"], least.get(kind, math.inf))
    return {
        trial.number: trial.costs
        if (kind := _architecture(trial)) is None
        else {**trial.costs, "latency_ms": least[kind]}
        for trial in every
    }


def contenders(trials: Iterable[StudyTrial], goal: Goal) -> tuple[Contender, ...]:
    """Return every configuration that was evaluated and did not fail, by number of its original.

    Ended or not, feasible or not: a table shows them all. A repeat counts once it is complete.
    """
    every = {trial.number: trial for trial in trials}
    measured = costs(every.values())
    groups: dict[int, list[StudyTrial]] = {}
    for number in sorted(every):
        trial = every[number]
        if _counts(trial):
            groups.setdefault(_original(trial), []).append(trial)
    return tuple(
        _contender(every[number], group, goal, measured)
        for number, group in sorted(groups.items())
        if group[0].number == number
    )


def pareto(trials: Iterable[StudyTrial], goal: Goal) -> tuple[StudyTrial, ...]:
    """Return the originals of the configurations that no other one beats in every objective.

    Best by the goal's metric first. Those that break a limit or of which an objective is unknown
    are left out; of equal ones the earliest stays.
    """
    return tuple(one.original for one in _front(_eligible(contenders(trials, goal)), goal))


def choose(trials: Iterable[StudyTrial], goal: Goal) -> StudyTrial | None:
    """Return the trial whose model wins, or None when there is none; the rules are above."""
    winner = _best(_sobered(_eligible(contenders(trials, goal)), goal), goal)
    if winner is None:
        return None
    return max(winner.trials, key=lambda trial: (_primary(trial, goal), -trial.number))


def shortlist(trials: Iterable[StudyTrial], goal: Goal, count: int) -> tuple[StudyTrial, ...]:
    """Return up to ``count`` originals worth training again, the one that would win first.

    Each is what would win without those before it, whatever has been repeated already.
    """
    left = _eligible(contenders(trials, goal))
    found: list[StudyTrial] = []
    while len(found) < count and (best := _best(left, goal)) is not None:
        found.append(best.original)
        left = [one for one in left if one is not best]
    return tuple(found)


def _contender(
    original: StudyTrial,
    trials: list[StudyTrial],
    goal: Goal,
    measured: Mapping[int, Mapping[str, float]],
) -> Contender:
    means = _means(trials, goal, measured)
    return Contender(original, tuple(trials), means, not broken(means, goal))


def _original(trial: StudyTrial) -> int:
    return trial.number if trial.repeat_of is None else trial.repeat_of


def _architecture(trial: StudyTrial) -> tuple[str, float] | None:
    """What its latency follows from; None where none was measured.

    Every choice that changes a candidate's network (layers kept, pooling) changes its parameters.
    """
    if not {"latency_ms", "parameters"} <= trial.costs.keys():
        return None
    return trial.configuration.candidate, trial.costs["parameters"]


def _counts(trial: StudyTrial) -> bool:
    """Whether its value is one to go by: of a repeat, only when it is complete."""
    if trial.repeat_of is not None:
        return trial.state == "complete"
    return trial.state != "failed" and bool(trial.evaluations)


def _eligible(found: Iterable[Contender]) -> list[Contender]:
    return [one for one in found if one.feasible]


def _sobered(found: list[Contender], goal: Goal) -> list[Contender]:
    """The contenders, those seen once worse by the largest difference between two seeds."""
    seen = [[_primary(trial, goal) for trial in one.trials] for one in found if one.confirmed]
    most = max((max(each) - min(each) for each in seen), default=0.0)
    loss = most if goal.direction == "maximize" else -most
    return [
        one
        if one.confirmed or one.original.probes
        else replace(one, values={**one.values, goal.metric: one.values[goal.metric] - loss})
        for one in found
    ]


def _best(among: list[Contender], goal: Goal) -> Contender | None:
    """The first of equal ones: ``among`` is in the order of their numbers."""
    leader = max(among, key=lambda one: _score(one, goal.metric, goal.direction), default=None)
    if leader is None or goal.prefer is None:
        return leader
    preferred = goal.prefer.metric
    direction = goal.direction if preferred == goal.metric else goal.also[preferred]
    enough = _score(leader, goal.metric, goal.direction) - goal.prefer.within - _ROUNDING
    close = [
        one for one in _front(among, goal) if _score(one, goal.metric, goal.direction) >= enough
    ]
    return max(close, key=lambda one: _score(one, preferred, direction), default=leader)


def _front(among: list[Contender], goal: Goal) -> list[Contender]:
    objectives: dict[str, Direction] = {goal.metric: goal.direction, **goal.also}
    known = [one for one in among if all(name in one.values for name in objectives)]
    points = {
        one.original.number: tuple(
            _score(one, name, direction) for name, direction in objectives.items()
        )
        for one in known
    }
    # Nothing that comes later in this order can beat what came before it in every objective.
    known.sort(
        key=lambda one: (
            tuple(-score for score in points[one.original.number]),
            one.original.number,
        )
    )
    front: list[Contender] = []
    for one in known:
        mine = points[one.original.number]
        if not any(_covers(points[other.original.number], mine) for other in front):
            front.append(one)
    return front


def _covers(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(a >= b for a, b in zip(one, other, strict=True))


def _score(one: Contender, name: str, direction: Direction) -> float:
    """The value with larger always better."""
    return one.values[name] if direction == "maximize" else -one.values[name]


def _primary(trial: StudyTrial, goal: Goal) -> float:
    best = _best_evaluation(trial, goal).value
    return best if goal.direction == "maximize" else -best


def _best_evaluation(trial: StudyTrial, goal: Goal) -> Evaluation:
    sign = 1 if goal.direction == "maximize" else -1
    return max(trial.evaluations, key=lambda one: sign * one.value)


def _means(
    trials: list[StudyTrial], goal: Goal, measured: Mapping[int, Mapping[str, float]]
) -> dict[str, float]:
    """Of the best evaluations' metrics and of the costs, over those trials that know them."""
    found: dict[str, list[float]] = {}
    for trial in trials:
        best = _best_evaluation(trial, goal)
        known = {**measured[trial.number], **best.also, goal.metric: best.value}
        for name, value in known.items():
            found.setdefault(name, []).append(value)
    return {name: fmean(many) for name, many in found.items()}


@lru_cache(maxsize=8)
def _limits(texts: tuple[str, ...]) -> tuple[Limit, ...]:
    return tuple(parse(text) for text in texts)
