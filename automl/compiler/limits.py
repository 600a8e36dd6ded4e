"""Limits the winner must keep: ``latency_ms <= 20``, ``parameters <= 100M``. Pure text."""

from __future__ import annotations

import re
from dataclasses import dataclass

from automl.compiler.quantities import NUMBER, OPERATORS, QUANTITIES, UNITS, in_plain_units

__all__ = ["QUANTITIES", "UNITS", "Limit", "parse"]

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
    quantity = found["quantity"]
    if quantity not in UNITS:
        raise KeyError(quantity)
    threshold = in_plain_units(quantity, float(found["number"]), found["unit"])
    return Limit(quantity, found["operator"], threshold, " ".join(text.split()))
