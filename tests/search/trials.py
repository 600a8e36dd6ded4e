"""Trials and a plan with rungs for tests that look at decisions alone: no journal, no processes.

An evaluation is 100 samples and one second; the plan's rungs lie at 100 and 300 samples of 1000.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from automl.plan import Configuration, Plan, SearchPlan
from automl.search.trial import Evaluation, StudyTrial
from tests import factories

EPOCHS = replace(factories.EPOCHS, default=10, low=10, high=10)
SEARCH = SearchPlan(7, "tpe", "promotion", 100, rungs=(100, 300), eta=3)
PLAN = factories.plan(
    factories.candidate("small", space=(factories.LEARNING_RATE, EPOCHS)), search=SEARCH
)


def two_candidates() -> Plan:
    """Return the plan with a second, larger candidate."""
    large = replace(PLAN.candidates[0], id="large", parameters=10_000)
    return replace(PLAN, candidates=(*PLAN.candidates, large))


def trial(
    number: int,
    *seen: float,
    candidate: str = "small",
    pace: float = 1.0,
    method: str | None = None,
    rate: float | None = None,
    **changes: Any,
) -> StudyTrial:
    """Return a trial with these evaluations, ``pace`` seconds each."""
    evaluations = tuple(
        Evaluation(step, 100 * step, value, {}, pace * step)
        for step, value in enumerate(seen, start=1)
    )
    values: dict[str, Any] = {"epochs": 10, "learning_rate": rate or 1e-4 + number * 1e-6}
    if method is not None:
        values["method"] = method
    made = StudyTrial(number, Configuration(candidate, values), evaluations=evaluations)
    seconds = evaluations[-1].seconds if evaluations else 0.0
    return replace(made, seconds=seconds, **changes)
