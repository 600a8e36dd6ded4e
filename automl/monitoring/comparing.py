"""Whether rows have moved away from a reference by more than chance would have it.

The measure is the population stability index (PSI): the sum over bins of (now − then) ·
ln(now / then), of shares. What chance alone makes of it depends on both numbers of rows and on the
bins (Yurdakul and Naranjo, Statistical properties of the population stability index, Journal of
Risk Model Validation 14, 2020), so it is found by permutation: rows of both are thrown together and
dealt again. The level is divided among the features (Bonferroni), so that many of them raise no
more false alarms than one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

import numpy as np

from automl.reference import Feature, Reference, Value

LEVEL = 0.01
"""Probability of finding anything moved where nothing has."""
MATTERS = 0.1
FAR = 0.25
"""From which PSI on a shift is looked into, and from which acted on: the usual rule of credit
scoring (Siddiqi, Credit Risk Scorecards, 2006)."""
DRAWS = 4000
LEAST_ROWS = 30
"""Rows below which nothing is said: only upheavals could be told from chance."""
Verdict = Literal["steady", "slight", "moved", "moved far", "too few rows"]


@dataclass(frozen=True, slots=True)
class Movement:
    """One feature, then and now."""

    feature: Feature
    counts: tuple[int, ...]
    rows: int
    psi: float
    noise: float
    """What PSI chance alone stays below, at ``LEVEL`` over all features."""
    probability: float
    """Of a PSI as large by chance alone, for this feature by itself."""
    verdict: Verdict
    median: float = 0.0

    @property
    def matters(self) -> bool:
        """Whether it is beyond chance, and large enough to be looked into."""
        return self.verdict in ("moved", "moved far")


def compare(
    reference: Reference, observations: Sequence[Mapping[str, Value]], *, seed: int = 0
) -> tuple[Movement, ...]:
    """Return each feature's movement, in the reference's order. The same rows give the same."""
    values: dict[str, list[Value]] = {feature.name: [] for feature in reference.features}
    for each in observations:
        for name, value in each.items():
            if name in values:
                values[name].append(value)
    random = np.random.default_rng(seed)
    told = [f for f in reference.features if len(values[f.name]) >= LEAST_ROWS]
    tested = {f.name: _tested(f, values[f.name], len(told), random) for f in told}
    return tuple(
        _movement(feature, values[feature.name], tested.get(feature.name))
        for feature in reference.features
    )


def psi(then: Any, now: Any) -> Any:
    """Return the population stability index of counts over the last axis.

    Half a row is added to each bin, so that an empty one does not make it infinite.
    """
    then, now = (np.asarray(each, dtype=float) + 0.5 for each in (then, now))
    then, now = (each / each.sum(axis=-1, keepdims=True) for each in (then, now))
    return ((now - then) * np.log(now / then)).sum(axis=-1)


def _tested(
    feature: Feature, values: Sequence[Value], features: int, random: np.random.Generator
) -> tuple[float, float, float]:
    """Return PSI, what chance stays below, and the probability of as much by chance."""
    now = np.array(feature.counted(values))
    then = np.array(feature.counts)
    found = float(psi(then, now))
    dealt = random.multivariate_hypergeometric(then + now, int(now.sum()), DRAWS)
    chance = psi(then + now - dealt, dealt)
    beyond = int((chance >= found - 1e-12).sum())
    noise = float(np.quantile(chance, 1 - LEVEL / features))
    return found, noise, (1 + beyond) / (1 + DRAWS)


def _movement(
    feature: Feature,
    values: Sequence[Value],
    tested: tuple[float, float, float] | None,
) -> Movement:
    middle = 0.0
    if feature.kind == "number" and values:
        middle = float(median(float(value) for value in values))
    counts = feature.counted(values)
    if tested is None:
        return Movement(feature, counts, len(values), 0.0, 0.0, 1.0, "too few rows", middle)
    found, noise, probability = tested
    verdict: Verdict = "steady"
    if found > noise:
        verdict = "moved far" if found >= FAR else "moved" if found >= MATTERS else "slight"
    return Movement(feature, counts, len(values), found, noise, probability, verdict, middle)
