"""The anytime plot: mean regret over units spent, one panel per setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.replay.figures import Figures

COLOURS = ("#9e9e9e", "#c9a227", "#7a5195", "#2f4b7c", "#58a4b0", "#1b9e77", "#d1495b", "#000000")


def draw(panels: Mapping[str, Figures], arms: Sequence[str], path: Path) -> None:
    """Write the plot as a PNG; ``panels`` is title → figures."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    width = 5.2 * len(panels)
    figure, axes = pyplot.subplots(
        1, len(panels), figsize=(width, 4.2), sharey=True, squeeze=False, layout="constrained"
    )
    for axis, (title, found) in zip(axes[0], panels.items(), strict=True):
        for arm, colour in zip(arms, COLOURS, strict=False):
            if arm in found.regrets:
                mean = found.regrets[arm].mean(axis=0)
                axis.plot(found.times, mean, label=arm, color=colour, linewidth=1.6)
        axis.set(title=title, xlabel="full trainings spent", yscale="log")
        axis.set_xlim(0, found.times[-1])
        axis.grid(alpha=0.3, which="both")
    axes[0][0].set_ylabel("normalised regret of the incumbent")
    axes[0][-1].legend(fontsize=8)
    figure.savefig(path, dpi=90)
    pyplot.close(figure)
