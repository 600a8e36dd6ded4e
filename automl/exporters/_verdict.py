"""What the test split says of the winner: against the floor, against the recipe's checks, in words.

One sentence for the screen and the card, so that neither says it more kindly than the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from automl.compiler.limits import parse
from automl.exporters import CheckResult
from automl.exporters._units import checked, cost
from automl.jobs import Interval, ScoreResult
from automl.plan import Goal, Plan

Standing = Literal["above", "level", "below"]


class Judged(Protocol):
    """A finished search: a delivery, or what a run folder keeps of one."""

    @property
    def plan(self) -> Plan:
        """What was asked for."""
        ...

    @property
    def score(self) -> ScoreResult:
        """Of the model that leaves."""
        ...

    @property
    def floor(self) -> ScoreResult:
        """Of a model without a neural network."""
        ...

    @property
    def untrained(self) -> ScoreResult | None:
        """Of the base model as it came, where the task can be done with it."""
        ...

    @property
    def checks(self) -> tuple[CheckResult, ...]:
        """Applied to the test split."""
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """The goal's metric on the test split, of the winner and of the floor.

    ``standing`` is ``below`` where the floor does as well or better, ``level`` where the floor lies
    within the winner's 95% interval, ``above`` else.
    """

    metric: str
    value: float
    interval: Interval | None
    floor: float
    standing: Standing
    missed: tuple[CheckResult, ...]
    untrained: float | None = None
    """What the base model reached before training, where the task can be done with it."""
    gain: Standing | None = None
    """How the winner stands against that."""


def verdict(delivery: Judged) -> Verdict:
    """Return how the winner stands on the test split."""
    goal = delivery.plan.goal
    won, floor = delivery.score.splits["test"], delivery.floor.splits["test"]
    value, below = won.metrics[goal.metric], floor.metrics[goal.metric]
    interval = won.intervals.get(goal.metric)
    missed = tuple(check for check in delivery.checks if not check.passed)
    came = delivery.untrained.splits["test"].metrics[goal.metric] if delivery.untrained else None
    return Verdict(
        goal.metric,
        value,
        interval,
        below,
        _standing(value, below, interval, goal),
        missed,
        came,
        None if came is None else _standing(value, came, interval, goal),
    )


def _standing(value: float, other: float, interval: Interval | None, goal: Goal) -> Standing:
    ahead = value > other if goal.direction == "maximize" else value < other
    if ahead and interval is not None and interval.low <= other <= interval.high:
        return "level"
    return "above" if ahead else "below"


def headline(delivery: Judged) -> str:
    """Return the result in one sentence of plain text."""
    found = verdict(delivery)
    rows = delivery.score.splits["test"].rows
    between = ""
    if found.interval is not None:
        between = f" (95% interval {found.interval.low:.3f} to {found.interval.high:.3f})"
    before = (
        "" if found.untrained is None else f", the base model as it comes {found.untrained:.3f}"
    )
    return (
        f"{found.metric} {found.value:.3f}{between} on {rows:,} test rows that the search never saw"
        f"; the baseline, {delivery.floor.description}, reaches {found.floor:.3f}{before}."
    )


def warnings(delivery: Judged) -> tuple[str, ...]:
    """Return what must not be overlooked, each in a sentence or two; empty when all is well."""
    found = verdict(delivery)
    said = []
    if found.standing == "below":
        said.append(
            f"A simple baseline does as well or better: {delivery.floor.description} reaches "
            f"{found.metric} {found.floor:.3f}, this model {found.value:.3f}. "
            "Consider shipping that instead."
        )
    elif found.standing == "level":
        said.append(
            f"Not clearly better than a simple baseline: {delivery.floor.description} reaches "
            f"{found.metric} {found.floor:.3f}, which lies within this model's 95% interval."
        )
    if found.gain == "below":
        said.append(
            f"Training did not help: the base model as it comes reaches {found.metric} "
            f"{found.untrained:.3f}, this model {found.value:.3f}. Consider shipping that instead."
        )
    elif found.gain == "level":
        said.append(
            f"Not clearly better than before training: the base model as it comes reaches "
            f"{found.metric} {found.untrained:.3f}, which lies within this model's 95% interval."
        )
    said += [
        f"{text}, the search's limit, is {cost(quantity, value)} for the model that leaves."
        for text, quantity, value in _over(delivery)
    ]
    if found.missed:
        named = ", ".join(map(_missed, found.missed))
        said.append(f"{len(found.missed)} of {len(delivery.checks)} checks missed: {named}.")
    return tuple(said)


def _over(delivery: Judged) -> Iterator[tuple[str, str, float]]:
    """The limits that every trial kept or was out by, and that the scored model breaks.

    Time is measured again where it is scored, and never twice the same.
    """
    for limit in map(parse, delivery.plan.goal.subject_to):
        value = delivery.score.costs.get(limit.quantity)
        if value is not None and not limit.holds(value):
            yield limit.text, limit.quantity, value


def _missed(check: CheckResult) -> str:
    return f"{check.expression} (is {checked(check.expression, check.actual)})"
