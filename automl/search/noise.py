"""How much of a metric's value on the validation split is luck. Pure."""

from __future__ import annotations

import math

from automl.plan import Plan

OTHER_NOISE = 0.005
"""What stands for the standard error of metrics that are no shares, relative to the value."""


def noise(value: float, plan: Plan) -> float:
    """Return the standard error of a metric on the validation split, about.

    For shares that of a proportion; nothing is known of others.
    """
    rows = max(1, plan.data.rows["validation"])
    if plan.goal.direction == "maximize" and 0.0 <= value <= 1.0:
        return math.sqrt(value * (1.0 - value) / rows)
    return OTHER_NOISE * abs(value)
