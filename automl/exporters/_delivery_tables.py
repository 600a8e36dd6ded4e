"""The model card's tables for a reviewer: slices, formats, importance, energy. Markdown."""

from __future__ import annotations

from collections.abc import Mapping

from automl.exporters import Delivery
from automl.exporters._energy import Energy, energy_text, mass_text
from automl.exporters._markdown import code, long_table, plain, table
from automl.exporters._units import share, size
from automl.jobs import FormatFacts, ImportanceResult, SliceScore, Speed
from automl.plan import Direction

_WEAK = 0.1
"""Share of the variance below which a forest that explains it says nothing of settings."""


def slices(found: Mapping[str, SliceScore], metric: str, whole: float, direction: Direction) -> str:
    """How the model does on each slice (``lang=de``), the worst distance from ``whole`` first.

    ``whole`` is the metric over all rows; slices in which it is not defined come last.
    """
    if not found:
        return ""

    def distance(name: str) -> tuple[bool, float, str]:
        value = found[name].metrics.get(metric)
        better = (value or 0.0) - whole if direction == "maximize" else whole - (value or 0.0)
        return value is None, better, name

    rows = []
    for name in sorted(found, key=distance):
        one = found[name]
        value, interval = one.metrics.get(metric), one.intervals.get(metric)
        rows.append(
            (
                plain(name),
                f"{one.rows:,}",
                "none" if value is None else f"{value:.3f}",
                "" if interval is None else f"{interval.low:.3f} to {interval.high:.3f}",
                "" if value is None else f"{value - whole:+.3f}",
            )
        )
    header = ("Slice", "Rows", code(metric), "95% interval", "Against all")
    return long_table(f"{len(rows)} slices", header, rows, right=(1, 2, 3, 4))


def importance(found: ImportanceResult | None) -> str:
    """How many configurations the shares were worked out from, and what they are worth."""
    if found is None:
        return ""
    worth = (
        f"That forest predicts {share(found.explained)} of the variance of configurations it has "
        "not seen."
        if found.explained >= _WEAK
        else "That forest hardly predicts configurations it has not seen, so that these shares say "
        "little: the settings made no difference that could be told from noise."
    )
    return (
        f"“Explains” is the setting's share of the variance between {found.configurations} "
        "configurations, by functional ANOVA over a forest of regression trees (Hutter et al. "
        "2014), and in brackets its range when a fifth of them is left out; what the shares lack "
        f"to 100% are joint effects. {worth}"
    )


def explains(found: ImportanceResult | None, name: str) -> str:
    """One setting's share as a cell; empty where it is not known."""
    if found is None or name not in found.shares:
        return ""
    one = found.shares[name]
    return f"{one.share:.0%} ({one.low:.0%} to {one.high:.0%})"


def formats(found: Mapping[str, FormatFacts]) -> str:
    """What each weight format that was made costs and loses; a row for each kind of device."""
    rows = list[tuple[str, ...]]()
    for name in sorted(found, key=lambda name: (name != "safetensors", name)):
        one = found[name]
        told = (
            size(one.bytes) if one.bytes else "",
            _apart(one),
            "" if one.changed is None else share(one.changed),
            "" if one.loss is None else f"{one.loss:+.4f}",
        )
        kept = f"no: {plain(one.refused, 300)}" if one.refused else "yes"
        rows += [
            (code(name), *told, device, *_speed(one.speed.get(device)), kept)
            for device in sorted(one.speed) or [""]
        ]
    if not rows:
        return ""
    header = ("Format", "Size", "Difference", "Changed answers", "Loss", "On", "p50", "p95")
    return table((*header, "Rows/s", "Kept"), rows, right=(1, 2, 3, 4, 6, 7, 8))


def compared(found: Mapping[str, FormatFacts]) -> str:
    """Say on how many rows formats were compared, and what the columns mean."""
    rows = max((one.rows for one in found.values()), default=0)
    return (
        f"On {rows:,} validation rows, against the weights that were scored. Difference: the "
        "largest between their outputs, and the mean."
    )


def _apart(one: FormatFacts) -> str:
    if one.max_difference is None or one.mean_difference is None:
        return ""
    return f"{one.max_difference:.2g} ({one.mean_difference:.2g})"


def _speed(found: Speed | None) -> tuple[str, str, str]:
    if found is None:
        return "", "", ""
    return (
        f"{found.latency_ms:.3g} ms",
        f"{found.latency_p95_ms:.3g} ms",
        f"{found.rows_per_second:,.0f}",
    )


def energy(found: Energy | None) -> list[str]:
    """The estimate and each of its assumptions, one sentence a point."""
    if found is None:
        return []
    hours = f"{found.device_seconds / 3600:.3g} {found.kind} hours"
    return [
        f"Energy: about **{energy_text(found.kilowatt_hours)}**, "
        f"**{mass_text(found.grams)} CO2e**: {hours} × {found.watts:.3g} W × "
        f"{found.grams_per_kwh:.3g} g/kWh. An estimate, not a measurement.",
        f"Device time: trials in training and evaluation, {found.kind}s held; start-up, scoring "
        "and idle time are left out.",
        f"Power of a {found.kind}: {plain(found.watts_source)}. Cooling and the rest of the "
        "machine are left out.",
        f"Carbon intensity: {plain(found.grams_source)}.",
    ]


def identity(delivery: Delivery, weights: Mapping[str, str]) -> str:
    """Say which weights were scored, where the exported files are those very ones.

    ``weights`` is file → SHA-256 of those exported weight files that equal the scored ones.
    """
    if not weights or delivery.keeps_adapter:
        return ""
    named = ", ".join(
        f"{code(name)} (SHA-256 {code(digest[:16])}…)" for name, digest in weights.items()
    )
    return f"Scored were the very weights of this folder: {named}."
