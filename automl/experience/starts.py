"""Starting configurations for a plan from what won in similar studies. Pure.

As in Feurer et al. (AAAI 2015, see ``similarity``): what was best on the nearest data sets is tried
first. A learning rate is carried over as a factor of its model's prior, so that a model of another
size can use it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from automl.experience.record import Model, Record, Tried, content_of, prior_name
from automl.experience.similarity import similar
from automl.plan import Candidate, Configuration, Parameter, Plan, Scalar

MOST = 4
"""Starts of one plan; never more than half of its trials, or there would be nothing to search."""
STRONG_SHARE = 1 / 3
"""Share of a model's trials in a record that counts as strong; of one or two trials, the best one,
if others stand beside it."""
RELATIVE = 0.5
"""Worth of another model of the same family and size, against the same weights."""
SIZE_RATIO = 2.0
SNAP_RATIO = 2.0
"""A number is replaced by the nearest choice that is at most this many times away."""
DIFFERENT = 0.25
"""Two configurations are different from here: a quarter of one range, or one choice."""


@dataclass(frozen=True, slots=True)
class _Start:
    configuration: Configuration
    worth: float


def starts(plan: Plan, records: Iterable[Record]) -> tuple[Configuration, ...]:
    """Return up to ``MOST`` strong, mutually different configurations, the best bet first.

    Each lies in today's space of its candidate: numbers are moved to the nearest end, choices to a
    near one; what has no counterpart there is dropped.
    """
    most = MOST if plan.budget.trials is None else min(MOST, plan.budget.trials // 2)
    chosen: list[Configuration] = []
    for start in sorted(_all(plan, records), key=lambda start: -start.worth):
        if len(chosen) >= most:
            break
        if all(_differ(plan, start.configuration, other) for other in chosen):
            chosen.append(start.configuration)
    return tuple(chosen)


def _all(plan: Plan, records: Iterable[Record]) -> Iterator[_Start]:
    contents = [(candidate, content_of(candidate)) for candidate in plan.candidates]
    for each in similar(plan, records):
        strong = list(_strong(each.record))
        for candidate, content in contents:
            for trial, quality in strong:
                model = each.record.models[trial.model]
                match = 1.0 if model.content == content else _kinship(candidate, model)
                found = _translated(candidate, model, trial) if match else None
                if found is not None:
                    worth = each.similarity * match * quality
                    yield _Start(Configuration(candidate.id, found), worth)


def _strong(record: Record) -> Iterator[tuple[Tried, float]]:
    """The best trials of each model, with their quality: 1 for the record's best, down to 0.5.

    One trial alone has beaten nothing and says nothing. Failed trials do not count, nor does the
    probe, which every study makes anyway.
    """
    values = _values(record)
    if len(values) < 2:
        return
    best, worst = max(values.values()), min(values.values())
    by_model: defaultdict[int, list[Tried]] = defaultdict(list)
    for trial in record.trials:
        if trial.number in values:
            by_model[trial.model].append(trial)
    for trials in by_model.values():
        ranked = sorted(trials, key=lambda trial: -values[trial.number])
        for trial in ranked[: math.ceil(len(ranked) * STRONG_SHARE)]:
            scaled = (values[trial.number] - worst) / (best - worst) if best > worst else 1.0
            yield trial, (1 + scaled) / 2


def _values(record: Record) -> dict[int, float]:
    """Trial → its best evaluation, larger is better, averaged with its repeats."""
    sign = 1 if record.direction == "maximize" else -1
    found: defaultdict[int, list[float]] = defaultdict(list)
    originals = set()
    for trial in record.trials:
        value = trial.value(record.direction)
        if value is None or trial.state == "failed" or _is_probe(trial):
            continue
        found[trial.number if trial.repeat_of is None else trial.repeat_of].append(sign * value)
        if trial.repeat_of is None:
            originals.add(trial.number)
    return {n: sum(values) / len(values) for n, values in found.items() if n in originals}


def _is_probe(trial: Tried) -> bool:
    return trial.hyperparameters.get("method") == "probe"


def _kinship(candidate: Candidate, model: Model) -> float:
    """What a relative of similar size is worth against the same weights; 0 for others."""
    sizes = max(candidate.parameters, 1), max(model.parameters, 1)
    ratio = max(sizes) / min(sizes)
    if model.family != candidate.family or ratio > SIZE_RATIO:
        return 0.0
    return RELATIVE / ratio


def _translated(candidate: Candidate, model: Model, trial: Tried) -> dict[str, Scalar] | None:
    """The trial's settings in the candidate's space, or None where one has no counterpart."""
    values: dict[str, Scalar] = {}
    for parameter in candidate.space:
        if parameter.name in values and not parameter.holds(trial.hyperparameters):
            continue  # of several by that name, the one that the trial had
        value = _value(parameter, model, trial)
        if value is None:
            return None
        values[parameter.name] = value
    return _applicable(candidate.space, values)


def _value(parameter: Parameter, model: Model, trial: Tried) -> Scalar | None:
    value = trial.hyperparameters.get(parameter.name)
    if value is None:
        return parameter.default
    if parameter.kind == "choice":
        return _choice(parameter.choices, value)
    if isinstance(value, bool | str):
        return None
    prior = model.priors.get(prior_name(parameter))
    if parameter.prior is not None and prior:
        value = value / prior * parameter.prior
    assert parameter.low is not None
    assert parameter.high is not None
    value = min(max(value, parameter.low), parameter.high)
    return round(value) if parameter.kind == "int" else float(value)


def _choice(choices: Sequence[Scalar], value: Scalar) -> Scalar | None:
    same = [c for c in choices if c == value and isinstance(c, bool) == isinstance(value, bool)]
    if same:
        return same[0]
    if isinstance(value, bool | str) or value <= 0:
        return None
    numbers = [c for c in choices if not isinstance(c, bool | str) and c > 0]
    near = [c for c in numbers if 1 / SNAP_RATIO <= c / value <= SNAP_RATIO]
    return min(near, key=lambda c: abs(math.log(c / value)), default=None)


def _applicable(space: Sequence[Parameter], values: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The values without those of parameters whose condition does not hold."""
    kept = dict(values)
    while True:
        idle = kept.keys() - {p.name for p in space if p.holds(kept)}
        if not idle:
            return kept
        for name in idle:
            del kept[name]


def _differ(plan: Plan, one: Configuration, other: Configuration) -> bool:
    if one.candidate != other.candidate:
        return True
    distance = 0.0
    for parameter in plan.candidate(one.candidate).space:
        if not (parameter.holds(one.hyperparameters) or parameter.holds(other.hyperparameters)):
            continue
        pair = one.hyperparameters.get(parameter.name), other.hyperparameters.get(parameter.name)
        distance += _distance(parameter, *pair)
    return distance >= DIFFERENT


def _distance(parameter: Parameter, one: Scalar | None, other: Scalar | None) -> float:
    """Share of the range between two values; a choice that differs counts as ``DIFFERENT``."""
    if one == other:
        return 0.0
    if parameter.kind == "choice" or one is None or other is None:
        return DIFFERENT
    low, high = parameter.low, parameter.high
    assert low is not None
    assert high is not None
    assert not isinstance(one, str)
    assert not isinstance(other, str)
    if parameter.log or parameter.prior is not None:
        return abs(math.log(one / other)) / math.log(high / low)
    return abs(one - other) / (high - low)
