"""Numbers as people read them: durations, counts, values of hyperparameters."""

from __future__ import annotations

from automl.plan import Scalar


def duration(seconds: float) -> str:
    """Return seconds as ``0.4 s``, ``45 s``, ``4 min 31 s``, ``2 h`` or ``2 h 05 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60:02d} s" if whole % 60 else "")
    minutes = whole // 60 % 60
    return f"{whole // 3600} h" + (f" {minutes:02d} min" if minutes else "")


def count(number: int) -> str:
    """Return a count in three digits: ``812``, ``27.1k``, ``22.7M``, ``1.54B``."""
    for size, letter in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if number >= 0.9995 * size:
            return f"{number / size:.3g}{letter}"
    return str(number)


def setting(value: Scalar) -> str:
    """Return a hyperparameter's value: floats in three digits, others as they are."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def share(part: float) -> str:
    """Return a share as per cent: ``1.2%``, or ``under 0.1%`` for what is not quite nothing."""
    return "under 0.1%" if 0 < part < 0.001 else f"{part:.1%}"
