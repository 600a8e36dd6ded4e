"""Between a plan's conditional space and Optuna's parameters: names, distributions, both ways.

A hyperparameter with a prior is searched as log10(value / prior) under one name for all
candidates, so that what one candidate teaches about the learning rate carries over to another.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import Trial

from automl.plan import Candidate, Configuration, Parameter, Plan, Scalar

CANDIDATE = "candidate"


def distributions(plan: Plan, live: Sequence[str], candidate: str) -> dict[str, BaseDistribution]:
    """Return the Optuna parameters of one candidate by name, ``candidate`` itself first."""
    found: dict[str, BaseDistribution] = {CANDIDATE: CategoricalDistribution(tuple(live))}
    for parameter in plan.candidate(candidate).space:
        found[_name(plan, plan.candidate(candidate), parameter)] = _distribution(parameter)
    return found


def suggest(trial: Trial, plan: Plan, live: Sequence[str]) -> Configuration:
    """Draw a configuration through Optuna's define-by-run interface."""
    identifier = trial.suggest_categorical(CANDIDATE, tuple(live))
    candidate = plan.candidate(identifier)
    values: dict[str, Scalar] = {}
    for parameter in candidate.space:
        drawn = _draw(trial, _name(plan, candidate, parameter), _distribution(parameter))
        values[parameter.name] = _decode(parameter, drawn)
    return Configuration(identifier, values)


def encode(plan: Plan, live: Sequence[str], configuration: Configuration) -> dict[str, Any] | None:
    """Return the configuration as Optuna parameters, or None where today's space has no such point.

    Used for default configurations and for trials made under an earlier, narrower or wider space.
    """
    if configuration.candidate not in live:
        return None
    candidate = plan.candidate(configuration.candidate)
    parameters: dict[str, Any] = {CANDIDATE: configuration.candidate}
    for parameter in candidate.space:
        value = configuration.hyperparameters.get(parameter.name, parameter.default)
        coded = _encode(parameter, value)
        if coded is None:
            return None
        parameters[_name(plan, candidate, parameter)] = coded
    return parameters


def default(candidate: Candidate) -> Configuration:
    """Return the candidate's default configuration: the first thing tried of it."""
    return Configuration(candidate.id, {p.name: p.default for p in candidate.space})


def _name(plan: Plan, candidate: Candidate, parameter: Parameter) -> str:
    if parameter.prior is not None:
        return f"{parameter.name}_factor"
    if parameter.kind == "choice" and not _shared(plan, parameter):
        return f"{parameter.name}[{candidate.id}]"
    return parameter.name


def _shared(plan: Plan, parameter: Parameter) -> bool:
    """A categorical is one parameter for all candidates only when all have the same choices."""
    return all(
        other.choices == parameter.choices
        for candidate in plan.candidates
        for other in candidate.space
        if other.name == parameter.name
    )


def _distribution(parameter: Parameter) -> BaseDistribution:
    if parameter.kind == "choice":
        return CategoricalDistribution(parameter.choices)
    assert parameter.low is not None
    assert parameter.high is not None
    if parameter.prior is not None:
        return FloatDistribution(
            math.log10(parameter.low / parameter.prior),
            math.log10(parameter.high / parameter.prior),
        )
    if parameter.kind == "int":
        return IntDistribution(int(parameter.low), int(parameter.high), log=parameter.log)
    return FloatDistribution(parameter.low, parameter.high, log=parameter.log)


def _draw(trial: Trial, name: str, distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(name, distribution.low, distribution.high, log=distribution.log)
    assert isinstance(distribution, FloatDistribution)
    return trial.suggest_float(name, distribution.low, distribution.high, log=distribution.log)


def _decode(parameter: Parameter, drawn: Any) -> Scalar:
    if parameter.prior is None:
        return drawn  # type: ignore[no-any-return]
    assert parameter.low is not None
    assert parameter.high is not None
    return float(min(max(parameter.prior * 10**drawn, parameter.low), parameter.high))


def _encode(parameter: Parameter, value: Scalar) -> Any:
    if parameter.kind == "choice":
        same = [c for c in parameter.choices if type(c) is type(value) and c == value]
        return same[0] if same else None
    if isinstance(value, bool | str) or not _inside(parameter, value):
        return None
    if parameter.prior is not None:
        return math.log10(value / parameter.prior)
    return value


def _inside(parameter: Parameter, value: float) -> bool:
    assert parameter.low is not None
    assert parameter.high is not None
    return parameter.low <= value <= parameter.high


def clip(parameters: Mapping[str, Any], found: Mapping[str, BaseDistribution]) -> dict[str, Any]:
    """Return ``parameters`` with floats moved inside their range (rounding of logarithms)."""
    clipped = dict(parameters)
    for name, distribution in found.items():
        if isinstance(distribution, FloatDistribution) and name in clipped:
            clipped[name] = min(max(clipped[name], distribution.low), distribution.high)
    return clipped
