"""Between a plan's conditional space and Optuna's parameters: names, distributions, both ways.

A hyperparameter with a prior is searched as log10(value / prior) under one name for all
candidates, so that what one candidate teaches about the learning rate carries over to another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import Trial

from automl.plan import Candidate, Configuration, Parameter, Plan, Scalar
from automl.search.trial import METHOD, PROBE

CANDIDATE = "candidate"
LARGEST_GRID = 10_000
"""Configurations beyond which a space counts as endless."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A configuration as Optuna parameters, with their distributions under today's space."""

    parameters: Mapping[str, Any]
    distributions: Mapping[str, BaseDistribution]


def suggest(trial: Trial, plan: Plan, live: Sequence[str]) -> Configuration:
    """Draw a configuration through Optuna's define-by-run interface."""
    identifier = trial.suggest_categorical(CANDIDATE, tuple(live))
    candidate = plan.candidate(identifier)

    def draw(parameter: Parameter) -> Scalar:
        drawn = _draw(trial, _name(plan, candidate, parameter), distribution(parameter))
        return decode(parameter, drawn)

    return Configuration(identifier, fill(candidate, draw))


def encode(plan: Plan, live: Sequence[str], configuration: Configuration) -> Encoded | None:
    """Return the configuration as Optuna parameters, or None where today's space has no such point.

    Used for default configurations and for trials made under an earlier, narrower or wider space.
    Probes are no points of the space: none is ever drawn.
    """
    if configuration.candidate not in live:
        return None
    candidate = plan.candidate(configuration.candidate)
    coded = codes(candidate, configuration.hyperparameters)
    if coded is None:
        return None
    parameters: dict[str, Any] = {CANDIDATE: configuration.candidate}
    found: dict[str, BaseDistribution] = {CANDIDATE: CategoricalDistribution(tuple(live))}
    for parameter, value in coded:
        name = _name(plan, candidate, parameter)
        found[name] = distribution(parameter)
        parameters[name] = _clip(value, found[name])
    return Encoded(parameters, found)


def codes(candidate: Candidate, values: Mapping[str, Scalar]) -> list[tuple[Parameter, Any]] | None:
    """Return the parameters that apply under ``values``, each with its value as Optuna sees it.

    None where the values are no point of the candidate's space.
    """
    found = list[tuple[Parameter, Any]]()
    for parameter in applicable(candidate, values):
        coded = code(parameter, values.get(parameter.name, parameter.default))
        if coded is None:
            return None
        found.append((parameter, coded))
    return found


def default(candidate: Candidate) -> Configuration:
    """Return the candidate's default configuration: the first thing tried of it."""
    return Configuration(candidate.id, fill(candidate, lambda parameter: parameter.default))


def fill(candidate: Candidate, pick: Callable[[Parameter], Scalar]) -> dict[str, Scalar]:
    """Return a value for every parameter that applies, in the space's order.

    ``pick`` is asked for conditions before what depends on them.
    """
    values: dict[str, Scalar] = {}
    for parameter in _ordered(candidate):
        if _applies(candidate, parameter, values):
            values[parameter.name] = pick(parameter)
    return {p.name: values[p.name] for p in candidate.space if p.name in values}


def applicable(candidate: Candidate, values: Mapping[str, Scalar]) -> list[Parameter]:
    """Return the parameters that apply under ``values``; a missing one has its default."""
    known: dict[str, Scalar] = {}
    for parameter in _ordered(candidate):
        if _applies(candidate, parameter, known):
            known[parameter.name] = values.get(parameter.name, parameter.default)
    return [each for each in candidate.space if _applies(candidate, each, known)]


def choices(parameter: Parameter) -> tuple[Scalar, ...]:
    """Return the values of a choice that may be drawn: a probe is tried, never drawn."""
    if parameter.name != METHOD:
        return parameter.choices
    return tuple(choice for choice in parameter.choices if choice != PROBE)


def grid(candidate: Candidate) -> list[dict[str, Scalar]] | None:
    """Return every configuration that can be drawn of the candidate; None when it is endless.

    Beyond ``LARGEST_GRID`` configurations a space counts as endless. Empty for a candidate that
    can only be probed.
    """
    axes = [(parameter, _values(parameter)) for parameter in _ordered(candidate)]
    if any(values is None for _, values in axes):
        return None
    found = list(islice(_walk(candidate, axes), LARGEST_GRID + 1))
    return found if len(found) <= LARGEST_GRID else None


def distribution(parameter: Parameter) -> BaseDistribution:
    """Return the parameter's Optuna distribution."""
    if parameter.kind == "choice":
        return CategoricalDistribution(choices(parameter))
    low, high = _bounds(parameter)
    if parameter.prior is not None:
        return FloatDistribution(
            math.log10(low / parameter.prior), math.log10(high / parameter.prior)
        )
    if parameter.kind == "int":
        return IntDistribution(int(low), int(high), log=parameter.log)
    return FloatDistribution(low, high, log=parameter.log)


def code(parameter: Parameter, value: Scalar) -> Any:
    """Return the value as Optuna sees it; None when it lies outside the parameter's range."""
    if parameter.kind == "choice":
        same = [c for c in choices(parameter) if type(c) is type(value) and c == value]
        return same[0] if same else None
    low, high = _bounds(parameter)
    if isinstance(value, bool | str) or not low <= value <= high:
        return None
    return math.log10(value / parameter.prior) if parameter.prior is not None else value


def decode(parameter: Parameter, drawn: Any) -> Scalar:
    """Return the value that Optuna's ``drawn`` stands for."""
    if parameter.prior is None:
        return drawn  # type: ignore[no-any-return]
    low, high = _bounds(parameter)
    return float(min(max(parameter.prior * 10**drawn, low), high))


def _bounds(parameter: Parameter) -> tuple[float, float]:
    assert parameter.low is not None
    assert parameter.high is not None
    return parameter.low, parameter.high


def _ordered(candidate: Candidate) -> list[Parameter]:
    """Conditions first. Parameters that depend on each other in a circle come last."""
    waiting, ordered = list(candidate.space), list[Parameter]()
    while waiting:
        names = {parameter.name for parameter in waiting}
        ready = [p for p in waiting if not names & (set(p.when) - {p.name})] or waiting
        ordered += ready
        waiting = [parameter for parameter in waiting if parameter not in ready]
    return ordered


def _applies(candidate: Candidate, parameter: Parameter, values: Mapping[str, Scalar]) -> bool:
    """A condition on something that is no parameter of the candidate holds."""
    names = {each.name for each in candidate.space}
    return all(
        name not in names or (name in values and values[name] in allowed)
        for name, allowed in parameter.when.items()
    )


def _walk(
    candidate: Candidate, axes: Sequence[tuple[Parameter, tuple[Scalar, ...] | None]]
) -> Iterator[dict[str, Scalar]]:
    def deeper(index: int, values: dict[str, Scalar]) -> Iterator[dict[str, Scalar]]:
        if index == len(axes):
            yield {p.name: values[p.name] for p in candidate.space if p.name in values}
            return
        parameter, axis = axes[index]
        if not _applies(candidate, parameter, values):
            yield from deeper(index + 1, values)
            return
        for value in axis or ():
            yield from deeper(index + 1, {**values, parameter.name: value})

    return deeper(0, {})


def _values(parameter: Parameter) -> tuple[Scalar, ...] | None:
    """All values of a parameter, or None where there is no end of them."""
    if parameter.kind == "choice":
        return choices(parameter)
    low, high = _bounds(parameter)
    if parameter.kind == "int" and parameter.prior is None:
        return tuple(range(int(low), int(high) + 1)) if high - low <= LARGEST_GRID else None
    return (low,) if low == high else None


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


def _draw(trial: Trial, name: str, found: BaseDistribution) -> Any:
    if isinstance(found, CategoricalDistribution):
        return trial.suggest_categorical(name, found.choices)
    if isinstance(found, IntDistribution):
        return trial.suggest_int(name, found.low, found.high, log=found.log)
    assert isinstance(found, FloatDistribution)
    return trial.suggest_float(name, found.low, found.high, log=found.log)


def _clip(value: Any, found: BaseDistribution) -> Any:
    """Move a float inside its range: rounding of logarithms."""
    if isinstance(found, FloatDistribution):
        return min(max(value, found.low), found.high)
    return value
