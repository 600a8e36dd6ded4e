"""Plots of the test split: which classes are taken for which, and how well each one is found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from automl.exporters import Delivery
from automl.exporters._style import ACCENT, BAR, INK, MUTED, canvas, caption, names, png
from automl.jobs import SplitScore

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

MATRIX_CLASSES = 25
"""Up to this many classes a matrix can be read; beyond it, the most confused pairs are listed."""
SHOWN_PAIRS = 20
SHOWN_CLASSES = 20


def confusion(delivery: Delivery) -> bytes | None:
    """Return the confusion matrix of the test split as PNG; of many classes, the worst pairs."""
    score = delivery.score.splits["test"]
    if not score.confusion:
        return None
    labels = delivery.plan.data.labels
    return _matrix(score, labels) if len(labels) <= MATRIX_CLASSES else _pairs(score, labels)


def per_class(delivery: Delivery) -> bytes | None:
    """Return F1 by class on the test split as PNG, best first; of many classes, the lowest."""
    score = delivery.score.splits["test"]
    if not score.per_class:
        return None
    called = dict(zip(score.per_class, names(list(score.per_class)), strict=True))
    ranked = sorted(score.per_class, key=lambda label: (score.per_class[label]["f1"], label))
    shown = ranked[:SHOWN_CLASSES]
    title = "F1 by class on the test split"
    if len(shown) < len(ranked):
        title = f"F1 of the {len(shown)} weakest of {len(ranked)} classes on the test split"
    values = [score.per_class[label]["f1"] for label in shown]
    figure, axes = canvas(1.5 + 0.28 * len(shown), title)
    axes.barh(range(len(shown)), values, height=0.66, color=BAR)
    for height, label in enumerate(shown):
        support = score.per_class[label]["support"]
        axes.text(values[height] + 0.01, height, f"{values[height]:.2f}", va="center", fontsize=9)
        axes.text(
            1.23,
            height,
            f"{support:,.0f} {_counted(score.unit, support)}",
            va="center",
            ha="right",
            fontsize=9,
            color=MUTED,
        )
    axes.set_yticks(range(len(shown)), [called[label] for label in shown])
    axes.set(xlim=(0, 1.24), ylim=(-0.6, len(shown) - 0.4), xlabel="F1")
    axes.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    axes.tick_params(length=0)
    axes.spines["bottom"].set_visible(False)
    return png(figure)


def _counted(unit: str, number: float) -> str:
    """Return the unit (a plural) as it stands after the number."""
    if number != 1:
        return unit
    return f"{unit[:-3]}y" if unit.endswith("ies") else unit.removesuffix("s")


def _matrix(score: SplitScore, labels: Sequence[str]) -> bytes:
    size = len(labels)
    totals = [max(1, sum(row)) for row in score.confusion]
    shares = [
        [count / total for count in row] for row, total in zip(score.confusion, totals, strict=True)
    ]
    figure, axes = canvas(
        min(8.8, 2.6 + 0.62 * size), f"Confusion on the test split, in {score.unit}"
    )
    image = axes.imshow(shares, cmap=_blues(), vmin=0, vmax=1, aspect="auto")
    called = names(labels, 24)
    axes.set_xticks(
        range(size),
        called,
        rotation=0 if size <= 4 else 40,
        ha="center" if size <= 4 else "right",
        rotation_mode="anchor",
    )
    axes.set_yticks(range(size), called)
    axes.set(xlabel="predicted", ylabel="true")
    for row, counts in enumerate(score.confusion):
        for column, count in enumerate(counts):
            if count:
                axes.text(
                    column,
                    row,
                    f"{count:,}",
                    ha="center",
                    va="center",
                    fontsize=11 if size <= 12 else 8,
                    color="white" if shares[row][column] > 0.5 else INK,
                )
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xticks([edge - 0.5 for edge in range(1, size)], minor=True)
    axes.set_yticks([edge - 0.5 for edge in range(1, size)], minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="minor", length=0)
    bar = figure.colorbar(image, ax=axes, fraction=0.035, pad=0.02, label="share of the true class")
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0)
    return png(figure)


def _pairs(score: SplitScore, labels: Sequence[str]) -> bytes:
    from matplotlib.ticker import MaxNLocator

    mistakes = [
        (count, true, predicted)
        for true, row in enumerate(score.confusion)
        for predicted, count in enumerate(row)
        if true != predicted and count
    ]
    mistakes.sort(key=lambda mistake: (-mistake[0], mistake[1:]))
    shown, wrong = mistakes[:SHOWN_PAIRS], sum(count for count, _, _ in mistakes)
    covered = sum(count for count, _, _ in shown)
    title = f"Most confused of {len(labels)} classes on the test split (true → predicted)"
    figure, axes = canvas(1.7 + 0.28 * max(1, len(shown)), title)
    called = names(labels, 30)
    order = list(reversed(shown))
    axes.barh(range(len(order)), [count for count, _, _ in order], height=0.66, color=BAR)
    for height, (count, true, _) in enumerate(order):
        share = count / sum(score.confusion[true])
        axes.annotate(
            f"{count} ({share:.0%} of the class)",
            (count, height),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
        )
    axes.set_yticks(range(len(order)), [f"{called[t]}  →  {called[p]}" for _, t, p in order])
    axes.set_xlim(0, 1.62 * max((count for count, _, _ in order), default=1))
    axes.set_ylim(-0.6, max(1, len(order)) - 0.4)
    axes.set_xlabel("rows")
    caption(
        figure,
        f"These {len(shown)} pairs hold {covered:,} of the {wrong:,} mistakes "
        f"in {score.rows:,} rows.",
    )
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.tick_params(length=0)
    axes.spines["bottom"].set_visible(False)
    return png(figure)


def _blues() -> Colormap:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("accent", ["#f5f7fb", "#93b4f5", ACCENT])
