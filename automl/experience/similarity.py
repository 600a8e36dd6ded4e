"""How much a record's study resembles a plan's: what may be learnt from it. Pure.

The idea, and the distance over a few cheap meta-features, follow Feurer, Springenberg and Hutter,
"Initializing Bayesian Hyperparameter Optimization via Meta-Learning" (AAAI 2015), with counts on a
log scale as there; fewer features, as there are few records. How far a difference reaches
(``REACH``) is our judgement, not theirs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from automl.experience.record import DataShape, Record, shape_of
from automl.plan import Plan

REACH = {
    "rows": math.log(10),
    "classes": math.log(10),
    "characters": math.log(8),
    "evenness": 0.5,
}
"""The difference in one feature that alone makes two studies strangers: ten times the rows (the
number of steps), ten times the classes, eight times the text, half of the evenness."""


@dataclass(frozen=True, slots=True)
class Similar:
    """A record and how much it resembles the plan: from 0, not included, to 1, the same shape."""

    record: Record
    similarity: float


def similar(plan: Plan, records: Iterable[Record]) -> tuple[Similar, ...]:
    """Return the records that something may be learnt from for ``plan``, most similar first.

    Another task, or a goal of the other direction, teaches nothing; the metric itself may differ,
    since trials are only ever ranked within their own record.
    """
    shape = shape_of(plan)
    found = (
        Similar(record, similarity(shape, record.data))
        for record in records
        if record.task == plan.task and record.direction == plan.goal.direction
    )
    near = (each for each in found if each.similarity > 0)
    return tuple(sorted(near, key=lambda each: (-each.similarity, -each.record.time)))


def similarity(one: DataShape, other: DataShape) -> float:
    """Return 1 − the Euclidean distance in units of ``REACH``, and 0 from there on."""
    distance = math.sqrt(sum(part * part for part in _differences(one, other)))
    return max(0.0, 1.0 - distance)


def _differences(one: DataShape, other: DataShape) -> Iterator[float]:
    yield _ratio(one.rows, other.rows) / REACH["rows"]
    yield _ratio(one.classes, other.classes) / REACH["classes"]
    lengths = one.characters.get("p50", 0), other.characters.get("p50", 0)
    yield _ratio(*lengths) / REACH["characters"]
    yield (one.evenness - other.evenness) / REACH["evenness"]


def _ratio(one: int, other: int) -> float:
    """How far apart two counts are in the logarithm; one that is zero is like a one."""
    return math.log(max(one, 1) / max(other, 1))
