"""How often what was said with some probability came true on the test split, as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl import tasks
from automl.exporters import Delivery
from automl.exporters._style import ACCENT, FLOOR, MUTED, PALE, canvas, caption, png
from automl.jobs import Reliability

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LARGEST, _SMALLEST = 260.0, 12.0
"""Areas of markers, in square points: of the fullest bin, and of the emptiest."""
_ENOUGH = 10
"""Predictions that a bin needs to be part of the line: of fewer, the share is mostly chance."""


def reliability(delivery: Delivery) -> bytes | None:
    """Return the reliability diagram as PNG: as the model leaves, and before it was calibrated."""
    after = delivery.score.reliability.get("test")
    if after is None:
        return None
    before = delivery.score.uncalibrated.get("test")
    figure, axes = canvas(5.4, "How often probabilities came true on the test split")
    axes.plot((0, 1), (0, 1), color=PALE, linestyle=(0, (5, 3)), linewidth=1.4)
    if before is not None:
        _draw(axes, before, f"before calibration, error {before.error:.3f}", FLOOR, filled=False)
    what = "as it leaves" if before is not None else "not calibrated"
    _draw(axes, after, f"{what}, error {after.error:.3f}", ACCENT, filled=True)
    several = tasks.get(delivery.plan.task).probabilities == "sigmoid"
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.03, 1.03))
    axes.set_xlabel("probability said" + (" of a class" if several else " of the predicted class"))
    axes.set_ylabel("share of these that were so")
    axes.grid(visible=True)
    axes.legend(loc="upper left")
    count = sum(each.count for each in after.bins)
    many = "decisions" if several else "rows"
    caption(
        figure,
        f"{count:,} {many} in bins of equal width. Larger dots are more of them, pale ones under "
        f"{_ENOUGH}. True probabilities lie on the dashed line.",
    )
    axes.tick_params(color=MUTED)
    return png(figure)


def _draw(axes: Axes, found: Reliability, name: str, colour: str, *, filled: bool) -> None:
    most = max(each.count for each in found.bins)
    full = [each for each in found.bins if each.count >= _ENOUGH]
    line = [each.said for each in full], [each.found for each in full]
    axes.plot(*line, color=colour, linewidth=1.6, alpha=0.9, label=name)
    for each in found.bins:
        axes.scatter(
            each.said,
            each.found,
            s=max(_SMALLEST, _LARGEST * each.count / most),
            facecolor=colour if filled else "white",
            edgecolor=colour,
            zorder=2.5,
            alpha=0.85 if each.count >= _ENOUGH else 0.3,
        )
