"""Which settings made the difference between configurations."""

from __future__ import annotations

from automl.exporters._units import share
from automl.reporting.figures._chart import WIDE, Frame, widest
from automl.reporting.scales import Scale
from automl.reporting.story import Story
from automl.reporting.svg import shortened

MOST = 10
"""Settings that are drawn; the rest explain less."""


def caption(story: Story) -> str:
    """Return how to read it, and what it is worth."""
    found = story.importance
    if found is None:
        return ""
    worth = (
        f"The forest predicts {share(found.explained)} of the variance of configurations it has "
        "not seen."
        if found.explained >= 0.1
        else "The forest hardly predicts configurations it has not seen: take the bars for noise."
    )
    return (
        f"Share of the variance between {found.configurations} configurations that a setting "
        "explains by itself (functional ANOVA over a forest of regression trees; Hutter et al. "
        f"2014). Thin lines: its range when a fifth of them is left out. {worth}"
    )


def draw(story: Story, width: float) -> Frame | None:
    """Return the figure; None where too few configurations can be compared."""
    found = story.importance
    if found is None:
        return None
    shown = [(name, found.shares[name]) for name in found.ranked[:MOST]]
    room = min(widest([name for name, _ in shown]) + 14, width * 0.4)
    frame = Frame(width, 46 + 26 * len(shown), left=room, right=52, top=4)
    top = max(0.1, *(one.high for _, one in shown))
    across = Scale(0, min(1.0, top), frame.left, frame.right)
    ticks = across.ticks(5 if width == WIDE else 3)
    frame.across(across, "variance explained", lambda value: f"{value:.0%}", ticks, grid=True)
    for index, (name, one) in enumerate(shown):
        y = frame.top + 26 * index + 6
        tip = f"{name}: {one.share:.1%}, {one.low:.1%} to {one.high:.1%}"
        frame.drawing.text(frame.left - 8, y + 11, shortened(name, room - 14), "label", "end")
        frame.drawing.box(frame.left, y, across(one.share) - frame.left, 15, "bar", tip)
        frame.drawing.line(across(one.low), y + 7.5, across(one.high), y + 7.5, "whisker", tip)
        frame.drawing.text(across(one.high) + 8, y + 11, f"{one.share:.0%}", "label")
    return frame
