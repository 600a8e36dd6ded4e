"""Several objectives against each other: every configuration, the front, and the one exported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from automl.compiler.limits import parse
from automl.exporters import Delivery
from automl.exporters._choice import Point
from automl.exporters._style import (
    ACCENT,
    INK,
    MUTED,
    canvas,
    colours,
    names,
    png,
    spread,
)
from automl.exporters._units import cost
from automl.plan import Goal

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def pareto(delivery: Delivery) -> bytes | None:
    """Return the goal's metric against the first other objective; None with one objective.

    With three objectives or more the front is that of all of them, so that a point on it may look
    beaten in this picture.
    """
    points, goal = delivery.choice.points, delivery.plan.goal
    if not points or not goal.also:
        return None
    across = next(iter(goal.also))
    title = f"What can be had: {goal.metric} against {across}"
    figure, axes = canvas(4.8, title)
    _dots(axes, delivery, points, across)
    _line(axes, [one for one in points if one.front], across, goal)
    _limits(axes, across, goal)
    _chosen(axes, points, across, goal.metric)
    spread(axes, [one.values[across] for one in points])
    axes.xaxis.set_major_formatter(lambda value, _: cost(across, value))
    axes.set_xlabel(
        f"{across} ({'larger' if goal.also[across] == 'maximize' else 'smaller'} is better)"
    )
    axes.set_ylabel(f"{goal.metric} on validation")
    axes.grid(linewidth=1)
    axes.tick_params(length=0)
    figure.legend(loc="outside lower left", ncols=4, handletextpad=0.5, columnspacing=1.8)
    return png(figure)


def _dots(axes: Axes, delivery: Delivery, points: Sequence[Point], across: str) -> None:
    """Draw each configuration in its candidate's colour.

    One that breaks a limit is hollow, one that is off the front is pale.
    """
    up = delivery.plan.goal.metric
    for identifier, colour in colours([c.id for c in delivery.plan.candidates]).items():
        mine = [p for p in points if p.candidate == identifier]
        for shown, opacity in (
            ([one for one in mine if one.front], 1.0),
            ([one for one in mine if not one.front], 0.45),
        ):
            axes.scatter(
                [one.values[across] for one in shown],
                [one.values[up] for one in shown],
                s=46,
                facecolor=[colour if one.feasible else "white" for one in shown],
                edgecolor=colour,
                linewidth=1.4,
                alpha=opacity,
                zorder=3,
            )
        if mine:
            axes.scatter([], [], s=46, color=colour, label=names([identifier], 40)[0])
    if not all(one.feasible for one in points):
        axes.scatter([], [], s=46, facecolor="white", edgecolor=MUTED, label="breaks a limit")


def _line(axes: Axes, front: Sequence[Point], across: str, goal: Goal) -> None:
    """Draw how good the goal's metric can be had at a value across, or at a better one."""
    ordered = sorted(front, key=lambda one: one.values[across])
    axes.plot(
        [one.values[across] for one in ordered],
        [one.values[goal.metric] for one in ordered],
        color=INK,
        linewidth=1.6,
        drawstyle="steps-post" if goal.also[across] == "minimize" else "steps-pre",
        zorder=2,
        label="front",
    )


def _limits(axes: Axes, across: str, goal: Goal) -> None:
    for limit in map(parse, goal.subject_to):
        if limit.quantity == across:
            axes.axvline(
                limit.threshold,
                color=MUTED,
                linestyle=(0, (1, 2)),
                linewidth=1.6,
                zorder=1,
                label=limit.text,
            )


def _chosen(axes: Axes, points: Sequence[Point], across: str, up: str) -> None:
    for one in points:
        if one.chosen:
            where = one.values[across], one.values[up]
            axes.scatter(
                *where, s=190, facecolor="none", edgecolor=INK, linewidth=1.8, zorder=4,
                label="exported",
            )  # fmt: skip
            axes.annotate(
                f"trial {one.trial}: {one.values[up]:.3f} at {cost(across, one.values[across])}",
                where,
                xytext=(12, -14),
                textcoords="offset points",
                fontsize=9,
                color=ACCENT,
            )
