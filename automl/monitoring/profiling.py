"""Observations of held-out rows → the reference that a bundle carries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median

import numpy as np

from automl.monitoring.observing import unit_of
from automl.reference import OTHER, Feature, Reference, Value

BINS = 10
"""Bins of a number: deciles, as is usual for the population stability index."""
CLASSES = 30
"""Classes that are told apart, the most frequent; the rest are one."""
LEAST = 20
"""Rows that a feature must have been observed of."""


def profile(
    observations: Sequence[Mapping[str, Value]], splits: Sequence[str], words: str
) -> Reference:
    """Return what the rows were like: one observation a row."""
    values: dict[str, list[Value]] = {}
    for each in observations:
        for name, value in each.items():
            values.setdefault(name, []).append(value)
    features = tuple(_feature(name, of) for name, of in values.items() if len(of) >= LEAST)
    return Reference(len(observations), tuple(splits), features, words)


def _feature(name: str, values: Sequence[Value]) -> Feature:
    if isinstance(values[0], str):
        counted = Counter(map(str, values)).most_common(CLASSES)
        classes = (*sorted(each for each, _ in counted), OTHER)
        empty = Feature(name, "class", (0,) * len(classes), classes)
    else:
        numbers = [float(value) for value in values]
        edges = _edges(numbers)
        zeros = (0,) * (len(edges) + 1)
        empty = Feature(name, "number", zeros, (), edges, median(numbers), unit_of(name))
    return Feature(
        name,
        empty.kind,
        empty.counted(values),
        empty.classes,
        empty.edges,
        empty.median,
        empty.unit,
    )


def _edges(numbers: Sequence[float]) -> tuple[float, ...]:
    """Return the deciles, each once, so that there is a bin below and one above what is usual."""
    at = np.quantile(numbers, np.linspace(0, 1, BINS + 1)[1:-1])
    found = sorted({float(f"{value:.6g}") for value in at})
    if len(found) == 1:
        found = [float(np.nextafter(found[0], -np.inf)), found[0]]
    return tuple(found)
