"""Numbers with units, as recipes compare them: ``20 ms``, ``100M``, ``500MB``. Pure text."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping

NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "==": operator.eq,
}
UNITS: Mapping[str, Mapping[str, float]] = {
    "latency_ms": {"": 1, "ms": 1},
    "parameters": {"": 1, "K": 1e3, "M": 1e6, "B": 1e9, "G": 1e9},
    "disk": {"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12},
}
"""Quantity → unit → factor: ``latency_ms`` in milliseconds for one row, ``parameters`` in weights,
``disk`` in bytes of the saved model."""
QUANTITIES = tuple(UNITS)


def in_plain_units(quantity: str, number: float, unit: str) -> float:
    """Return the number of the quantity in ms, weights or bytes; units know no letter case.

    Raises ValueError naming the quantity's units where ``unit`` is none of them.
    """
    factors = {name.upper(): factor for name, factor in UNITS[quantity].items()}
    if unit.upper() not in factors:
        known = ", ".join(name for name in UNITS[quantity] if name)
        raise ValueError(f"{unit!r} is no unit of {quantity}: {known}")
    return number * factors[unit.upper()]
