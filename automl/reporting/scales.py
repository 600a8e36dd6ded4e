"""From values to places along an axis, and which values an axis names. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_STEPS = (1, 2, 2.5, 5, 10)
_LOG_SPAN = 20.0
"""A factor from which on positive values are spread logarithmically."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Values from ``low`` to ``high`` onto places from ``start`` to ``end``."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the place of a value."""
        low, high = self._coded(self.low), self._coded(self.high)
        if high == low:
            return (self.start + self.end) / 2
        return self.start + (self._coded(value) - low) / (high - low) * (self.end - self.start)

    def ticks(self, about: int = 5) -> list[float]:
        """Return round values within the scale, about as many as asked for."""
        return _log_ticks(self.low, self.high) if self.log else _ticks(self.low, self.high, about)

    def _coded(self, value: float) -> float:
        return math.log10(value) if self.log else value


def spanning(
    values: Iterable[float], start: float, end: float, *, room: float = 0.06, log: bool = False
) -> Scale:
    """Return a scale over the values with a little room at both ends.

    One value alone is put in the middle.
    """
    known = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(known), max(known)
    if log and low > 0:
        factor = (high / low) ** room if high > low else 1.5
        return Scale(low / factor, high * factor, start, end, True)
    spare = (high - low) * room or abs(high) * 0.1 or 1.0
    return Scale(low - spare, high + spare, start, end)


def spreads(values: Sequence[float]) -> bool:
    """Return whether the values are better told apart on a logarithmic scale."""
    return bool(values) and min(values) > 0 and max(values) > _LOG_SPAN * min(values)


def _ticks(low: float, high: float, about: int) -> list[float]:
    if not high > low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * one for one in _STEPS if power * one >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [index * step for index in range(first, last + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for parts in ((1,), (1, 3), (1, 2, 5)):
        found = [
            part * 10.0**power
            for power in range(first, last + 1)
            for part in parts
            if low <= part * 10.0**power <= high
        ]
        if len(found) >= 3:
            return found
    return found


def label(value: float) -> str:
    """Return a tick's value in as few characters as tell it: ``0.85``, ``12k``, ``3e-5``."""
    if value == 0:
        return "0"
    size = abs(value)
    if size < 1e-3:
        digits, power = f"{value:.2e}".split("e")
        return f"{digits.rstrip('0').rstrip('.')}e{int(power)}"
    for scale, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size >= scale:
            scale = 1e3 if letter == "k" else scale
            return f"{value / scale:.3g}{letter}"
    return f"{value:,.0f}" if size >= 1000 else f"{value:.4g}"
