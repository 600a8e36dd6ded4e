"""The importance job: which settings made the difference between configurations. No torch.

Optuna's fANOVA needs scikit-learn, which only workers import. Its other evaluator, PED-ANOVA,
ranked a known case wrongly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from automl.jobs import Column, ImportanceResult, ImportanceSpec, Share

PARTS = 5
"""Parts of the configurations; each is left out once."""
TREES = 64


def importance(spec: ImportanceSpec) -> ImportanceResult:
    """Return each setting's share of the variance, with its range when rows are left out."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    every = np.arange(len(spec.rows))
    parts = np.array_split(np.random.default_rng(spec.seed).permutation(every), PARTS)
    without = [_shares(spec, np.setdiff1d(every, part)) for part in parts]
    found = _shares(spec, every)
    shares = {
        name: Share(share, *_range([share, *(one[name] for one in without)]))
        for name, share in found.items()
    }
    return ImportanceResult(shares, len(spec.rows), _explained(spec, parts))


def _range(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)


def _shares(spec: ImportanceSpec, chosen: Any) -> dict[str, float]:
    values = [spec.values[at] for at in chosen]
    if min(values) == max(values):  # nothing to explain
        return dict.fromkeys(spec.columns, 0.0)
    distributions = {name: _distribution(column) for name, column in spec.columns.items()}
    study = optuna.create_study()
    study.add_trials(
        optuna.create_trial(params=dict(spec.rows[at]), distributions=distributions, value=value)
        for at, value in zip(chosen, values, strict=True)
    )
    evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=TREES, seed=spec.seed)
    found: Mapping[str, float] = evaluator.evaluate(study)
    return {name: float(found[name]) for name in spec.columns}


def _distribution(column: Column) -> BaseDistribution:
    if column.choices:
        return CategoricalDistribution(column.choices)
    return FloatDistribution(column.low, column.high)


def _explained(spec: ImportanceSpec, parts: Sequence[Any]) -> float:
    """R² over rows that a forest of the same kind was not fitted to."""
    from sklearn.ensemble import RandomForestRegressor

    table, values = _table(spec), np.array(spec.values)
    predicted = np.empty_like(values)
    for part in parts:
        seen = np.setdiff1d(np.arange(len(values)), part)
        forest = RandomForestRegressor(TREES, random_state=spec.seed)
        predicted[part] = forest.fit(table[seen], values[seen]).predict(table[part])
    spread = float(((values - values.mean()) ** 2).sum())
    return 1 - float(((values - predicted) ** 2).sum()) / spread if spread else 0.0


def _table(spec: ImportanceSpec) -> Any:
    """Numbers as they are, a column for each choice."""
    columns = []
    for name, column in spec.columns.items():
        told = [row[name] for row in spec.rows]
        if column.choices:
            columns += [np.array([one == each for one in told], float) for each in column.choices]
        else:
            columns.append(np.array(told, dtype=float))
    return np.stack(columns, axis=1)
