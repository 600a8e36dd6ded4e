"""When trials are evaluated and at which rungs they are compared, in training samples seen.

Arithmetic over rows and the spaces' horizons; knows no study.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from automl.plan import Candidate, Parameter

ETA = 3
"""Of the trials at a rung one in this many is promoted; rungs lie as far apart."""
BRACKETS = 9
"""The first rung lies at this part of the default horizon: two promotions by ``ETA``."""
EVALUATION_SHARE = 0.1
"""Share of training time that evaluation may take, about."""
FORWARD_SHARE = 1 / 3
"""What evaluating a row costs of training on it: a forward pass without a backward pass."""
MOST_EVALUATIONS = 3


def evaluations_per_epoch(rows: Mapping[str, int]) -> int:
    """Return how often an epoch is evaluated by default: 1 to 3, about 10% of its time."""
    affordable = EVALUATION_SHARE * rows["train"] / (FORWARD_SHARE * max(1, rows["validation"]))
    return min(max(1, round(affordable)), MOST_EVALUATIONS)


def rungs(
    candidates: Sequence[Candidate], train_rows: int, evaluation_samples: int, eta: int = ETA
) -> tuple[int, ...]:
    """Return the samples seen at which trials are compared: ``eta`` apart, rising.

    The first lies at a ninth of the default horizon, yet never at the first evaluation nor inside
    the warm-up of any configuration of the spaces: before, the order says little of the end. Each
    is a multiple of ``evaluation_samples``. None reaches the longest horizon; a trial with a
    shorter one ends before the rungs beyond it.
    """
    longest = max(_most(each, "epochs", 1) for each in candidates) * train_rows
    usual = max(_default(each, "epochs", 1) for each in candidates) * train_rows
    warmup = max(_most(each, "epochs", 1) * _most(each, "warmup_ratio", 0) for each in candidates)
    batch = max(_most(each, "batch_size", 1) for each in candidates)
    first = max(usual / BRACKETS, 2 * evaluation_samples, warmup * train_rows + batch)
    level = math.ceil(first / evaluation_samples) * evaluation_samples
    found = []
    while level < longest:
        found.append(level)
        level *= eta
    return tuple(found)


def _most(candidate: Candidate, name: str, otherwise: float) -> float:
    """The parameter's largest value anywhere in the candidate's space."""
    return max((_largest(each) for each in _named(candidate, name)), default=otherwise)


def _default(candidate: Candidate, name: str, otherwise: float) -> float:
    return max((float(each.default) for each in _named(candidate, name)), default=otherwise)


def _named(candidate: Candidate, name: str) -> Iterable[Parameter]:
    return (each for each in candidate.space if each.name == name)


def _largest(parameter: Parameter) -> float:
    if parameter.high is not None:
        return float(parameter.high)
    return max(float(choice) for choice in parameter.choices)
