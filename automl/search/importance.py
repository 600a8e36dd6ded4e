"""What a worker is asked when settings are to be weighed: which configurations, compared at what.

Pure: trials in, a job's spec out. Those configurations are compared that came to the highest rung
that enough of them reached, by their values there (``feed``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import median

from automl.jobs import Column, ImportanceSpec
from automl.plan import Parameter, Plan, Scalar
from automl.search import space
from automl.search.feed import Feed
from automl.search.space import CANDIDATE
from automl.search.trial import StudyTrial

LEAST = 10
"""Configurations below which nothing is said of importance."""
ABSENT = "not used"
"""Stands for a choice that a configuration does not make."""
Values = Sequence[Scalar | None]


def question(trials: Sequence[StudyTrial], plan: Plan) -> ImportanceSpec | None:
    """Return the job that weighs the settings of these trials; None where they are too few.

    A number that was searched around a prior counts as log10(value / prior), one that was searched
    logarithmically as log10(value). Where a configuration lacks a number (a rank, without adapters)
    the others' median stands for it, so that its lack is not taken for an effect of the number.
    """
    known = {candidate.id for candidate in plan.candidates}
    compared = [
        (value, trial)
        for value, trial in Feed(plan).values(trials)
        if trial.configuration.candidate in known
    ]
    if len(compared) < LEAST:
        return None
    tried = [trial for _, trial in compared]
    columns: dict[str, Column] = {}
    told: dict[str, list[float] | list[str]] = {}
    for name in (CANDIDATE, *_names(plan)):
        column, cells = _column(name, tried, plan)
        if len(set(cells)) > 1:
            columns[name], told[name] = column, cells
    if not columns:
        return None
    rows = tuple({name: told[name][at] for name in columns} for at in range(len(tried)))
    return ImportanceSpec(columns, rows, tuple(value for value, _ in compared), plan.search.seed)


def _names(plan: Plan) -> list[str]:
    every = (one.name for candidate in plan.candidates for one in candidate.space)
    return sorted(set(every) - {CANDIDATE})


def _column(
    name: str, tried: Sequence[StudyTrial], plan: Plan
) -> tuple[Column, list[float] | list[str]]:
    if name == CANDIDATE:
        return _choices([trial.configuration.candidate for trial in tried])
    found = [_parameter(name, trial, plan) for trial in tried]
    values = [trial.configuration.hyperparameters.get(name) for trial in tried]
    numeric = all(parameter is None or parameter.kind != "choice" for parameter in found) and all(
        value is None or isinstance(value, int | float) for value in values
    )
    if not numeric:
        return _choices(values)
    scales = [_scale(parameter) for parameter in found]
    cells = [
        None if value is None else scale(value) for value, scale in zip(values, scales, strict=True)
    ]
    ends = [
        scale(bound)
        for parameter, scale in zip(found, scales, strict=True)
        if parameter is not None
        for bound in (parameter.low, parameter.high)
        if bound is not None
    ]
    return _numbers(cells, ends)


def _parameter(name: str, trial: StudyTrial, plan: Plan) -> Parameter | None:
    """The parameter of that name which applies to the trial, if one does today."""
    candidate = plan.candidate(trial.configuration.candidate)
    applicable = space.applicable(candidate, trial.configuration.hyperparameters)
    return next((one for one in applicable if one.name == name), None)


def _scale(parameter: Parameter | None) -> Callable[[Scalar], float]:
    def scaled(value: Scalar) -> float:
        number = float(value)
        if parameter is not None and parameter.prior is not None and number > 0:
            return math.log10(number / parameter.prior)
        if parameter is not None and parameter.log and number > 0:
            return math.log10(number)
        return number

    return scaled


def _numbers(cells: Sequence[float | None], ends: Sequence[float]) -> tuple[Column, list[float]]:
    known = [cell for cell in cells if cell is not None]
    if not known:
        return Column(), []
    middle = median(known)
    every = [*known, *ends]
    return Column(min(every), max(every)), [middle if cell is None else cell for cell in cells]


def _choices(values: Values) -> tuple[Column, list[str]]:
    cells = [ABSENT if value is None else str(value) for value in values]
    return Column(choices=tuple(sorted(set(cells)))), cells
