"""Numbers as people read them: durations, counts, costs, values of hyperparameters."""

from __future__ import annotations

from automl.compiler import checks
from automl.compiler.quantities import QUANTITIES
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


def size(number: float) -> str:
    """Return a number of bytes as ``812 bytes``, ``27.1 kB``, ``90.9 MB`` or ``1.5 GB``."""
    for scale, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if number >= scale:
            return f"{number / scale:.1f} {unit}"
    return f"{number:.0f} bytes"


def cost(name: str, value: float) -> str:
    """Return a cost or a metric by its name: ``6.1 ms``, ``22.7M``, ``90.9 MB``; ``0.912``."""
    if name == "latency_ms":
        return f"{value:.3g} ms" if value < 1000 else f"{value:,.0f} ms"
    if name == "parameters":
        return count(round(value))
    return size(value) if name == "disk" else f"{value:.3f}"


def checked(text: str, actual: float | None) -> str:
    """Return what was measured for the check ``text``: a difference with its sign."""
    if actual is None:
        return "not measured"
    check = checks.parse(text)
    if isinstance(check, checks.Earlier):
        return f"{actual:+.4f}"
    return cost(check.metric, actual) if check.metric in QUANTITIES else f"{actual:.4f}"
