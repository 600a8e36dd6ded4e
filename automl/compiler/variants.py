"""How large a candidate is as each of its variants: layers left away, a pooling layer added.

Knows weights and layers, from the headers of the model's files; the limits are arguments.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from automl.catalog import ResolvedModel, headers
from automl.compiler.fit import FLOAT
from automl.compiler.limits import Limit
from automl.plan import Parameter, Scalar
from automl.tasks._layers import layers as layer_count
from automl.tasks._pooling import MEAN, STOCK, added_layers

_BLOCK = re.compile(r"\.(\d+)\.")
LAYERS, POOLING = "keep_layers", "pooling"


@dataclass(frozen=True, slots=True)
class Sizes:
    """A candidate's weights as they are, those of one of its layers, and how many it has."""

    parameters: int
    a_layer: int
    layers: int
    pooling_layers: int
    """Layers that mean pooling adds."""

    def of(self, kept: int, pooling: Scalar) -> int:
        """Return the weights with ``kept`` layers under that pooling."""
        added = self.pooling_layers if pooling == MEAN else 0
        return self.parameters + self.a_layer * (added + kept - self.layers)


def sizes(model: ResolvedModel, parameters: int) -> Sizes:
    """Return the candidate's sizes; a layer counts 0 where layers cannot be told apart."""
    layers = layer_count(model.config) or 0
    blocks: Counter[int] = Counter()
    for file in model.weights:
        for name, numbers in headers.weights(model.path / file).items():
            found = _BLOCK.search(name)
            if found is not None:
                blocks[int(found[1])] += numbers
    a_layer = sum(blocks.values()) // layers if layers and len(blocks) == layers else 0
    return Sizes(parameters, a_layer, layers, added_layers(model.config, MEAN))


def within(
    space: tuple[Parameter, ...], found: Sizes, limits: Sequence[Limit]
) -> tuple[Parameter, ...] | Limit:
    """Return the space without choices of which no variant keeps the limits on size.

    Where none does at all, return the limit that the smallest variant breaks.
    """
    variants = list(_variants(space, found.layers))
    good = [each for each in variants if all(_holds(limit, found.of(*each)) for limit in limits)]
    if not good:
        smallest = min(found.of(*each) for each in variants)
        return next(limit for limit in limits if not _holds(limit, smallest))
    layers, pooling = zip(*good, strict=True)
    allowed = {LAYERS: set(layers), POOLING: set(pooling)}
    return tuple(_narrowed(each, allowed.get(each.name)) for each in space)


def _variants(space: Sequence[Parameter], layers: int) -> Iterator[tuple[int, Scalar]]:
    named = {each.name: each for each in space}
    for kept in _values(named.get(LAYERS)) or (layers,):
        for pooling in _values(named.get(POOLING)) or (STOCK,):
            yield int(kept), pooling


def _values(parameter: Parameter | None) -> tuple[Scalar, ...]:
    if parameter is None or parameter.kind == "choice":
        return parameter.choices if parameter else ()
    return tuple(range(int(parameter.low or 0), int(parameter.high or 0) + 1))


def _holds(limit: Limit, weights: int) -> bool:
    """Whether that many weights keep the limit; latency is known only once it is measured."""
    measured = {"parameters": weights, "disk": weights * FLOAT}
    return limit.quantity not in measured or limit.holds(measured[limit.quantity])


def _narrowed(parameter: Parameter, allowed: set[int] | set[Scalar] | None) -> Parameter:
    if allowed is None or set(_values(parameter)) <= set(allowed):
        return parameter
    if parameter.kind == "int":
        low, high = min(map(int, allowed)), max(map(int, allowed))
        return replace(
            parameter, low=low, high=high, default=max(low, min(high, parameter.default))
        )
    choices = tuple(each for each in parameter.choices if each in allowed)
    first = parameter.default if parameter.default in choices else choices[0]
    return replace(parameter, choices=choices, default=first)
