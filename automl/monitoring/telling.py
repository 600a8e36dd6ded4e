"""Movements in words, and as plain data for programs. Decides nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from automl.monitoring.comparing import LEAST_ROWS, LEVEL, MATTERS, Movement
from automl.reference import Feature

SHOWN = 3
"""Classes that are named of those whose share has changed."""
THRESHOLD = (
    f"PSI of {MATTERS} (Siddiqi 2006), and beyond what chance explains "
    f"(permutation, at {LEVEL:.0%} over all features)"
)
"""What it takes to count as moved, with its source."""


def in_words(moved: Movement) -> str:
    """Return what has changed of the feature: medians, or the shares that changed most."""
    feature = moved.feature
    if feature.kind == "number":
        return f"{_number(feature, feature.median)} → {_number(feature, moved.median)}"
    return ", ".join(_shares(moved))


def _shares(moved: Movement) -> Iterator[str]:
    then, now = _parts(moved.feature.counts), _parts(moved.counts)
    order = sorted(range(len(then)), key=lambda at: -abs(now[at] - then[at]))
    for at in order[:SHOWN]:
        if then[at] or now[at]:
            yield f"{moved.feature.classes[at]} {then[at]:.1%} → {now[at]:.1%}"


def _parts(counts: tuple[int, ...]) -> list[float]:
    return [count / max(1, sum(counts)) for count in counts]


def _number(feature: Feature, value: float) -> str:
    if feature.unit == "%":
        return f"{value:.1%}"
    return f"{value:.4g} {feature.unit}".strip()


def plain(moved: Movement) -> dict[str, Any]:
    """Return the movement as JSON values."""
    feature = moved.feature
    told: dict[str, Any] = {
        "feature": feature.name,
        "kind": feature.kind,
        "verdict": moved.verdict,
        "psi": round(moved.psi, 6),
        "noise": round(moved.noise, 6),
        "probability": round(moved.probability, 6),
        "rows": moved.rows,
        "reference_rows": feature.rows,
    }
    if feature.kind == "number":
        return {
            **told,
            "unit": feature.unit,
            "median": moved.median,
            "reference_median": feature.median,
        }
    now, then = _parts(moved.counts), _parts(feature.counts)
    return {
        **told,
        "shares": dict(zip(feature.classes, now, strict=True)),
        "reference_shares": dict(zip(feature.classes, then, strict=True)),
    }


def summary(movements: Sequence[Movement]) -> str:
    """Return in a sentence or two what has moved, by how much it takes, or that nothing has."""
    moved = [each for each in movements if each.matters]
    slight = [each.feature.name for each in movements if each.verdict == "slight"]
    tested = [each for each in movements if each.verdict != "too few rows"]
    if not tested:
        return f"Nothing can be said: it takes at least {LEAST_ROWS} rows."
    if moved:
        moved.sort(key=lambda each: -each.psi)
        told = "; ".join(f"{each.feature.name}, {in_words(each)}" for each in moved)
        said = f"Moved: {told}."
    else:
        blind = max(max(each.noise for each in tested), MATTERS)
        said = f"Nothing has moved: with so many rows, a PSI above {blind:.2f} would have shown."
    if slight:
        said += f" Beyond chance, but slight (PSI below {MATTERS}): {', '.join(slight)}."
    return said
