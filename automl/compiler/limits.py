"""Limits the winner must keep: ``latency_ms <= 20``, ``parameters <= 100M``. Pure text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from automl.compiler.checks import NUMBER, OPERATORS

UNITS: Mapping[str, Mapping[str, float]] = {
    "latency_ms": {"": 1, "ms": 1},
    "parameters": {"": 1, "K": 1e3, "M": 1e6, "B": 1e9, "G": 1e9},
    "disk": {"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12},
}
"""Quantity → unit → factor: ``latency_ms`` in milliseconds for one row, ``parameters`` in weights,
``disk`` in bytes of the saved model."""
QUANTITIES = tuple(UNITS)
_FORM = re.compile(
    rf"\s*(?P<quantity>\w+)\s*(?P<operator>>=|<=|==|>|<)\s*(?P<number>{NUMBER})\s*(?P<unit>\w*)\s*"
)


@dataclass(frozen=True, slots=True)
class Limit:
    """One parsed limit, its threshold in plain units (ms, weights, bytes)."""

    quantity: str
    operator: str
    threshold: float
    text: str

    def holds(self, value: float) -> bool:
        """Return whether ``value`` of the quantity keeps the limit."""
        return OPERATORS[self.operator](value, self.threshold)


def parse(text: str) -> Limit:
    """Return the limit written as ``quantity <= number unit``.

    Raises KeyError with the quantity when it is unknown, ValueError naming the form or the known
    units where ``text`` differs otherwise.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a limit: write it as parameters <= 100M")
    quantity, unit = found["quantity"], found["unit"]
    if quantity not in UNITS:
        raise KeyError(quantity)
    factors = {name.upper(): factor for name, factor in UNITS[quantity].items()}
    if unit.upper() not in factors:
        known = ", ".join(name for name in UNITS[quantity] if name)
        raise ValueError(f"{unit!r} is no unit of {quantity}: {known}")
    return Limit(
        quantity,
        found["operator"],
        float(found["number"]) * factors[unit.upper()],
        " ".join(text.split()),
    )
