"""Checks on the test split: ``accuracy >= 0.9``, ``recall[refund] >= 0.8``. Pure text."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

PER_CLASS = ("precision", "recall", "f1")
"""Metrics that may name a class; the columns of SplitScore.per_class besides support."""

NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_FORM = re.compile(
    rf"\s*(?P<metric>[A-Za-z_]\w*)\s*(?:\[(?P<label>.+)\])?\s*"
    rf"(?P<operator>>=|<=|==|>|<)\s*(?P<threshold>{NUMBER})\s*",
    re.DOTALL,
)
OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "==": operator.eq,
}


@dataclass(frozen=True, slots=True)
class Check:
    """One parsed check; ``label`` is the class, null for a metric over all rows."""

    metric: str
    label: str | None
    operator: str
    threshold: float

    def apply(
        self, metrics: Mapping[str, float], per_class: Mapping[str, Mapping[str, float]]
    ) -> tuple[float | None, bool]:
        """Return (what was measured, whether it passed); what was not measured has not passed."""
        table = metrics if self.label is None else per_class.get(self.label, {})
        actual = table.get(self.metric)
        if actual is None or math.isnan(actual):
            return None, False
        return actual, OPERATORS[self.operator](actual, self.threshold)


def parse(text: str) -> Check:
    """Return the check written as ``metric >= number`` or ``metric[class] >= number``.

    Operators are ``>= > <= < ==``. Raises ValueError naming the form where ``text`` differs.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(
            f"{text!r} is not a check: write it as accuracy >= 0.9 or recall[refund] >= 0.8"
        )
    label = found["label"]
    return Check(
        found["metric"],
        label.strip() if label else None,
        found["operator"],
        float(found["threshold"]),
    )
