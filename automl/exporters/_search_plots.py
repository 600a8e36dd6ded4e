"""Plots of the search: its history, its trials' learning curves, its candidates side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from automl.exporters import Delivery, TrialSummary
from automl.exporters._style import (
    ACCENT,
    FAINT,
    INK,
    MUTED,
    PALE,
    canvas,
    colours,
    floor_line,
    names,
    png,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def history(delivery: Delivery) -> bytes | None:
    """Return each trial's value and the best so far as PNG; None where no trial has a value."""
    valued = [trial for trial in delivery.trials if trial.value is not None]
    if not valued:
        return None
    figure, axes = canvas(4.4, f"Search: {delivery.plan.goal.metric} on validation, trial by trial")
    _dots(axes, delivery, valued)
    searched = [trial for trial in valued if trial.repeat_of is None]
    best = _best_so_far(searched or valued, delivery.plan.goal.direction == "maximize")
    axes.step(
        *zip(*best, strict=True),
        where="post",
        color=INK,
        linewidth=1.6,
        zorder=2,
        label=f"best so far {best[-1][1]:.3f}",
    )
    _failures(axes, delivery.trials)
    floor_line(axes, floor_on_validation(delivery))
    _finish(figure, axes, "trial", delivery.plan.goal.metric, whole=True)
    return png(figure)


def curves(delivery: Delivery) -> bytes | None:
    """Return every trial's learning curve, the winner's in front; None where there is none.

    Rungs are lines from bottom to top; a curve that was not trained to its end stops in a ring.
    """
    drawn = [trial for trial in delivery.trials if trial.curve]
    if not drawn:
        return None
    goal = delivery.plan.goal.metric
    figure, axes = canvas(4.4, f"Learning curves: {goal} on validation while training")
    _rungs(axes, delivery)
    others = [trial for trial in drawn if trial.number != delivery.winner.number]
    for trial in others:
        samples, values = zip(*trial.curve, strict=True)
        axes.plot(
            samples, values, color=PALE, linewidth=1.3, marker="o", markersize=2.5, zorder=2
        )  # fmt: skip
    _stops(axes, [trial for trial in others if trial.state != "complete"])
    if others:
        axes.plot([], [], color=PALE, linewidth=1.3, label="other trials")
    for trial in drawn:
        if trial not in others:
            axes.plot(
                *zip(*trial.curve, strict=True),
                color=ACCENT,
                linewidth=2.4,
                marker="o",
                markersize=5,
                zorder=4,
                label=f"trial {trial.number}, the winner",
            )
    floor_line(axes, floor_on_validation(delivery))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    _finish(figure, axes, "training samples seen", goal)
    return png(figure)


def candidates(delivery: Delivery) -> bytes | None:
    """Return each candidate's trial values in a row of their own; None with fewer than two."""
    rows = [
        (
            candidate.id,
            [
                trial.value
                for trial in delivery.trials
                if trial.configuration.candidate == candidate.id and trial.value is not None
            ],
        )
        for candidate in delivery.plan.candidates
    ]
    rows = [(identifier, values) for identifier, values in rows if values]
    if len(rows) < 2:
        return None
    best = max if delivery.plan.goal.direction == "maximize" else min
    rows.sort(key=lambda row: best(row[1]), reverse=best is min)
    palette = colours([candidate.id for candidate in delivery.plan.candidates])
    figure, axes = canvas(2.1 + 0.5 * len(rows), "Candidates: every trial, the best one filled")
    for height, (identifier, values) in enumerate(rows):
        colour = palette[identifier]
        axes.axhline(height, color=FAINT, linewidth=1, zorder=0)
        axes.scatter(
            values,
            [height] * len(values),
            s=46,
            facecolor="white",
            edgecolor=colour,
            linewidth=1.4,
            zorder=2,
        )
        axes.scatter([best(values)], [height], s=90, color=colour, zorder=3)
        axes.annotate(
            f"{best(values):.3f}",
            (best(values), height),
            xytext=(0, 9),
            textcoords="offset points",
            ha="center",
            fontsize=9,
        )
    axes.set_yticks(range(len(rows)), [_called(identifier) for identifier, _ in rows])
    axes.set_ylim(-0.6, len(rows) - 0.3)
    floor_line(axes, floor_on_validation(delivery), upright=True)
    _finish(figure, axes, f"{delivery.plan.goal.metric} on validation", "", grid="x")
    return png(figure)


def _rungs(axes: Axes, delivery: Delivery) -> None:
    for index, samples in enumerate(delivery.plan.search.rungs):
        axes.axvline(
            samples,
            color=MUTED,
            linestyle=(0, (1, 2)),
            linewidth=1.2,
            zorder=0,
            label=None if index else "rung",
        )


def _stops(axes: Axes, trials: Sequence[TrialSummary]) -> None:
    """Mark where trials were ended or left waiting."""
    if trials:
        axes.scatter(
            [trial.curve[-1][0] for trial in trials],
            [trial.curve[-1][1] for trial in trials],
            s=34,
            facecolor="white",
            edgecolor=MUTED,
            linewidth=1.2,
            zorder=3,
            label="ended early or left waiting",
        )


def floor_on_validation(delivery: Delivery) -> float | None:
    """Return the floor's value of the goal on validation, if it was scored there."""
    split = delivery.floor.splits.get("validation")
    return None if split is None else split.metrics.get(delivery.plan.goal.metric)


def _dots(axes: Axes, delivery: Delivery, trials: Sequence[TrialSummary]) -> None:
    """Draw each trial in its candidate's colour: filled when complete, hollow when ended early,
    a diamond when it repeats another one.
    """
    for identifier, colour in colours([c.id for c in delivery.plan.candidates]).items():
        mine = [trial for trial in trials if trial.configuration.candidate == identifier]
        for marker, repeats in (("o", False), ("D", True)):
            shown = [trial for trial in mine if (trial.repeat_of is not None) == repeats]
            axes.scatter(
                [trial.number for trial in shown],
                [trial.value or 0.0 for trial in shown],
                s=36 if repeats else 46,
                marker=marker,
                facecolor=[colour if trial.state == "complete" else "white" for trial in shown],
                edgecolor=colour,
                linewidth=1.4,
                zorder=3,
            )
        if mine:
            axes.scatter([], [], s=46, color=colour, label=_called(identifier))
    if any(trial.repeat_of is not None for trial in trials):
        axes.scatter([], [], s=36, marker="D", color=MUTED, label="repeat with a new seed")
    if any(trial.state != "complete" for trial in trials):
        axes.scatter([], [], s=46, facecolor="white", edgecolor=MUTED, label="ended early")


def _called(identifier: str) -> str:
    return names([identifier], 40)[0]


def _best_so_far(trials: Sequence[TrialSummary], larger: bool) -> list[tuple[int, float]]:
    best: list[tuple[int, float]] = []
    for trial in sorted(trials, key=lambda trial: trial.number):
        value = trial.value if trial.value is not None else 0.0
        leader = best[-1][1] if best else value
        best.append((trial.number, max(leader, value) if larger else min(leader, value)))
    return best


def _failures(axes: Axes, trials: Sequence[TrialSummary]) -> None:
    failed = [trial.number for trial in trials if trial.value is None]
    if failed:
        axes.scatter(
            failed,
            [0.03] * len(failed),
            marker="x",
            s=36,
            color=MUTED,
            zorder=3,
            transform=axes.get_xaxis_transform(),
            label="no value",
        )


def _finish(
    figure: Figure,
    axes: Axes,
    across: str,
    up: str,
    *,
    whole: bool = False,
    grid: Literal["x", "y"] = "y",
) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.grid(axis=grid, linewidth=1)
    axes.tick_params(length=0)
    if whole:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(loc="outside lower left", ncols=4, handletextpad=0.5, columnspacing=1.8)
